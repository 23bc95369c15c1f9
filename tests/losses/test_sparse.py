"""Sparsity against scipy, numpyro and numpy's partition, on codes of digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import rel_entr
from sklearn.datasets import load_digits

from aejax.losses import sparse
from tests.support import at_once

RATE = 0.05


def codes(num=50, width=30, scale=0.05):
    """Pre-activations of digits under random filters."""
    x = load_digits().data[:num] - 8
    return (x @ np.random.default_rng(0).normal(0, scale, (64, width))).astype(np.float32)


def largest(k):
    return functools.partial(sparse.keep_largest, k=k)


def kl_to_rate(z):
    return sparse.kl_to_rate(z, RATE)


def test_l1_is_a_laplace_prior():
    z = codes()
    found, expected = at_once(lambda z: (sparse.l1(z), -dist.Laplace().log_prob(z).sum(axis=1) - z.shape[1] * np.log(2)), z)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(at_once(sparse.l1, z.reshape(50, 5, 6)), found, rtol=1e-5)


def test_kl_to_rate_is_scipys_relative_entropy():
    z = at_once(jax.nn.sigmoid, codes())
    mean = z.astype(np.float64).mean(axis=0)
    expected = rel_entr(RATE, mean) + rel_entr(1 - RATE, 1 - mean)
    np.testing.assert_allclose(at_once(kl_to_rate, z), expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(at_once(kl_to_rate, np.full((4, 3), RATE, np.float32)), 0, atol=1e-6)


def test_kl_to_rate_of_a_smaller_batch_is_larger():
    z = at_once(jax.nn.sigmoid, codes())
    parts = at_once(jax.vmap(kl_to_rate), z.reshape(5, 10, 30))
    assert np.mean(parts) > at_once(kl_to_rate, z)


def test_kl_to_rate_is_finite_where_units_are_saturated():
    z = np.tile(np.asarray([[0, 1, 0.5]], np.float32), (7, 1))
    value, gradient = at_once(jax.value_and_grad(kl_to_rate), z)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[:, 2] > 0)


@pytest.mark.parametrize('k', [1, 7, 30])
def test_keep_largest_is_numpys_partition(k):
    z = codes()
    threshold = np.partition(z, -k, axis=1)[:, -k, None]
    expected = np.where(z >= threshold, z, 0)
    assert np.any(expected < 0) == (k == 30)  # by value: a large negative unit is not kept
    np.testing.assert_array_equal(at_once(sparse.keep_largest, z, k), expected)
    np.testing.assert_array_equal(at_once(largest(k), z.reshape(5, 10, 30)), expected.reshape(5, 10, 30))
    np.testing.assert_array_equal(np.count_nonzero(expected, axis=1), k)


def test_gradients_flow_through_what_is_kept():
    z = codes()
    gradient = at_once(jax.grad(lambda z: 0.5 * jnp.sum(jnp.square(sparse.keep_largest(z, 4)))), z)
    np.testing.assert_array_equal(gradient, at_once(largest(4), z))


def test_the_last_bit_decides():
    z = np.asarray([[1.0, np.nextafter(np.float32(1), np.float32(2)), 0.5]], np.float32)
    np.testing.assert_array_equal(at_once(largest(1), z), [[0, z[0, 1], 0]])


def test_ties_are_all_kept():
    z = np.asarray([[0.5, 2.0, -1.0, 2.0, 2.0], [-3.0, -0.0, 0.0, -2.0, -1.0]], np.float32)
    np.testing.assert_array_equal(at_once(largest(2), z)[0], [0, 2, 0, 2, 2])
    np.testing.assert_array_equal(at_once(largest(3), z)[1], [0, 0, 0, 0, -1])
