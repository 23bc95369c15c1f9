"""Importance-weighted bounds and the estimators of their gradients, on a linear-Gaussian model whose answers are known.

z ~ N(0, I), x | z ~ N(W z + b, s^2 I), q(z given x) = N(A x + c, diag(exp(v))). The columns of W are orthogonal, so that there
is a q which is exact.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from scipy.stats import multivariate_normal

from aejax.distributions import normal
from aejax.losses.importance import GRADIENTS, iwae_bound, normalised_weights, scale_gradient, surrogate_log_weights
from tests.support import at_once

W = np.asarray([[1.2, -0.2], [0.6, 0.4], [0.0, 0.5]])
LOG_VARIANCE = -1.0
X = jnp.asarray([[0.5, -1.0, 0.3], [2.0, 0.4, -0.6]])
NUM = 4_000
THETA = {'W': jnp.asarray(W, jnp.float32), 'b': jnp.asarray([0.1, 0.0, -0.2])}
PHI = {
    'A': jnp.asarray([[0.3, 0.2], [0.1, 0.0], [-0.1, 0.4]]),
    'c': jnp.asarray([0.2, -0.1]),
    'v': jnp.asarray([-1.0, -0.4]),
}


def exact_phi() -> dict:
    """The parameters of q that make it the posterior."""
    precision, noise = np.sum(W**2, axis=0), np.exp(LOG_VARIANCE)
    variance = 1 / (1 + precision / noise)
    A = W * variance[None] / noise
    return {name: jnp.asarray(value, jnp.float32) for name, value in
            {'A': A, 'c': -np.asarray(THETA['b']) @ A, 'v': np.log(variance)}.items()}  # fmt: skip


def posterior(phi):
    mean = X @ phi['A'] + phi['c'][None]
    return mean, jnp.broadcast_to(phi['v'][None], mean.shape)


def log_weight(theta, z, proposal):
    """[k, B]."""

    def of_one(z):
        mean = z @ theta['W'].T + theta['b'][None]
        log_joint = normal.log_prob(X, mean, jnp.full_like(X, LOG_VARIANCE)) + normal.log_prob(z, 0 * z, 0 * z)
        return log_joint - normal.log_prob(z, *proposal)

    return jax.vmap(of_one)(z)


def bound(params, key, k, gradient):
    """The estimate of L_k, [B]."""
    z, _ = normal.propose(key, *posterior(params['phi']), k)
    weigh = functools.partial(log_weight, params['theta'])
    return iwae_bound(surrogate_log_weights(weigh, z, posterior(params['phi']), gradient))


@functools.cache
def gradients(gradient: str, k: int, exact: bool = False) -> dict[str, np.ndarray]:
    """NUM draws of the gradient of the batch mean, [NUM, parameters] of each group."""
    params = {'theta': THETA, 'phi': exact_phi() if exact else PHI}
    one = jax.grad(lambda params, key: jnp.mean(bound(params, key, k, gradient)))
    found = jax.jit(jax.vmap(one, (None, 0)))(params, jax.random.split(jax.random.key(GRADIENTS.index(gradient)), NUM))
    flat = {group: [leaf.reshape(NUM, -1) for leaf in jax.tree.leaves(tree)] for group, tree in found.items()}
    return {group: np.concatenate(leaves, axis=1).astype(np.float64) for group, leaves in flat.items()}


def deviation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The difference of two means of draws (or of a mean and a constant [parameters]), in standard errors."""
    variance = one.var(axis=0) / NUM + (other.var(axis=0) / NUM if other.ndim == 2 else 0.0)
    return np.abs(one.mean(axis=0) - (other.mean(axis=0) if other.ndim == 2 else other)) / np.sqrt(variance + 1e-12)


@functools.cache
def elbo_gradient() -> dict[str, np.ndarray]:
    """The gradient of the exact ELBO, E_q[log p(x given z)] - KL in closed form."""

    def elbo(params):
        (mean, log_variance), theta = posterior(params['phi']), params['theta']
        at_mean = normal.log_prob(X, mean @ theta['W'].T + theta['b'][None], jnp.full_like(X, LOG_VARIANCE))
        spread = 0.5 * jnp.exp(log_variance) @ jnp.sum(theta['W'] ** 2, axis=0) / jnp.exp(LOG_VARIANCE)
        return jnp.mean(at_mean - spread - normal.kl_standard(mean, log_variance))

    found = jax.jit(jax.grad(elbo))({'theta': THETA, 'phi': PHI})
    return {group: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for group, tree in found.items()}


def test_the_bound_is_a_log_of_a_mean_at_any_size():
    log_weights = np.random.default_rng(0).normal(scale=30, size=(7, 5)) - 5_000
    expected = scipy.special.logsumexp(log_weights, axis=0) - np.log(7)
    found, of_one = at_once(lambda weights: (iwae_bound(weights), normalised_weights(weights[:1])), log_weights)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(of_one, np.ones((1, 5)))
    with pytest.raises(AssertionError):
        iwae_bound(jnp.zeros(3))


def test_bounds_rise_with_k_to_the_likelihood():
    exact = multivariate_normal(np.asarray(THETA['b']), W @ W.T + np.exp(LOG_VARIANCE) * np.eye(3)).logpdf(np.asarray(X))
    params, means = {'theta': THETA, 'phi': PHI}, []
    for k in (1, 5, 50):
        draws = jax.jit(jax.vmap(lambda key, k=k: bound(params, key, k, 'plain')))(jax.random.split(jax.random.key(0), NUM))
        draws = np.asarray(draws)
        means.append(draws.mean(axis=0))
        assert np.all(means[-1] < exact + 3 * draws.std(axis=0) / np.sqrt(NUM))
    assert np.all(np.diff(means, axis=0) > 0)
    np.testing.assert_allclose(means[-1], exact, atol=0.05)
    at_exact = at_once(lambda key: bound({'theta': THETA, 'phi': exact_phi()}, key, 3, 'plain'), jax.random.key(0))
    np.testing.assert_allclose(at_exact, exact, rtol=1e-5)


def test_the_plain_gradient_is_that_of_finite_differences():
    params = {'theta': THETA, 'phi': PHI}
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        value = jax.jit(lambda params: jnp.mean(bound(params, jax.random.key(3), 5, 'plain')))
        gradient = jax.jit(jax.grad(value))(params)
        for group, name in (('theta', 'W'), ('phi', 'A'), ('phi', 'v')):
            leaf = params[group][name]
            for index in np.ndindex(leaf.shape):
                step = np.zeros_like(leaf)
                step[index] = 1e-5
                above, below = (value({**params, group: {**params[group], name: leaf + sign * step}}) for sign in (1, -1))
                slope = (above - below) / 2e-5
                np.testing.assert_allclose(gradient[group][name][index], slope, rtol=1e-5, atol=1e-8)


def test_all_estimators_have_the_value_of_the_bound():
    params = {'theta': THETA, 'phi': PHI}
    values = jax.jit(lambda: [bound(params, jax.random.key(0), 4, gradient) for gradient in GRADIENTS])()
    np.testing.assert_array_equal(values[0], values[1])
    np.testing.assert_array_equal(values[0], values[2])


@pytest.mark.parametrize('gradient', GRADIENTS)
def test_at_one_sample_each_is_the_gradient_of_the_exact_elbo_in_expectation(gradient):
    found, expected = gradients(gradient, 1), elbo_gradient()
    for group in ('theta', 'phi'):
        assert np.max(deviation(found[group], expected[group])) < 4.5


def test_at_several_samples_dreg_is_unbiased_and_sticking_the_landing_is_not():
    plain, stl, dreg = (gradients(gradient, 5) for gradient in GRADIENTS)
    for group in ('theta', 'phi'):
        assert np.max(deviation(plain[group], dreg[group])) < 4.5
    assert np.max(deviation(plain['theta'], stl['theta'])) < 4.5
    assert np.max(deviation(plain['phi'], stl['phi'])) > 8


@pytest.mark.parametrize('k', [1, 5])
def test_both_have_less_variance_than_plain_and_none_at_the_exact_posterior(k):
    for gradient in ('stl', 'dreg'):
        near, exact = gradients(gradient, k)['phi'], gradients(gradient, k, exact=True)['phi']
        assert np.sum(near.var(axis=0)) < 0.8 * np.sum(gradients('plain', k)['phi'].var(axis=0))
        np.testing.assert_allclose(exact, 0, atol=1e-4)
    assert np.max(gradients('plain', k, exact=True)['phi'].var(axis=0)) > 1e-2


def test_a_scaled_gradient_leaves_values():
    values, scale = jnp.asarray([[1.0, 2.0], [3.0, 4.0]]), jnp.asarray([[2.0], [0.5]])
    np.testing.assert_array_equal(scale_gradient(values, scale), values)
    gradient = jax.grad(lambda values: jnp.sum(jnp.square(scale_gradient(values, scale))))(values)
    np.testing.assert_allclose(gradient, [[4.0, 8.0], [3.0, 4.0]])


def test_an_estimator_that_does_not_exist():
    with pytest.raises(ValueError, match='choose one of plain, stl, dreg'):
        jax.eval_shape(lambda key: bound({'theta': THETA, 'phi': PHI}, key, 2, 'vimco'), jax.random.key(0))
