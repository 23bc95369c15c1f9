"""Bernoulli variables from logits against numpyro and scipy, and at saturation."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as numpyro
import pytest
import scipy.special
import scipy.stats

from aejax.distributions import bernoulli


def draw(shape):
    rng = np.random.default_rng(0)
    logits, other = (jnp.asarray(rng.normal(0, 3, shape), jnp.float32) for _ in range(2))
    return jnp.asarray(rng.integers(0, 2, shape), jnp.float32), logits, other


@pytest.mark.parametrize('shape', [(5, 7), (3, 4, 2, 1)])
def test_everything_equals_the_oracles(shape):
    x, logits, other = draw(shape)
    q, p = (scipy.special.expit(np.asarray(values, np.float64)) for values in (logits, other))
    oracle = numpyro.Bernoulli(logits=logits).to_event(len(shape) - 1)
    kl = scipy.special.rel_entr(q, p) + scipy.special.rel_entr(1 - q, 1 - p)
    entropy = scipy.stats.bernoulli(q).entropy()
    np.testing.assert_allclose(bernoulli.log_prob(x, logits), oracle.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(bernoulli.kl(logits, other), kl.reshape(shape[0], -1).sum(1), rtol=1e-5)
    np.testing.assert_allclose(bernoulli.entropy(logits), entropy.reshape(shape[0], -1).sum(1), rtol=1e-5)


def test_softplus_and_its_derivatives():
    logits = jnp.asarray([-1e4, -80.0, -20.0, -1.0, 0.0, 1e-3, 3.0, 20.0, 90.0, 1e4])
    np.testing.assert_allclose(bernoulli.softplus(logits), jax.nn.softplus(logits), rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(bernoulli.softplus)))(logits), jax.nn.sigmoid(logits), rtol=1e-6)
    second = jax.jit(jax.vmap(jax.grad(jax.grad(bernoulli.softplus))))(logits)
    np.testing.assert_allclose(second, jax.nn.sigmoid(logits) * jax.nn.sigmoid(-logits), rtol=1e-5, atol=1e-8)
    assert np.isnan(bernoulli.softplus(jnp.nan))


def test_grey_values_give_minus_the_cross_entropy():
    x, logits = jnp.asarray([[0.3, 0.8]]), jnp.asarray([[-1.0, 2.0]])
    p = scipy.special.expit(np.asarray(logits, np.float64))
    expected = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(bernoulli.log_prob(x, logits), expected, rtol=1e-6)


def test_cross_entropy_is_entropy_plus_divergence():
    _, logits, other = draw((4, 6))
    cross_entropy = -bernoulli.log_prob(jax.nn.sigmoid(logits), other)
    np.testing.assert_allclose(cross_entropy, bernoulli.entropy(logits) + bernoulli.kl(logits, other), rtol=1e-5)


@pytest.mark.parametrize('logit', [-1e4, -100.0, 100.0, 1e4])
def test_saturation_is_finite(logit):
    logits = jnp.full((1, 1), logit)
    right, wrong = jnp.full((1, 1), float(logit > 0)), jnp.full((1, 1), float(logit < 0))
    assert bernoulli.log_prob(right, logits)[0] == 0
    assert bernoulli.log_prob(wrong, logits)[0] == -abs(logit)
    assert bernoulli.entropy(logits)[0] == 0
    np.testing.assert_allclose(bernoulli.kl(logits, -logits), abs(logit), rtol=1e-6)
    for function in (functools.partial(bernoulli.log_prob, wrong), bernoulli.entropy, functools.partial(bernoulli.kl, -logits)):
        assert np.all(np.isfinite(jax.jacrev(function)(logits)))


def test_entropy_keeps_its_digits_at_saturation():
    p = np.float64(1 / (1 + np.exp(20.0)))
    np.testing.assert_allclose(bernoulli.entropy(jnp.asarray([[20.0]])), -(p * np.log(p) + (1 - p) * np.log1p(-p)), rtol=1e-5)


def test_samples_are_binary_with_the_right_rate():
    draws = np.asarray(bernoulli.sample(jax.random.key(0), jnp.full((20_000,), -1.0)))
    assert draws.dtype == np.float32
    assert set(np.unique(draws)) == {0, 1}
    assert scipy.stats.binomtest(int(draws.sum()), draws.size, float(scipy.special.expit(-1.0))).pvalue > 0.01


def test_shapes_must_agree():
    with pytest.raises(AssertionError):
        bernoulli.log_prob(jnp.ones((3, 2)), jnp.ones((1, 2)))
    with pytest.raises(AssertionError):
        bernoulli.kl(jnp.ones((3, 2)), jnp.ones((3, 1)))
