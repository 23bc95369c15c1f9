"""The RBM's functions against sums over all configurations of tiny machines, in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, logsumexp

from aejax.models import rbm
from tests.support import assert_close


def configurations(num: int) -> np.ndarray:
    return np.asarray(list(itertools.product((0.0, 1.0), repeat=num)))


def machine(num_visible: int, num_hidden: int, std: float = 1.0, seed: int = 0) -> dict[str, jax.Array]:
    draw = np.random.default_rng(seed).normal
    shapes = {'kernel': (num_visible, num_hidden), 'visible_bias': (num_visible,), 'hidden_bias': (num_hidden,)}
    return {name: jnp.asarray(std * draw(size=shape), jnp.float32) for name, shape in shapes.items()}


def energies(params, v, h) -> np.ndarray:
    """-v b - h c - v W h of every pair, [len(v), len(h)]."""
    W, b, c = (np.asarray(params[name], np.float64) for name in ('kernel', 'visible_bias', 'hidden_bias'))
    return -(v @ b)[:, None] - (h @ c)[None, :] - v @ W @ h.T


def probabilities(params) -> np.ndarray:
    """p(v) of every binary v in the order of `configurations`."""
    num_visible, num_hidden = params['kernel'].shape
    joint = -energies(params, configurations(num_visible), configurations(num_hidden))
    return np.exp(logsumexp(joint, axis=1) - logsumexp(joint))


def test_energies_and_free_energies_by_brute_force():
    params, v, h = machine(5, 4), configurations(5), configurations(4)
    expected = energies(params, v, h)
    np.testing.assert_allclose(rbm.energy(params, v[:16], h), np.diag(expected[:16]), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rbm.free_energy(params, v), -logsumexp(-expected, axis=1), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rbm.hidden_free_energy(params, h), -logsumexp(-expected, axis=0), rtol=1e-5, atol=1e-5)


def test_gaussian_units_integrate_by_quadrature():
    params, h = machine(2, 3), configurations(3)
    axis = np.linspace(-12, 12, 481)
    v = np.asarray(list(itertools.product(axis, axis)))
    expected = energies(params, v, h) + 0.5 * np.square(v).sum(axis=1)[:, None]
    np.testing.assert_allclose(rbm.energy(params, v[:8], h, rbm.GAUSSIAN), np.diag(expected[:8]), rtol=1e-5)
    found = rbm.free_energy(params, v[::1000], rbm.GAUSSIAN)
    np.testing.assert_allclose(found, -logsumexp(-expected[::1000], axis=1), rtol=1e-5, atol=1e-5)
    integral = -logsumexp(-expected, axis=0) - 2 * np.log(axis[1] - axis[0])
    np.testing.assert_allclose(rbm.hidden_free_energy(params, h, rbm.GAUSSIAN), integral, rtol=1e-4)


def end_of_chains(params, visible, num: int = 20_000) -> np.ndarray:
    v = jnp.zeros((num, params['kernel'].shape[0]))
    return np.asarray(jax.jit(rbm.gibbs_chain, static_argnums=(3, 4))(params, jax.random.key(0), v, 30, visible), np.float64)


def test_gibbs_sampling_ends_in_the_distribution_of_the_model():
    params, num = machine(4, 3, std=0.8), 20_000
    v = end_of_chains(params, rbm.BINARY, num)
    counts = np.bincount((v @ [8, 4, 2, 1]).astype(int), minlength=16)
    p = probabilities(params)
    chi_square = np.sum(np.square(counts - num * p) / (num * p))
    assert chi_square < 40  # 15 degrees of freedom: above it once in 2,000
    assert np.sum(np.square(num / 16 - num * p) / (num * p)) > 400  # what a uniform sampler would give


def test_gibbs_sampling_of_gaussian_units():
    params, h = machine(2, 3, std=0.8), configurations(3)
    W, b, c = (np.asarray(params[name], np.float64) for name in ('kernel', 'visible_bias', 'hidden_bias'))
    means = b + h @ W.T
    log_p = h @ c + 0.5 * np.square(means).sum(axis=1)
    p = np.exp(log_p - logsumexp(log_p))
    mean = p @ means
    covariance = np.eye(2) + (means - mean).T @ ((means - mean) * p[:, None])
    v = end_of_chains(params, rbm.GAUSSIAN)
    np.testing.assert_allclose(v.mean(axis=0), mean, atol=5 * np.sqrt(covariance.max() / len(v)))
    np.testing.assert_allclose(np.cov(v.T), covariance, rtol=0.05, atol=0.04)


def test_pseudo_log_likelihood_by_conditioning():
    params, v = machine(5, 4), configurations(5)
    log_p = np.log(probabilities(params)).reshape([2] * 5)
    terms = [(log_p - logsumexp(log_p, axis=i, keepdims=True)).ravel() for i in range(5)]
    units = np.broadcast_to(np.arange(5)[:, None], (5, 32))
    found = jax.jit(rbm.pseudo_log_likelihood)
    np.testing.assert_allclose(found(params, jnp.asarray(v), units), sum(terms), rtol=1e-4, atol=1e-5)
    one = np.arange(32)[None, :] % 5
    expected = 5 * np.asarray(terms)[one[0], np.arange(32)]
    np.testing.assert_allclose(found(params, jnp.asarray(v), one), expected, rtol=1e-4, atol=1e-5)


def gap(free_energy, params, v, samples):
    return jnp.mean(free_energy(params, v)) - jnp.mean(free_energy(params, samples))


def test_the_centred_gradient_is_a_step_of_the_centred_parametrisation():
    """A gradient step on (W, b', c') of the centred energy, mapped back, is one along the centred gradient of (W, b, c)."""
    params, draw = machine(5, 4), np.random.default_rng(1)
    v, samples = jnp.asarray(draw.random((9, 5))), jnp.round(jnp.asarray(draw.random((7, 5))))
    mu, lambda_ = jnp.asarray(draw.random(5), jnp.float32), jnp.asarray(draw.random(4), jnp.float32)

    def to_plain(centred):
        W = centred['kernel']
        plain = {'visible_bias': centred['visible_bias'] - W @ lambda_, 'hidden_bias': centred['hidden_bias'] - mu @ W}
        return {'kernel': W, **plain}

    def centred_free_energy(centred, v):
        inputs = centred['hidden_bias'][None, :] + (v - mu[None, :]) @ centred['kernel']
        # sum over h of exp(h a - lambda a) with a the input: the exponent of (v - mu) W (h - lambda) + h c', but for lambda c'.
        weighed = inputs - centred['hidden_bias'][None, :]
        return -v @ centred['visible_bias'] + weighed @ lambda_ - jnp.sum(jax.nn.softplus(inputs), axis=1)

    W = params['kernel']
    start = {'kernel': W, 'visible_bias': params['visible_bias'] + W @ lambda_, 'hidden_bias': params['hidden_bias'] + mu @ W}

    @jax.jit
    def look(start, params):
        gradient = jax.grad(lambda centred: gap(centred_free_energy, centred, v, samples))(start)
        stepped = to_plain(jax.tree.map(lambda p, g: p - 0.1 * g, start, gradient))
        return centred_free_energy(start, v) - rbm.free_energy(params, v), stepped

    @jax.jit
    def centred_gradient(params, mu, lambda_):
        return jax.grad(lambda p: gap(rbm.free_energy, rbm.centred(p, mu, lambda_), v, samples))(params)

    difference, stepped = look(start, params)
    np.testing.assert_allclose(difference, difference[0], atol=1e-5)  # the same machine, but for log Z
    found = centred_gradient(params, mu, lambda_)
    assert_close(jax.tree.map(lambda p, g: p - 0.1 * g, params, found), stepped, rtol=1e-4, atol=1e-5)

    plain = jax.jit(jax.grad(lambda p: gap(rbm.free_energy, p, v, samples)))(params)
    zero = centred_gradient(params, 0 * mu, 0 * lambda_)
    assert_close(zero, plain, rtol=1e-6, atol=1e-7)
    assert not np.allclose(found['kernel'], plain['kernel'], atol=0.05)


@pytest.mark.parametrize('visible', [rbm.BINARY, rbm.GAUSSIAN])
def test_conditionals(visible):
    params, v, h = machine(5, 4), configurations(5), configurations(4)
    on = expit(energies(params, v, np.zeros((1, 4))) - energies(params, v, np.eye(4)))
    np.testing.assert_allclose(jax.nn.sigmoid(rbm.hidden_logits(params, v)), on, rtol=1e-5)
    eta = energies(params, np.zeros((1, 5)), h).T - energies(params, np.eye(5), h).T
    expected = expit(eta) if visible is rbm.BINARY else eta
    np.testing.assert_allclose(visible.mean(rbm.visible_parameter(params, h)), expected, rtol=1e-5, atol=1e-5)
