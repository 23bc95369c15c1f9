"""Distances between examples, against scikit-learn's."""

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import NearestNeighbors

from aejax.evaluation.distances import between_examples
from tests.support import scaled


def test_they_are_scikit_learns():
    x = scaled('test')
    flat, found = x.reshape(len(x), -1), between_examples(x)
    pairs = pairwise_distances(flat)[np.triu_indices(len(x), 1)]
    nearest = NearestNeighbors(n_neighbors=2).fit(flat).kneighbors(flat)[0][:, 1]
    np.testing.assert_allclose(found, [pairs.mean(), nearest.mean(), pairs.max()], rtol=1e-5)
    assert found.nearest < found.mean < found.largest


def test_one_example_has_no_distance():
    with pytest.raises(ValueError, match='two examples'):
        between_examples(np.ones((1, 3)))
