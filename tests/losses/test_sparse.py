"""Sparsity against scipy, numpyro and numpy's partition, on codes of digits."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import rel_entr
from sklearn.datasets import load_digits

from aejax.losses import sparse

RATE = 0.05


def codes(num=50, width=30, scale=0.05):
    """Pre-activations of digits under random filters."""
    x = load_digits().data[:num] - 8
    return jnp.asarray(x @ np.random.default_rng(0).normal(0, scale, (64, width)), jnp.float32)


def test_l1_is_a_laplace_prior():
    z = codes()
    expected = -dist.Laplace().log_prob(np.asarray(z)).sum(axis=1) - z.shape[1] * np.log(2)
    np.testing.assert_allclose(sparse.l1(z), expected, rtol=1e-4)
    np.testing.assert_allclose(sparse.l1(z.reshape(50, 5, 6)), sparse.l1(z), rtol=1e-5)


def test_kl_to_rate_is_scipys_relative_entropy():
    z = jax.nn.sigmoid(codes())
    mean = np.asarray(z, np.float64).mean(axis=0)
    expected = rel_entr(RATE, mean) + rel_entr(1 - RATE, 1 - mean)
    np.testing.assert_allclose(sparse.kl_to_rate(z, RATE), expected.sum(), rtol=1e-5)
    np.testing.assert_allclose(sparse.kl_to_rate(jnp.full((4, 3), RATE), RATE), 0, atol=1e-6)


def test_kl_to_rate_of_a_smaller_batch_is_larger():
    z = jax.nn.sigmoid(codes())
    parts = [sparse.kl_to_rate(z[start : start + 10], RATE) for start in range(0, 50, 10)]
    assert np.mean(parts) > sparse.kl_to_rate(z, RATE)


def test_kl_to_rate_is_finite_where_units_are_saturated():
    z = jnp.stack([jnp.zeros(7), jnp.ones(7), jnp.full((7,), 0.5)], axis=1)
    value, gradient = jax.value_and_grad(sparse.kl_to_rate)(z, RATE)
    assert np.isfinite(value)
    assert np.all(np.isfinite(gradient))
    assert np.all(gradient[:, 2] > 0)


@pytest.mark.parametrize('k', [1, 7, 30])
def test_keep_largest_is_numpys_partition(k):
    z = np.asarray(codes())
    threshold = np.partition(z, -k, axis=1)[:, -k, None]
    expected = np.where(z >= threshold, z, 0)
    assert np.any(expected < 0) == (k == 30)  # by value: a large negative unit is not kept
    np.testing.assert_array_equal(jax.jit(sparse.keep_largest)(z, k), expected)
    np.testing.assert_array_equal(sparse.keep_largest(z.reshape(5, 10, 30), k), expected.reshape(5, 10, 30))
    np.testing.assert_array_equal(np.count_nonzero(expected, axis=1), k)


def test_gradients_flow_through_what_is_kept():
    z = codes()
    gradient = jax.grad(lambda z: 0.5 * jnp.sum(jnp.square(sparse.keep_largest(z, 4))))(z)
    np.testing.assert_array_equal(gradient, sparse.keep_largest(z, 4))


def test_the_last_bit_decides():
    z = np.asarray([[1.0, np.nextafter(np.float32(1), np.float32(2)), 0.5]], np.float32)
    np.testing.assert_array_equal(sparse.keep_largest(z, 1), [[0, z[0, 1], 0]])


def test_ties_are_all_kept():
    z = jnp.asarray([[0.5, 2.0, -1.0, 2.0, 2.0], [-3.0, -0.0, 0.0, -2.0, -1.0]])
    np.testing.assert_array_equal(sparse.keep_largest(z, 2)[0], [0, 2, 0, 2, 2])
    np.testing.assert_array_equal(sparse.keep_largest(z, 3)[1], [0, 0, 0, 0, -1])
