"""Rank correlations by scipy, and models that follow or do not."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from aejax.evaluation.progressions import progression_figures, rank_correlation


def test_rank_correlation_is_spearmans():
    measured = np.random.default_rng(0).integers(0, 4, size=(20, 6))
    measured[0] = 2
    expected = [0.0, *(spearmanr(np.arange(6), row).statistic for row in measured[1:])]
    np.testing.assert_allclose(rank_correlation(measured), expected, atol=1e-12)
    assert rank_correlation([[1, 2, 3], [3, 2, 1]]).tolist() == pytest.approx([1, -1])
    with pytest.raises(ValueError, match='two levels or more'):
        rank_correlation([[1], [2]])


def test_one_example_that_follows_and_one_that_changes_its_class():
    drawn = np.asarray([[[0, 1], [0, 2], [0, 3]], [[1, 3], [1, 2], [0, 1]]], np.float64)
    found = progression_figures(drawn, [0, 1], lambda x: x[:, 1], lambda x: x[:, 0])
    assert (found['examples'], found['levels'], found['measured']) == (2, 3, [2, 2, 2])
    assert found['rank_correlation']['mean'] == pytest.approx(0)
    assert found['class_kept']['mean'] == pytest.approx((1 + 2 / 3) / 2)
