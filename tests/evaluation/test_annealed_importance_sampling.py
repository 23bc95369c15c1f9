"""AIS and BDMC with Hamiltonian Monte Carlo against a model whose log p(x) has a closed form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import kstest, norm

from aejax.evaluation import hmc
from aejax.evaluation.annealed_importance_sampling import (
    ACCEPTANCE,
    ais,
    bdmc,
    linear_betas,
    log_mean_weight,
    reverse_ais,
    sigmoidal_betas,
)
from aejax.types import UserError
from tests.linear_gaussian import exact_log_prob, linear_gaussian, simulate
from tests.support import at_once

NUM = 24


@functools.cache
def model():
    method, params = linear_gaussian()
    x, z = simulate(method, params, NUM)
    return method, params, x, z, exact_log_prob(method, params, x)


@functools.cache
def compiled(function, num: int, num_chains: int = 16, **options):
    method, params, *_ = model()
    return jax.jit(lambda key, *data: function(method, params, {}, key, *data, sigmoidal_betas(num), num_chains, 5, **options))


def test_hmc_leaves_the_tempered_posterior_as_it_is():
    """From exact draws of p_beta, after a few transitions with too long steps, they are draws of p_beta still."""
    method, params, x, _, _ = model()
    beta, W, variance = 0.3, np.asarray(params['W'], np.float64), np.exp(method.log_variance)
    covariance = np.linalg.inv(np.eye(3) + beta * W.T @ W / variance)
    centre = covariance @ W.T @ np.asarray(x[0] - params['b'], np.float64) * beta / variance
    root = np.linalg.cholesky(covariance)
    z = jnp.asarray(centre + np.random.default_rng(0).normal(size=(3_000, 3)) @ root.T, jnp.float32)
    many = jnp.broadcast_to(x[:1], (3_000, x.shape[1]))
    target = (lambda z: method.prior_log_prob(params, {}, z), lambda z: method.likelihood(params, {}, z, many))

    @jax.jit
    def move(z, key):
        at, accept = hmc.point(*target, z), []
        for step_key in jax.random.split(key, 3):
            at, probability = hmc.transition(*target, at, step_key, jnp.asarray(beta), jnp.full(3_000, 0.4), 3)
            accept.append(probability)
        return at, jnp.mean(jnp.stack(accept))

    at, accept = move(z, jax.random.key(1))
    assert 0.2 < accept < 0.9
    assert np.mean(np.abs(at.z - z)) > 0.1
    for leaf, again in zip(at, at_once(functools.partial(hmc.point, *target), at.z), strict=True):
        np.testing.assert_allclose(leaf, again, rtol=1e-4, atol=1e-3)
    white = np.linalg.solve(root, (np.asarray(at.z, np.float64) - centre).T)
    for row in white:
        assert kstest(row, norm.cdf).pvalue > 1e-3
    np.testing.assert_allclose(np.cov(white), np.eye(3), atol=0.1)


def test_gradients_are_those_of_each_row():
    method, params, x, z, _ = model()
    target = (lambda z: method.prior_log_prob(params, {}, z), lambda z: method.likelihood(params, {}, z, x))
    at = at_once(functools.partial(hmc.point, *target), z)
    x, z, W, b = (np.asarray(leaf) for leaf in (x, z, params['W'], params['b']))
    np.testing.assert_allclose(at.prior_gradient, -z, rtol=1e-5)
    residual = x - z @ W.T - b[None]
    np.testing.assert_allclose(at.likelihood_gradient, residual @ W / np.exp(method.log_variance), rtol=1e-4, atol=1e-3)


def test_forward_and_reverse_are_the_closed_form_within_their_errors():
    _, _, x, z, exact = model()
    sandwich = compiled(bdmc, 150)(jax.random.key(0), x, z)
    lower = (np.asarray(sandwich.lower, np.float64) - exact) / sandwich.lower_error
    assert np.abs(lower).max() < 4
    assert 0.4 < np.sqrt(np.mean(np.square(lower))) < 1.8
    # Chains in reverse share their start: over the examples, errors are those between draws of (z, x).
    gap = np.asarray(sandwich.upper, np.float64) - exact
    assert abs(gap.mean()) < 4 * gap.std(ddof=1) / np.sqrt(NUM)
    assert gap.std() < 0.3


def test_the_gap_closes_as_temperatures_are_added():
    """Each single chain errs to its own side on average, and less with more temperatures."""
    _, _, x, _, exact = model()
    gaps = []
    for num in (6, 60):
        steps = compiled(ais, num)(jax.random.key(0), x).step_sizes
        forward = compiled(ais, num)(jax.random.key(1), x).log_weights
        reverse = jax.jit(lambda key, steps, num=num: reverse_with(key, steps, num))(jax.random.key(2), steps)
        low, high = (np.asarray(found, np.float64).mean() - exact.mean() for found in (forward, reverse))
        assert low < 0 < high
        gaps.append(high - low)
    assert gaps[0] > 4 * gaps[1] > 0


def reverse_with(key, steps, num):
    method, params, x, z, _ = model()
    return reverse_ais(method, params, {}, key, x, z, sigmoidal_betas(num), 16, 5, steps).log_weights


def test_steps_are_adapted_towards_the_acceptance_asked_for():
    _, _, x, _, _ = model()
    found = compiled(ais, 150)(jax.random.key(0), x)
    assert found.log_weights.shape == (16, NUM)
    assert found.z.shape == (16, NUM, 3)
    assert np.mean(found.acceptance[-50:]) == pytest.approx(ACCEPTANCE, abs=0.05)
    # The posterior is narrower than the prior.
    assert np.mean(found.step_sizes[-1]) < 0.6 * np.max(np.mean(found.step_sizes, axis=1))
    method, params, *_ = model()
    mean, _ = at_once(lambda x: method.posterior(params, {}, x), x)
    np.testing.assert_allclose(np.mean(found.z, axis=0), mean, atol=0.45)


def test_without_a_temperature_in_between_it_is_naive_monte_carlo():
    method, params, x, _, _ = model()

    def look(x):
        found = ais(method, params, {}, jax.random.key(0), x, [0, 1], 4, 1)
        start, _ = jax.random.split(jax.random.key(0))
        z = method.sample_prior(params, {}, start, 8)
        return found.log_weights, method.likelihood(params, {}, z, jnp.concatenate([x] * 4))

    found, expected = at_once(look, x[:2])
    np.testing.assert_allclose(found, expected.reshape(4, 2), rtol=1e-5)


def test_ladders():
    np.testing.assert_allclose(linear_betas(4), [0, 0.25, 0.5, 0.75, 1])
    betas = sigmoidal_betas(1_000)
    steps = np.diff(betas)
    assert (betas[0], betas[-1], len(betas)) == (0, 1, 1_001)
    assert steps[500] / steps[0] == pytest.approx(0.25 / (np.exp(4) / (1 + np.exp(4)) ** 2), rel=0.02)
    method, params, x, _, _ = model()
    for wrong in ([0, 0.5], [0, 0.5, 0.5, 1], [0, np.nan, 1], [1, 0], [1]):
        with pytest.raises(ValueError, match='betas must rise from 0 to 1'):
            ais(method, params, {}, jax.random.key(0), x, wrong)


def test_what_cannot_be_annealed():
    method, params, x, *_ = model()
    with pytest.raises(UserError, match='object does not have'):
        ais(object(), params, {}, jax.random.key(0), x, linear_betas(3))
    with pytest.raises(UserError, match='object does not have'):
        reverse_ais(object(), params, {}, jax.random.key(0), x, jnp.zeros((len(x), 2)), linear_betas(3))
    for counts in ({'num_chains': 0}, {'num_leapfrog': -1}, {'num_leapfrog': 2.5}):
        ((name, value),) = counts.items()
        with pytest.raises(UserError, match=f'{name}={value} must be a whole number'):
            ais(method, params, {}, jax.random.key(0), x, linear_betas(3), **counts)
    with pytest.raises(UserError, match='num=-1 must be'):
        linear_betas(-1)


def test_the_mean_weight_and_its_error():
    log_w = np.random.default_rng(0).normal(-300, 1, (40, 2))
    value, error = log_mean_weight(jnp.asarray(log_w, jnp.float32))
    w = np.exp(log_w + 300)
    np.testing.assert_allclose(value, np.log(w.mean(axis=0)) - 300, rtol=1e-6)
    np.testing.assert_allclose(error, w.std(axis=0, ddof=1) / np.sqrt(40) / w.mean(axis=0), rtol=1e-3)
