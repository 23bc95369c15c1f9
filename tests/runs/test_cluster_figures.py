"""Clusters take their names on the validation split, whichever split is judged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.data.dataset import make_dataset
from aejax.runs.clusters import cluster_figures
from aejax.types import TrainState


class Given:
    """What is seen are the logits."""

    def cluster_logits(self, params, mutables, x):
        return x


def test_clusters_are_named_on_the_validation_split():
    """Of three test examples in cluster 0, the surest has class 1: named by it, one is wrong; by validation's, two are."""
    test = {'x': np.asarray([[5.0, 0], [3, 0], [2, 0], [0, 4]], np.float32), 'label': np.asarray([1, 1, 0, 1])}
    validation = {'x': np.asarray([[1.0, 0], [0, 1]], np.float32), 'label': np.asarray([0, 1])}
    splits = {'train': test, 'validation': validation, 'test': test}
    dataset = make_dataset('made', 'raw', splits, source='made', seed=0, num_classes=2)
    state = TrainState(jnp.asarray(0), {}, {}, {}, {}, jax.random.key(0))
    found = cluster_figures(Given(), dataset, state, 'test')['cluster_error']
    assert (found['n'], found['mean']) == (4, pytest.approx(2 / 4))
    assert cluster_figures(Given(), dataset, state, 'validation')['cluster_error']['mean'] == 0
    assert cluster_figures(object(), dataset, state, 'test') == {}
