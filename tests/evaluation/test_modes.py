"""Counting classes among samples, and saying that a model collapsed."""

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from aejax.evaluation.modes import class_shares, entropy, mean_distance, mode_figures
from tests.support import digits, scaled


def split(name: str) -> dict:
    return {'x': scaled(name), 'label': digits().split(name)['label']}


def figures(samples, num_classes=10) -> dict:
    return mode_figures(samples, split('train'), split('test'), num_classes)


def test_data_itself_misses_nothing():
    found = figures(scaled('validation'))
    label = digits().split('validation')['label']
    np.testing.assert_allclose(found['shares'], class_shares(label, 10), atol=0.02)
    assert found['missing'] == []
    assert not found['collapsed']
    assert found['diversity'] == pytest.approx(1.0, abs=0.03)
    assert found['entropy'] == pytest.approx(np.log(10), abs=0.02)
    assert found['classifier_error'] < 0.03


def test_classes_that_never_come_are_named():
    chosen = split('validation')
    found = figures(chosen['x'][~np.isin(chosen['label'], [3, 7])])
    assert found['missing'] == [3, 7]
    assert found['collapsed']


def test_one_image_again_and_again_is_a_collapse_without_any_classes():
    found = figures(scaled('test')[:1] + 0.01 * np.random.default_rng(0).normal(size=(50, 8, 8, 1)), num_classes=0)
    assert set(found) == {'samples', 'diversity', 'collapsed'}
    assert found['diversity'] < 0.1
    assert found['collapsed']


def test_samples_that_are_no_numbers_are_a_collapse():
    assert figures(np.full((20, 8, 8, 1), np.nan))['collapsed']


def test_entropy_and_distance():
    shares = class_shares([0, 0, 1, 2], 4)
    np.testing.assert_array_equal(shares, [0.5, 0.25, 0.25, 0.0])
    assert entropy(shares) == pytest.approx(scipy_entropy(shares))
    assert mean_distance(np.asarray([[0.0, 0.0], [3.0, 4.0]])) == 5.0
