"""Active units: which dimensions of a code the data move."""

import numpy as np
import pytest

from aejax.evaluation.active_units import active_units, activity


def test_it_is_the_variance_of_the_means():
    means = np.random.default_rng(0).normal(size=(500, 4)) * [1.0, 0.2, 0.05, 0.0] + [0, 5, 5, 5]
    np.testing.assert_allclose(activity(means), means.var(axis=0, ddof=1), rtol=1e-10)
    np.testing.assert_array_equal(active_units(means), [True, True, False, False])


def test_noise_of_estimates_is_not_activity():
    """Means from 20 samples of a unit-variance posterior: their noise, 0.05, is above the threshold; two of them cancel it."""
    random = np.random.default_rng(0)
    exact = random.normal(size=(5_000, 3)) * [0.5, 0.03, 0.0]
    one, other = (exact + random.normal(size=exact.shape) / np.sqrt(20) for _ in range(2))
    assert active_units(one).all()
    np.testing.assert_array_equal(active_units(one, other), [True, False, False])
    np.testing.assert_allclose(activity(one, other), exact.var(axis=0), atol=0.01)


@pytest.mark.parametrize(('means', 'others'), [((1, 3), None), ((5, 3), (4, 3)), ((5,), None)])
def test_shapes_that_cannot_be(means, others):
    with pytest.raises(ValueError, match='means'):
        activity(np.zeros(means), None if others is None else np.zeros(others))
