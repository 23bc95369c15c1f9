"""Bernoulli variables from logits against numpyro and scipy, and at saturation."""

import functools

import jax
import numpy as np
import numpyro.distributions as numpyro
import pytest
import scipy.special
import scipy.stats

from aejax.distributions import bernoulli
from tests.support import at_once


def draw(shape):
    rng = np.random.default_rng(0)
    logits, other = (rng.normal(0, 3, shape).astype(np.float32) for _ in range(2))
    return rng.integers(0, 2, shape).astype(np.float32), logits, other


@pytest.mark.parametrize('shape', [(5, 7), (3, 4, 2, 1)])
def test_everything_equals_the_oracles(shape):
    x, logits, other = draw(shape)
    q, p = (scipy.special.expit(np.asarray(values, np.float64)) for values in (logits, other))
    log_prob = at_once(lambda x, logits: numpyro.Bernoulli(logits=logits).to_event(len(shape) - 1).log_prob(x), x, logits)
    kl = scipy.special.rel_entr(q, p) + scipy.special.rel_entr(1 - q, 1 - p)
    entropy = scipy.stats.bernoulli(q).entropy()
    np.testing.assert_allclose(at_once(bernoulli.log_prob, x, logits), log_prob, rtol=1e-5)
    np.testing.assert_allclose(at_once(bernoulli.kl, logits, other), kl.reshape(shape[0], -1).sum(1), rtol=1e-5)
    np.testing.assert_allclose(at_once(bernoulli.entropy, logits), entropy.reshape(shape[0], -1).sum(1), rtol=1e-5)


def test_softplus_and_its_derivatives():
    logits = np.asarray([-1e4, -80.0, -20.0, -1.0, 0.0, 1e-3, 3.0, 20.0, 90.0, 1e4], np.float32)
    np.testing.assert_allclose(at_once(bernoulli.softplus, logits), at_once(jax.nn.softplus, logits), rtol=1e-6)
    on, off = (at_once(jax.nn.sigmoid, values) for values in (logits, -logits))
    np.testing.assert_allclose(at_once(jax.vmap(jax.grad(bernoulli.softplus)), logits), on, rtol=1e-6)
    second = at_once(jax.vmap(jax.grad(jax.grad(bernoulli.softplus))), logits)
    np.testing.assert_allclose(second, on * off, rtol=1e-5, atol=1e-8)
    assert np.isnan(at_once(bernoulli.softplus, np.nan))


def test_grey_values_give_minus_the_cross_entropy():
    x, logits = np.asarray([[0.3, 0.8]], np.float32), np.asarray([[-1.0, 2.0]], np.float32)
    p = scipy.special.expit(np.asarray(logits, np.float64))
    expected = np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=1)
    np.testing.assert_allclose(at_once(bernoulli.log_prob, x, logits), expected, rtol=1e-6)


def test_cross_entropy_is_entropy_plus_divergence():
    _, logits, other = draw((4, 6))
    log_prob = at_once(lambda logits, other: bernoulli.log_prob(jax.nn.sigmoid(logits), other), logits, other)
    expected = at_once(bernoulli.entropy, logits) + at_once(bernoulli.kl, logits, other)
    np.testing.assert_allclose(-log_prob, expected, rtol=1e-5)


@pytest.mark.parametrize('logit', [-1e4, -100.0, 100.0, 1e4])
def test_saturation_is_finite(logit):
    right, wrong, logits = (np.full((1, 1), value, np.float32) for value in (logit > 0, logit < 0, logit))

    def everything(right, wrong, logits):
        log_probs = bernoulli.log_prob(right, logits), bernoulli.log_prob(wrong, logits)
        functions = functools.partial(bernoulli.log_prob, wrong), bernoulli.entropy, functools.partial(bernoulli.kl, -logits)
        slopes = [jax.jacrev(function)(logits) for function in functions]
        return log_probs, bernoulli.entropy(logits), bernoulli.kl(logits, -logits), slopes

    log_probs, entropy, kl, slopes = at_once(everything, right, wrong, logits)
    assert log_probs[0][0] == 0
    assert log_probs[1][0] == -abs(logit)
    assert entropy[0] == 0
    np.testing.assert_allclose(kl, abs(logit), rtol=1e-6)
    assert np.all(np.isfinite(slopes))


def test_entropy_keeps_its_digits_at_saturation():
    p = np.float64(1 / (1 + np.exp(20.0)))
    entropy = at_once(bernoulli.entropy, np.full((1, 1), 20, np.float32))
    np.testing.assert_allclose(entropy, -(p * np.log(p) + (1 - p) * np.log1p(-p)), rtol=1e-5)


def test_samples_are_binary_with_the_right_rate():
    draws = at_once(bernoulli.sample, jax.random.key(0), np.full(20_000, -1, np.float32))
    assert draws.dtype == np.float32
    assert set(np.unique(draws)) == {0, 1}
    assert scipy.stats.binomtest(int(draws.sum()), draws.size, float(scipy.special.expit(-1.0))).pvalue > 0.01


def test_shapes_must_agree():
    with pytest.raises(AssertionError):
        bernoulli.log_prob(np.ones((3, 2)), np.ones((1, 2)))
    with pytest.raises(AssertionError):
        bernoulli.kl(np.ones((3, 2)), np.ones((3, 1)))
