"""Clusters against labels: by hand, where all is known, and on k-means' clusters of real digits."""

import tracemalloc

import numpy as np
import pytest
from scipy.special import logsumexp

from aejax.evaluation.clusters import _log_odds, cluster_errors, cluster_labels
from aejax.types import UserError
from tests.support import digits, scaled


def test_a_cluster_takes_the_label_of_its_most_confident_example():
    probability = np.asarray([[0.6, 0.3, 0.1], [0.9, 0.05, 0.05], [0.1, 0.5, 0.4], [0.2, 0.1, 0.7], [0.1, 0.8, 0.1]])
    label = np.asarray([4, 7, 4, 7, 2])
    found = cluster_labels(np.log(probability), label)
    np.testing.assert_array_equal(found, [7, 2, 7])
    np.testing.assert_array_equal(cluster_errors(np.log(probability), label, found), [1, 0, 1, 0, 0])


def test_the_surest_of_those_that_are_sure_to_the_last_digit():
    logits = np.asarray([[60.0, 0.0], [80.0, 0.0], [0.0, 1.0]], np.float32)
    np.testing.assert_array_equal(cluster_labels(logits, [1, 2, 3]), [2, 3])
    np.testing.assert_array_equal(cluster_labels(logits + np.asarray([[99.0], [0.0], [0.0]]), [1, 2, 3]), [2, 3])


def test_log_odds_are_those_against_all_other_clusters_and_take_memory_for_a_row_of_them():
    random = np.random.default_rng(0)
    logits = np.concatenate([scale * random.normal(size=(20, 7)) for scale in (1, 10, 300)])
    logits[0] = 0.0
    others = [logsumexp(np.delete(logits, k, axis=1), axis=1) for k in range(7)]
    np.testing.assert_allclose(_log_odds(logits), logits - np.stack(others, axis=1), rtol=1e-10, atol=1e-10)
    wide = random.normal(size=(50, 300))
    tracemalloc.start()
    cluster_labels(wide, np.zeros(50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * wide.nbytes


def test_k_means_of_digits():
    from sklearn.cluster import KMeans

    label = {split: digits().split(split)['label'] for split in ('validation', 'test')}
    flat = {split: scaled(split).reshape(-1, 64) for split in ('train', 'validation', 'test')}
    fitted = KMeans(16, n_init=3, random_state=0).fit(flat['train'])
    logits = {split: -10 * fitted.transform(flat[split]) ** 2 for split in label}
    error = cluster_errors(logits['test'], label['test'], cluster_labels(logits['validation'], label['validation'])).mean()
    assert 0.05 < error < 0.35
    shuffled = np.random.default_rng(0).permutation(label['validation'])
    assert cluster_errors(logits['test'], label['test'], cluster_labels(logits['validation'], shuffled)).mean() > 0.7


def test_what_cannot_be_labelled():
    with pytest.raises(UserError, match='got \\(3, 1\\) and \\(3,\\)'):
        cluster_labels(np.zeros((3, 1)), [0, 1, 2])
