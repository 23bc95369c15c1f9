"""The diagonal Gaussian against numpyro, scipy and its own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro
import pytest
import scipy.stats

from aejax.distributions import normal
from aejax.distributions.reduction import sum_per_example
from tests.support import at_once

SHAPES = [(5, 7), (3, 4, 2, 1)]


def draw(shape, num=4):
    return list(np.random.default_rng(0).normal(size=(num, *shape)).astype(np.float32))


def oracle(mean, log_variance):
    return numpyro.Normal(mean, jnp.exp(log_variance / 2)).to_event(mean.ndim - 1)


@pytest.mark.parametrize('shape', SHAPES)
def test_everything_equals_numpyro(shape):
    x, mean, log_variance, other = draw(shape)

    def numpyros(x, mean, log_variance, other):
        q, p = oracle(mean, log_variance), oracle(other, x)
        standard = oracle(jnp.zeros(shape), jnp.zeros(shape))
        return q.log_prob(x), numpyro.kl_divergence(q, p), numpyro.kl_divergence(q, standard)

    log_prob, kl, kl_standard = at_once(numpyros, x, mean, log_variance, other)
    np.testing.assert_allclose(at_once(normal.log_prob, x, mean, log_variance), log_prob, rtol=1e-5)
    np.testing.assert_allclose(at_once(normal.kl, mean, log_variance, other, x), kl, rtol=1e-5)
    np.testing.assert_allclose(at_once(normal.kl_standard, mean, log_variance), kl_standard, rtol=1e-5)
    entropy = scipy.stats.norm(scale=np.exp(log_variance / 2)).entropy().reshape(shape[0], -1).sum(1)
    np.testing.assert_allclose(at_once(normal.entropy, log_variance), entropy, rtol=1e-5)


def test_kl_is_the_mean_log_ratio_of_its_samples():
    _, mean, log_variance, _ = draw((3, 4))

    def log_ratio(key, mean, log_variance):
        z = normal.sample(key, mean, log_variance)
        return normal.log_prob(z, mean, log_variance) - normal.log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))

    keys = jax.random.split(jax.random.key(0), 40_000)
    ratio = at_once(jax.vmap(log_ratio, in_axes=(0, None, None)), keys, mean, log_variance).astype(np.float64)
    error = ratio.std(0, ddof=1) / np.sqrt(len(ratio))
    assert np.all(error < 0.03)
    assert np.all(np.abs(ratio.mean(0) - at_once(normal.kl_standard, mean, log_variance)) < 4 * error)


def test_kl_is_smallest_at_mean_zero_and_unit_sigma():
    origin = np.zeros((1, 3), np.float32)
    value, gradients = at_once(jax.value_and_grad(lambda *args: normal.kl_standard(*args)[0], argnums=(0, 1)), origin, origin)
    assert value == 0
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, 0)
    others = [np.full((1, 3), 2 * np.log(sigma), np.float32) for sigma in (1e-3, 0.5, 0.9, 1.1, 2.0)]
    assert np.all(at_once(jax.vmap(normal.kl_standard, in_axes=(None, 0)), origin, np.stack(others)) > 0)


def test_kl_keeps_its_digits_near_unit_sigma():
    log_variance = np.full((1, 1), 1e-3, np.float32)
    expected = 0.5 * (np.expm1(np.float64(log_variance)) - np.float64(log_variance))
    found = at_once(normal.kl_standard, np.zeros_like(log_variance), log_variance)
    np.testing.assert_allclose(found, expected[0], rtol=1e-3)


def test_kl_of_two_gaussians_contains_the_standard_one():
    _, mean, log_variance, _ = draw((4, 6))
    zeros = np.zeros((4, 6), np.float32)
    expected = at_once(normal.kl_standard, mean, log_variance)
    np.testing.assert_allclose(at_once(normal.kl, mean, log_variance, zeros, zeros), expected, rtol=1e-6)
    np.testing.assert_array_equal(at_once(normal.kl, mean, log_variance, mean, log_variance), 0)


def test_samples_have_the_standard_deviation_and_not_the_variance():
    sigma = 3.0
    mean, log_variance = (np.full(20_000, value, np.float32) for value in (5, 2 * np.log(sigma)))
    z = at_once(normal.sample, jax.random.key(1), mean, log_variance)
    assert scipy.stats.kstest(z, scipy.stats.norm(5, sigma).cdf).pvalue > 0.01


def test_samples_are_reparameterised():
    key, mean, log_variance = jax.random.key(2), np.ones((2, 3), np.float32), np.full((2, 3), 0.4, np.float32)
    eps = (at_once(normal.sample, jax.random.clone(key), mean, log_variance) - mean) / np.exp(log_variance / 2)
    gradients = at_once(jax.grad(lambda m, v: jnp.sum(normal.sample(key, m, v)), argnums=(0, 1)), mean, log_variance)
    np.testing.assert_array_equal(gradients[0], 1)
    np.testing.assert_allclose(gradients[1], eps * np.exp(0.2) / 2, rtol=1e-5)


def test_shapes_must_agree():
    with pytest.raises(AssertionError):
        normal.log_prob(np.ones((3, 2)), np.ones((3, 2)), np.ones((1, 2)))
    with pytest.raises(AssertionError):
        normal.kl_standard(np.ones((3, 2)), np.ones((3,)))
    with pytest.raises(ValueError, match='batch axis'):
        sum_per_example(np.ones(()))
    np.testing.assert_array_equal(at_once(sum_per_example, np.ones((3, 2, 4))), np.full(3, 8))
    np.testing.assert_array_equal(at_once(sum_per_example, np.ones(3)), np.ones(3))
