"""The diagonal Gaussian against numpyro, scipy and its own samples."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro
import pytest
import scipy.stats

from aejax.distributions import normal
from aejax.distributions.reduction import sum_per_example

SHAPES = [(5, 7), (3, 4, 2, 1)]


def draw(shape, num=4):
    return [jnp.asarray(values, jnp.float32) for values in np.random.default_rng(0).normal(size=(num, *shape))]


def oracle(mean, log_variance):
    return numpyro.Normal(mean, jnp.exp(log_variance / 2)).to_event(mean.ndim - 1)


@pytest.mark.parametrize('shape', SHAPES)
def test_everything_equals_numpyro(shape):
    x, mean, log_variance, other = draw(shape)
    q, p = oracle(mean, log_variance), oracle(other, x)
    standard = oracle(jnp.zeros(shape), jnp.zeros(shape))
    np.testing.assert_allclose(normal.log_prob(x, mean, log_variance), q.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(normal.kl(mean, log_variance, other, x), numpyro.kl_divergence(q, p), rtol=1e-5)
    np.testing.assert_allclose(normal.kl_standard(mean, log_variance), numpyro.kl_divergence(q, standard), rtol=1e-5)
    entropy = scipy.stats.norm(scale=np.exp(np.asarray(log_variance) / 2)).entropy().reshape(shape[0], -1).sum(1)
    np.testing.assert_allclose(normal.entropy(log_variance), entropy, rtol=1e-5)


def test_kl_is_the_mean_log_ratio_of_its_samples():
    _, mean, log_variance, _ = draw((3, 4))
    keys = jax.random.split(jax.random.key(0), 40_000)
    z = jax.jit(jax.vmap(normal.sample, in_axes=(0, None, None)))(keys, mean, log_variance)
    standard = jax.jit(jax.vmap(lambda z: normal.log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))))(z)
    ratio = np.asarray(jax.jit(jax.vmap(lambda z: normal.log_prob(z, mean, log_variance)))(z) - standard, np.float64)
    error = ratio.std(0, ddof=1) / np.sqrt(len(ratio))
    assert np.all(error < 0.03)
    assert np.all(np.abs(ratio.mean(0) - normal.kl_standard(mean, log_variance)) < 4 * error)


def test_kl_is_smallest_at_mean_zero_and_unit_sigma():
    origin = jnp.zeros((1, 3))
    assert normal.kl_standard(origin, origin)[0] == 0
    for gradient in jax.jit(jax.grad(lambda *args: normal.kl_standard(*args)[0], argnums=(0, 1)))(origin, origin):
        np.testing.assert_array_equal(gradient, 0)
    for sigma in (1e-3, 0.5, 0.9, 1.1, 2.0):
        assert normal.kl_standard(origin, jnp.full((1, 3), 2 * np.log(sigma)))[0] > 0


def test_kl_keeps_its_digits_near_unit_sigma():
    log_variance = np.full((1, 1), 1e-3, np.float32)
    expected = 0.5 * (np.expm1(np.float64(log_variance)) - np.float64(log_variance))
    np.testing.assert_allclose(normal.kl_standard(jnp.zeros((1, 1)), jnp.asarray(log_variance)), expected[0], rtol=1e-3)


def test_kl_of_two_gaussians_contains_the_standard_one():
    _, mean, log_variance, _ = draw((4, 6))
    zeros = jnp.zeros((4, 6))
    np.testing.assert_allclose(normal.kl(mean, log_variance, zeros, zeros), normal.kl_standard(mean, log_variance), rtol=1e-6)
    np.testing.assert_array_equal(normal.kl(mean, log_variance, mean, log_variance), 0)


def test_samples_have_the_standard_deviation_and_not_the_variance():
    sigma = 3.0
    z = np.asarray(normal.sample(jax.random.key(1), jnp.full((20_000,), 5.0), jnp.full((20_000,), 2 * np.log(sigma))))
    assert scipy.stats.kstest(z, scipy.stats.norm(5, sigma).cdf).pvalue > 0.01


def test_samples_are_reparameterised():
    key, mean, log_variance = jax.random.key(2), jnp.ones((2, 3)), jnp.full((2, 3), 0.4)
    eps = (normal.sample(jax.random.clone(key), mean, log_variance) - mean) / jnp.exp(log_variance / 2)
    gradients = jax.jit(jax.grad(lambda m, v: jnp.sum(normal.sample(key, m, v)), argnums=(0, 1)))(mean, log_variance)
    np.testing.assert_array_equal(gradients[0], 1)
    np.testing.assert_allclose(gradients[1], eps * jnp.exp(0.2) / 2, rtol=1e-5)


def test_shapes_must_agree():
    with pytest.raises(AssertionError):
        normal.log_prob(jnp.ones((3, 2)), jnp.ones((3, 2)), jnp.ones((1, 2)))
    with pytest.raises(AssertionError):
        normal.kl_standard(jnp.ones((3, 2)), jnp.ones((3,)))
    with pytest.raises(ValueError, match='batch axis'):
        sum_per_example(jnp.ones(()))
    np.testing.assert_array_equal(sum_per_example(jnp.ones((3, 2, 4))), np.full(3, 8))
    np.testing.assert_array_equal(sum_per_example(jnp.ones(3)), np.ones(3))
