"""Variational autoencoders: a level of the bound on real digits, and bounds that hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.types import Context, UserError
from experiments.configs import vae
from tests.support import digits, scaled, train


def config(variant='', **changes):
    made = vae.get_config(variant)
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def evaluated(method, state, preprocessing, seed=0) -> dict[str, np.ndarray]:
    dataset = digits(preprocessing)
    return make_evaluator(method, dataset.spec, dataset.split('test'), seed=seed)(state)


@pytest.fixture(scope='module')
def digits_vae():
    return train(config(epochs=60, **{'optimizer.learning_rate': 3e-3, 'model.latents': 8}))


def test_the_bound_reaches_its_level_on_digits(digits_vae):
    found = evaluated(*digits_vae, 'dynamic_binarisation')
    # Independent pixels with the training mean of each give -27.2 nats; this is a bound on the same binary digits.
    assert found['elbo'].mean() > -23.7
    assert 3 < found['kl'].mean() < 12
    np.testing.assert_allclose(found['elbo'], found['log_likelihood'] - found['kl'], rtol=1e-4)


def test_independent_pixels_are_what_the_bound_is_held_against():
    mean, x = (scaled(name).mean(axis=0, dtype=np.float64) for name in ('train', 'test'))
    mean = np.clip(mean, 1e-3, 1 - 1e-3)
    assert np.sum(x * np.log(mean) + (1 - x) * np.log(1 - mean)) == pytest.approx(-27.2, abs=0.2)


def test_more_samples_make_the_estimate_steadier_and_not_larger(digits_vae):
    _, state = digits_vae
    x = jnp.asarray(scaled('test')[:20])
    estimates = {}
    for num in (1, 16):
        several = methods.build(config(num_samples=num, **{'model.latents': 8}), digits('dynamic_binarisation').spec)
        bound = jax.jit(jax.vmap(lambda key, several=several: several.bound(state.params, x, key, 1.0)['elbo']))
        estimates[num] = np.asarray(bound(jax.random.split(jax.random.key(0), 400)))
    ratio = estimates[1].var(axis=0) / estimates[16].var(axis=0)
    assert 10 < np.median(ratio) < 25
    error = np.sqrt(estimates[1].var(axis=0) / 400)
    np.testing.assert_array_less(np.abs(estimates[1].mean(axis=0) - estimates[16].mean(axis=0)), 5 * error)


def test_a_learned_variance_is_that_of_what_is_left():
    method, state = train(config('gaussian', epochs=150, **{'optimizer.learning_rate': 3e-3, 'likelihood.log_variance': -3.0}))
    x, variance = jnp.asarray(scaled('train')), float(jnp.exp(state.params['likelihood']['log_variance']))
    mean, log_variance = method.posterior(state.params, state.mutables, x)
    z = mean + jnp.exp(log_variance / 2) * jax.random.normal(jax.random.key(0), mean.shape)
    left = float(jnp.mean(jnp.square(x - method.decode(state.params, state.mutables, z))))
    assert variance == pytest.approx(left, rel=0.05)
    assert variance < 0.7 * float(np.var(scaled('train'), axis=0).mean())


@pytest.mark.parametrize('kind', ['random', 'optimal'])
def test_the_bound_of_a_linear_gaussian_model_is_below_its_likelihood(kind):
    """p(x) = N(b, W W^T + s^2 I); with the exact posterior the bound of one x is noisy round it, with another it is below."""
    spec = digits().spec
    made = config('gaussian', **{'model.hidden': (), 'model.latents': 3, 'model.output': 'identity', 'num_samples': 4000})
    made.likelihood.learns_variance, made.likelihood.log_variance = False, -2.0
    method, x = methods.build(made, spec), scaled('test')[:20]
    params, _ = method.init(jax.random.key(0), {'x': x})
    W, b = 0.3 * np.random.default_rng(0).normal(size=(3, 64)), scaled('train').mean(axis=0).reshape(-1)
    params['decoder']['layer_0'] = {'kernel': jnp.asarray(W, jnp.float32), 'bias': jnp.asarray(b)}
    variance = np.exp(-2.0)
    exact = multivariate_normal(b, W.T @ W + variance * np.eye(64)).logpdf(x.reshape(20, 64))
    if kind == 'optimal':
        # A factorised posterior is the exact one where W's rows are orthogonal.
        W = np.linalg.qr(W.T)[0].T * np.asarray([[2.0], [1.0], [0.5]])
        params['decoder']['layer_0']['kernel'] = jnp.asarray(W, jnp.float32)
        exact = multivariate_normal(b, W.T @ W + variance * np.eye(64)).logpdf(x.reshape(20, 64))
        covariance = 1 / (1 + np.sum(W**2, axis=1) / variance)
        kernel = np.concatenate([W.T * covariance / variance, np.zeros((64, 3))], axis=1)
        bias = np.concatenate([-b @ W.T * covariance / variance, np.log(covariance)])
        params['encoder']['layer_0'] = {'kernel': jnp.asarray(kernel, jnp.float32), 'bias': jnp.asarray(bias, jnp.float32)}
    bound = np.asarray(jax.jit(method.bound)(params, jnp.asarray(x), jax.random.key(1), 1.0)['elbo'])
    if kind == 'optimal':
        np.testing.assert_allclose(bound, exact, atol=0.2)
    else:
        assert np.all(bound < exact)


def test_beta_weighs_training_and_not_evaluation():
    method = methods.build(config(beta=4.0), digits('dynamic_binarisation').spec)
    assert method.hparams == {'beta': 4.0}
    x = jnp.round(jnp.asarray(scaled('test')[:9]))
    params, mutables = method.init(jax.random.key(0), {'x': x})
    terms = {}
    for beta in (1.0, 4.0):
        hparams = {'beta': jnp.asarray(beta)}
        contexts = [Context(key=jax.random.key(1), step=jnp.asarray(0), hparams=hparams) for _ in range(2)]
        out = method.loss(params, mutables, {'x': x}, contexts[0])
        found = method.evaluate(params, mutables, {'x': x}, contexts[1])
        np.testing.assert_allclose(out.loss, np.mean(beta * found['kl'] - found['log_likelihood']), rtol=1e-5)
        terms[beta] = found
    assert float(terms[1.0]['kl'].mean()) > 0.01
    np.testing.assert_array_equal(terms[1.0]['elbo'], terms[4.0]['elbo'])
    np.testing.assert_allclose(terms[4.0]['elbo'], terms[4.0]['log_likelihood'] - terms[4.0]['kl'], rtol=1e-5)


def test_a_larger_beta_leaves_less_in_the_code(digits_vae):
    strict = train(config(epochs=60, beta=6.0, **{'optimizer.learning_rate': 3e-3, 'model.latents': 8}))
    kl = [evaluated(*one, 'dynamic_binarisation')['kl'].mean() for one in (strict, digits_vae)]
    assert kl[0] < 0.6 * kl[1]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'likelihood.family': 'poisson'}, "choose 'bernoulli' or 'gaussian'"),
        ({'model.output': 'identity'}, "likelihood.family='bernoulli' needs model.output='sigmoid'"),
        ({'num_samples': 0}, 'num_samples=0 must be at least 1'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(config(**changes), digits().spec)
