"""Activation statistics: two kinds of sparsity that do not imply each other, counted by hand and on digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.evaluation import jacobian
from aejax.evaluation.activations import activation_statistics
from aejax.losses.sparse import keep_largest
from tests.support import scaled

CODES = np.asarray([[0.0, 0.5, 0.0, -2.0], [0.0, 0.0, 0.0, 1.0], [0.0, 3.0, 0.0, 4.0]])


def pre_activations(width=40):
    x = jnp.asarray(scaled('test').reshape(-1, 64))
    return (x - x.mean(axis=0, keepdims=True)) @ jax.random.normal(jax.random.key(0), (64, width))


def test_by_hand():
    found = activation_statistics(CODES)
    np.testing.assert_allclose(found.active_share, [0.5, 0.25, 0.5])
    np.testing.assert_allclose(found.lifetime, [0, 2 / 3, 0, 1])
    np.testing.assert_array_equal(found.dead, [True, False, True, False])
    np.testing.assert_allclose(found.mean_activation, [0, 3.5 / 3, 0, 1])
    assert found.saturation is None
    np.testing.assert_array_equal(activation_statistics(CODES, threshold=2.5).dead, [True, False, True, False])
    np.testing.assert_array_equal(activation_statistics(CODES[:2], threshold=1.0).dead, [True, True, True, False])


def test_the_summary_takes_examples_and_units_each_for_themselves():
    summary = activation_statistics(CODES).summary()
    assert summary['active_share'] == pytest.approx({'mean': 5 / 12, 'standard_error': np.sqrt(1 / 48 / 3), 'n': 3})
    assert summary['dead_units']['mean'] == 0.5
    assert summary['lifetime_of_living_units'] == pytest.approx({'mean': 5 / 6, 'standard_error': 1 / 6, 'n': 2})
    assert summary['mean_activation']['n'] == 4
    assert 'saturation' not in summary


def test_codes_without_a_living_unit():
    summary = activation_statistics(np.zeros((3, 2))).summary()
    assert summary['dead_units']['mean'] == 1
    assert 'lifetime_of_living_units' not in summary


def test_k_sparse_codes_of_digits():
    found = activation_statistics(keep_largest(pre_activations(), 10))
    np.testing.assert_allclose(found.active_share, 0.25)
    assert found.lifetime.mean() == pytest.approx(0.25)
    assert found.lifetime.std() > 0.02


def test_saturation_of_sigmoids_is_that_of_the_contractive_measures():
    codes = jax.nn.sigmoid(pre_activations())
    found = activation_statistics(codes, threshold=0.5)
    assert found.active_share.mean() == pytest.approx(np.mean(pre_activations() > 0))
    np.testing.assert_allclose(found.saturation, jacobian.saturation(codes), rtol=1e-6)
    assert 0.1 < found.saturation.mean() < 0.9
    assert activation_statistics(codes).active_share.min() == 1


def test_codes_of_any_shape_are_flattened():
    codes = np.asarray(pre_activations())
    for one, other in zip(activation_statistics(codes), activation_statistics(codes.reshape(-1, 2, 20)), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(('codes', 'threshold'), [(np.zeros((0, 3)), 0.0), (np.zeros(3), 0.0), (np.zeros((2, 3)), -1.0)])
def test_what_has_no_statistics(codes, threshold):
    with pytest.raises(ValueError, match='activation_statistics needs codes'):
        activation_statistics(codes, threshold=threshold)
