"""Means with standard errors."""

import math

import numpy as np
import pytest
import scipy.stats

from aejax.evaluation.summary import summarise


def test_equals_scipy():
    values = np.random.default_rng(0).normal(-90, 5, 200)
    summary = summarise(values)
    assert summary == {'mean': pytest.approx(values.mean()), 'standard_error': pytest.approx(scipy.stats.sem(values)), 'n': 200}
    assert [type(value) for value in summary.values()] == [float, float, int]


def test_sums_in_float64():
    values = np.full(100_000, 0.1, np.float32)
    values[0] = 1e8
    assert summarise(values)['mean'] == pytest.approx((1e8 + 99_999 * np.float64(np.float32(0.1))) / 100_000, rel=1e-12)


@pytest.mark.parametrize('bad', [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_not_hidden(bad):
    summary = summarise(np.asarray([1.0, bad, 2.0]))
    assert math.isnan(summary['mean'])
    assert math.isnan(summary['standard_error'])
    assert summary['n'] == 3


def test_one_value_has_no_standard_error():
    summary = summarise([3.0])
    assert (summary['mean'], summary['n']) == (3.0, 1)
    assert math.isnan(summary['standard_error'])


@pytest.mark.parametrize('values', [[], 1.0, [[1.0]]])
def test_anything_but_values_per_example_is_refused(values):
    with pytest.raises(ValueError, match='one value an example'):
        summarise(values)
