"""log p(x) by importance sampling against a model with a closed form, and the streamed sums against numpy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from aejax import methods
from aejax.data import load
from aejax.evaluation.importance_sampling import (
    importance_sampling,
    is_evaluable,
    make_likelihood_evaluator,
    naive_monte_carlo,
    proposal,
)
from aejax.evaluation.log_weights import growth, log_mean
from aejax.evaluation.per_example import make_evaluator
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import UserError
from experiments.configs import vae
from tests.linear_gaussian import exact_log_prob, linear_gaussian, simulate
from tests.support import at_once, digits

NUM_SAMPLES, CHUNK = 23, 5


def weights(num: int, batch: int = 4) -> np.ndarray:
    """log-weights far from zero and of very different sizes, some of them of weights that are zero."""
    log_w = np.random.default_rng(1).normal(-700, 4, (num, batch)).astype(np.float32)
    log_w[:7, 1] = -np.inf
    return log_w


def streamed(log_w: np.ndarray, num_samples: int, chunk: int, counts=()):
    """`log_mean` of these very log-weights, whatever the key."""
    padded = np.concatenate([log_w, np.full((chunk, log_w.shape[1]), 50.0, np.float32)])

    def of_these(key, padded):
        keys = jax.random.key_data(jax.vmap(lambda i: jax.random.fold_in(key, i))(jnp.arange(len(log_w) // chunk + 1)))

        def log_weights(key, num):
            index = jnp.argmax(keys[:, 1] == jax.random.key_data(key)[1])
            return jax.lax.dynamic_slice_in_dim(padded, index * chunk, num)

        return log_mean(log_weights, key, num_samples, chunk, counts)

    return at_once(of_these, jax.random.key(0), padded)


@pytest.mark.parametrize('chunk', [1, CHUNK, NUM_SAMPLES])
def test_streamed_sums_are_those_of_all_weights_at_once(chunk):
    log_w, counts = weights(NUM_SAMPLES), (1, 6, 10, NUM_SAMPLES)
    found = streamed(log_w, NUM_SAMPLES, chunk, counts)
    wide = log_w.astype(np.float64)
    expected = [logsumexp(wide[:count], axis=0) - np.log(count) for count in counts]
    np.testing.assert_allclose(found.running, expected, rtol=1e-6)
    np.testing.assert_allclose(found.log_mean, expected[-1], rtol=1e-6)
    w = np.exp(wide - wide.max(axis=0))
    np.testing.assert_allclose(found.effective_sample_size, w.sum(0) ** 2 / (w**2).sum(0), rtol=1e-4)
    error = w.std(axis=0, ddof=1) / np.sqrt(NUM_SAMPLES) / w.mean(axis=0)
    np.testing.assert_allclose(found.standard_error, error, rtol=1e-4)


def test_what_is_not_finite_is_told():
    log_w = weights(NUM_SAMPLES)
    log_w[:, 0], log_w[3, 2] = -np.inf, np.nan
    found = streamed(log_w, NUM_SAMPLES, CHUNK)
    assert found.log_mean[0] == -np.inf
    assert np.isnan(found.log_mean[2])
    assert np.all(np.isfinite(found.log_mean[[1, 3]]))
    assert np.isnan(streamed(log_w, 1, 1).standard_error).all()


@functools.cache
def model():
    method, params = linear_gaussian()
    x, _ = simulate(method, params, 12)
    return method, params, x, exact_log_prob(method, params, x)


@functools.cache
def estimate(num_samples: int, seed: int = 0, chunk: int | None = None, function=importance_sampling, counts=()):
    method, params, x, _ = model()
    options = {} if function is naive_monte_carlo else {'chunk': chunk}
    return at_once(lambda key: function(method, params, {}, key, x, num_samples, counts, **options), jax.random.key(seed))


@pytest.mark.parametrize('function', [importance_sampling, naive_monte_carlo])
def test_the_estimate_is_the_closed_form_within_its_own_error(function):
    num = 20_000
    found, exact = estimate(num, function=function), model()[3]
    scores = (found.log_mean.astype(np.float64) - exact) / found.standard_error
    assert np.abs(scores).max() < 3.5
    assert 0.4 < np.sqrt(np.mean(np.square(scores))) < 1.7


def test_the_prior_wastes_most_of_its_samples():
    ours, naive = (estimate(20_000, function=function) for function in (importance_sampling, naive_monte_carlo))
    assert np.median(ours.effective_sample_size) > 3 * np.median(naive.effective_sample_size)
    assert np.median(ours.standard_error) < 0.7 * np.median(naive.standard_error)


def test_more_samples_come_nearer_and_never_pass():
    """E[log 1/S sum w] rises with S towards log p(x): the ELBO first."""
    method, params, x, exact = model()
    counts = (1, 10, 100)
    run = jax.vmap(lambda key: importance_sampling(method, params, {}, key, x, 100, counts).running)
    draws = at_once(lambda key: run(jax.random.split(key, 400)), jax.random.key(3)).astype(np.float64)
    values, errors = draws.mean(axis=0), draws.std(axis=0) / 20
    assert np.all(np.diff(values, axis=0) > 0)
    assert np.all(values < exact[None] + 3 * errors)
    assert np.all(values[2] > exact - 0.3)
    mean, log_variance = at_once(lambda x: method.posterior(params, {}, x), x)
    W, variance = np.asarray(params['W'], np.float64), np.exp(method.log_variance)
    kl = 0.5 * np.sum(np.exp(log_variance) + np.square(mean) - log_variance - 1, axis=1)
    at_mean = at_once(lambda mean, x: method.likelihood(params, {}, mean, x), mean, x).astype(np.float64)
    elbo = at_mean - 0.5 * (np.exp(log_variance) * np.sum(W**2, axis=0)[None]).sum(1) / variance - kl
    assert np.abs((values[0] - elbo) / errors[0]).max() < 4


def test_chunks_do_not_change_what_is_estimated():
    found = [estimate(3_000, chunk=chunk) for chunk in (7, 100, 10_000)]
    for other in found[1:]:
        error = np.hypot(found[0].standard_error, other.standard_error)
        assert np.all(np.abs(found[0].log_mean - other.log_mean) < 4 * error)


def test_the_method_s_own_proposal_is_preferred():
    method, params, x, _ = model()

    class Own:
        def propose(self, params, mutables, key, x, num):
            return 'z', 'log_q'

        posterior = method.posterior

    assert proposal(Own(), params, {}, x)(jax.random.key(0), 3) == ('z', 'log_q')
    z, log_q = jax.eval_shape(lambda key: proposal(method, params, {}, x)(key, 3), jax.random.key(0))
    assert (z.shape, log_q.shape) == ((3, 12, 3), (3, 12))


def test_what_cannot_be():
    method, params, x, _ = model()
    assert is_evaluable(method)
    assert not is_evaluable(object())
    with pytest.raises(UserError, match='object lacks likelihood'):
        importance_sampling(object(), params, {}, jax.random.key(0), x, 5)
    with pytest.raises(UserError, match='needs likelihood, which object does not have'):
        naive_monte_carlo(object(), params, {}, jax.random.key(0), x, 5)
    with pytest.raises(UserError, match='num_samples=0 must be a whole number of at least 1'):
        jax.eval_shape(lambda key: importance_sampling(method, params, {}, key, x, 0), jax.random.key(0))
    assert growth(5_000) == (50, 500, 5_000)
    assert growth(7) == (7,)


def test_a_split_is_evaluated_on_the_pixels_of_the_other_metrics():
    dataset, config = load('digits', preprocessing='dynamic_binarisation'), vae.get_config()
    method = methods.build(config, dataset.spec)
    state = loop.initial_state(method, Resident(dataset.split('train'), 100), dataset.spec, 0)
    # A code that says nothing and a decoder that hears nothing: the ELBO is log p(x), and any sample gives it.
    params = {**state.params, 'encoder': jax.tree.map(np.zeros_like, state.params['encoder'])}
    last = {'kernel': np.zeros((128, 64), np.float32), 'bias': np.linspace(-2, 2, 64, dtype=np.float32)}
    state = state.replace(params={**params, 'decoder': {**params['decoder'], 'layer_1': last}})
    split = {'x': dataset.split('test')['x'][:130]}
    expected = make_evaluator(method, dataset.spec, split, batch_size=50, seed=3)(state)['elbo']
    found = make_likelihood_evaluator(method, dataset.spec, split, 7, (2,), batch_size=50, seed=3)(state)
    assert found['running'].shape == (1, 130)
    np.testing.assert_allclose(found['log_mean'], expected, rtol=1e-5)
    np.testing.assert_allclose(found['effective_sample_size'], 7, rtol=1e-4)
    assert len(np.unique(expected)) > 100
    assert digits().spec != dataset.spec
