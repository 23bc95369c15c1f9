"""Two stochastic layers: exact densities of both as one code, on a linear-Gaussian model and on real digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.types import UserError
from experiments.configs import hierarchical_vae
from tests.gradients import deviation, slopes
from tests.support import digits, scaled, train

NUM = 300


def config(**changes):
    made = hierarchical_vae.get_config()
    with made.unlocked():
        made.update_from_flattened_dict({'optimizer.learning_rate': 3e-3, 'epochs': 60, **changes})
    return made


def build(**changes):
    return methods.build(config(**changes), digits('dynamic_binarisation').spec)


@pytest.fixture(scope='module')
def trained():
    return train(config())


def linear_gaussian():
    """A method without hidden layers and an output of Gaussian mean, its parameters, some digits, and their exact log p(x).

    x = z1 W1 + b + s eps, z1 = z2 W2 + c + t eps: p(x) = N(c W1 + b, W1^T (W2^T W2 + t^2 I) W1 + s^2 I). q is moderately wrong.
    """
    changes = {'model.hidden': (), 'model.upper_hidden': (), 'model.latents': 3, 'model.upper_latents': 2}
    method = build(**changes, **{'model.output': 'identity', 'likelihood.family': 'gaussian', 'likelihood.log_variance': -1.0})
    x, random = jnp.asarray(scaled('test')[:12]), np.random.default_rng(0)
    params, _ = jax.jit(method.init)(jax.random.key(0), {'x': x})
    W1, b = 0.15 * random.normal(size=(3, 64)), scaled('train').mean(axis=0).reshape(-1)
    W2, c, log_t = 0.5 * random.normal(size=(2, 3)), 0.3 * random.normal(size=3), np.asarray([-0.5, 0.2, -1.0])
    params['decoder'] = {
        'upper': {'layer_0': layer(np.concatenate([W2, np.zeros((2, 3))], axis=1), np.concatenate([c, log_t]))},
        'lower': {'layer_0': layer(W1, b)},
    }
    spread = W2.T @ W2 + np.diag(np.exp(log_t))
    exact = scipy.stats.multivariate_normal(c @ W1 + b, W1.T @ spread @ W1 + np.exp(-1.0) * np.eye(64))
    # Near the posterior of z1 alone, and of z2 given z1: close enough for importance sampling, and inexact.
    gain = np.linalg.solve(np.eye(3) + W1 @ W1.T / np.exp(-1.0), W1 / np.exp(-1.0)).T
    lower = np.concatenate([gain, np.zeros((64, 3))], axis=1)
    upper = np.concatenate([0.5 * W2.T, np.zeros((3, 2))], axis=1)
    params['encoder'] = {
        'lower': {'layer_0': layer(lower, np.concatenate([-b @ gain, np.full(3, -0.7)]))},
        'upper': {'layer_0': layer(upper, np.concatenate([-0.5 * c @ W2.T, np.full(2, -0.2)]))},
    }
    return method, params, x, exact.logpdf(np.asarray(x).reshape(12, 64))


def layer(kernel, bias) -> dict:
    return {'kernel': jnp.asarray(kernel, jnp.float32), 'bias': jnp.asarray(bias, jnp.float32)}


def test_densities_of_both_layers_give_the_exact_likelihood():
    method, params, x, exact = linear_gaussian()

    @jax.jit
    def log_weights(key):
        z, log_q = method.propose(params, {}, key, x, 4_000)
        joint = jax.vmap(lambda one: method.likelihood(params, {}, one, x) + method.prior_log_prob(params, {}, one))(z)
        return joint - log_q

    found = np.asarray(log_weights(jax.random.key(0)), np.float64)
    estimate = scipy.special.logsumexp(found, axis=0) - np.log(len(found))
    weights = np.exp(found - found.max(axis=0))
    error = weights.std(axis=0) / weights.mean(axis=0) / np.sqrt(len(found))
    assert error.max() < 0.1
    np.testing.assert_array_less(np.abs(estimate - exact), 4 * error)
    bounds = [scipy.special.logsumexp(found.reshape(-1, k, 12), axis=1).mean(axis=0) - np.log(k) for k in (1, 5)]
    assert np.all(np.diff([*bounds, exact], axis=0) > 0)


def test_draws_of_the_prior_have_its_density():
    method, params, *_ = linear_gaussian()
    z = np.asarray(jax.jit(lambda key: method.sample_prior(params, {}, key, 5_000))(jax.random.key(0)))
    upper = params['decoder']['upper']['layer_0']
    W2, c, log_t = np.asarray(upper['kernel'])[:, :3], np.asarray(upper['bias'])[:3], np.asarray(upper['bias'])[3:]
    cross = np.concatenate([W2, np.eye(2)], axis=1)
    exact = scipy.stats.multivariate_normal([*c, 0, 0], cross.T @ cross + np.diag([*np.exp(log_t), 0, 0]))
    np.testing.assert_allclose(z.mean(axis=0), exact.mean, atol=0.1)
    np.testing.assert_allclose(np.cov(z.T), exact.cov, atol=0.12)
    found = jax.jit(lambda z: method.prior_log_prob(params, {}, z))(z[:50])
    np.testing.assert_allclose(found, exact.logpdf(z[:50]), rtol=1e-4, atol=1e-4)


def test_it_reaches_its_level_on_digits(trained):
    dataset = digits('dynamic_binarisation')
    found = make_evaluator(trained[0], dataset.spec, dataset.split('test'))(trained[1])
    assert found['iwae_bound'].mean() > -23.4
    assert np.all(found['elbo'] <= found['iwae_bound'] + 1e-4)
    np.testing.assert_allclose(found['elbo'], found['log_likelihood'] - found['kl'], rtol=1e-4, atol=1e-4)


def test_proposals_are_drawn_around_the_code(trained):
    method, state = trained
    x = jnp.round(jnp.asarray(scaled('test')[:20]))

    @jax.jit
    def look(params, key):
        code = method.encode(params, {}, x)
        back = method.reconstruct(params, {}, x), method.decode(params, {}, code)
        return *method.propose(params, {}, key, x, 400), code, back

    z, log_q, code, back = look(state.params, jax.random.key(0))
    assert (z.shape, log_q.shape) == ((400, 20, 24), (400, 20))
    code = np.asarray(code)
    lower = np.asarray(z)[..., :16]
    np.testing.assert_array_less(np.abs(lower.mean(axis=0) - code[:, :16]), 5 * lower.std(axis=0) / 20)
    np.testing.assert_allclose(*back, rtol=1e-5)


@pytest.mark.parametrize('gradient', ['dreg', 'stl'])
def test_gradients_agree_with_the_plain_one(trained, gradient):
    """Of 'iwae' under 'dreg' and of 'vae' under 'stl': both are unbiased, though z2 is drawn from what z1 is."""
    objective, x = {'dreg': 'iwae', 'stl': 'vae'}[gradient], jnp.round(jnp.asarray(scaled('test')[:5]))
    both = [build(objective=objective, gradient=name, num_samples=4) for name in ('plain', gradient)]
    plain, other = (slopes(method, trained[1].params, {'x': x}, NUM, seed) for seed, method in enumerate(both))
    for group in ('encoder', 'decoder'):
        assert np.max(deviation(plain[group], other[group])) < 4.5, group
    assert np.sum(other['encoder'].var(axis=0)) < 0.8 * np.sum(plain['encoder'].var(axis=0))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'objective': 'elbo'}, "objective is 'elbo'; choose one of iwae, vae"),
        ({'model.encoder': 'conv'}, "two stochastic layers are built with 'mlp' only"),
        ({'model.upper_latents': 0}, 'model.upper_latents=0'),
        ({'model.output': 'identity'}, "likelihood.family='bernoulli' needs model.output='sigmoid'"),
        ({'num_samples': 0}, 'num_samples=0 must be at least 1'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        build(**changes)
