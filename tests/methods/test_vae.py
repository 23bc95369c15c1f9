"""Variational autoencoders: a level of the bound on real digits, and bounds that hold."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from scipy.stats import multivariate_normal

from aejax import methods
from aejax.distributions import normal
from aejax.evaluation.per_example import make_evaluator
from aejax.types import Context, UserError
from experiments.configs import hierarchical_vae, iwae, vae
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
    x, variance = jnp.asarray(scaled('train')), float(np.exp(state.params['likelihood']['log_variance']))

    @jax.jit
    def mean_square_left(params, key):
        mean, log_variance = method.posterior(params, state.mutables, x)
        z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
        return jnp.mean(jnp.square(x - method.decode(params, state.mutables, z)))

    left = float(mean_square_left(state.params, jax.random.key(0)))
    assert variance == pytest.approx(left, rel=0.05)
    assert variance < 0.7 * float(np.var(scaled('train'), axis=0).mean())


@pytest.mark.parametrize('kind', ['random', 'optimal'])
def test_the_bound_of_a_linear_gaussian_model_is_below_its_likelihood(kind):
    """p(x) = N(b, W W^T + s^2 I); with the exact posterior the bound of one x is noisy round it, with another it is below."""
    spec = digits().spec
    made = config('gaussian', **{'model.hidden': (), 'model.latents': 3, 'model.output': 'identity', 'num_samples': 4000})
    made.likelihood.learns_variance, made.likelihood.log_variance = False, -2.0
    method, x = methods.build(made, spec), scaled('test')[:20]
    params, _ = jax.jit(method.init)(jax.random.key(0), {'x': x})
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
    params, mutables = jax.jit(method.init)(jax.random.key(0), {'x': x})
    loss, evaluate, terms = jax.jit(method.loss), jax.jit(method.evaluate), {}
    for beta in (1.0, 4.0):
        hparams = {'beta': jnp.asarray(beta)}
        contexts = [Context(key=jax.random.key(1), step=jnp.asarray(0), hparams=hparams) for _ in range(2)]
        out = loss(params, mutables, {'x': x}, contexts[0])
        found = evaluate(params, mutables, {'x': x}, contexts[1])
        np.testing.assert_allclose(out.loss, np.mean(beta * found['kl'] - found['log_likelihood']), rtol=1e-5)
        terms[beta] = found
    assert float(terms[1.0]['kl'].mean()) > 0.01
    np.testing.assert_array_equal(terms[1.0]['elbo'], terms[4.0]['elbo'])
    np.testing.assert_allclose(terms[4.0]['elbo'], terms[4.0]['log_likelihood'] - terms[4.0]['kl'], rtol=1e-5)


STRICT = {'epochs': 60, 'beta': 6.0, 'optimizer.learning_rate': 3e-3, 'model.latents': 8}


@pytest.fixture(scope='module')
def strict_vae():
    return train(config(**STRICT))


def test_a_larger_beta_leaves_less_in_the_code(digits_vae, strict_vae):
    kl = [evaluated(*one, 'dynamic_binarisation')['kl'].mean() for one in (strict_vae, digits_vae)]
    assert kl[0] < 0.6 * kl[1]


def test_free_bits_keep_dimensions_that_would_be_given_up(strict_vae):
    """At beta = 6 most of eight dimensions cost nothing and say nothing; with free bits, each says something."""
    x = jnp.round(jnp.asarray(scaled('test')))
    cost = jax.jit(lambda params: jnp.mean(normal.kl_standard_by_dimension(*strict_vae[0].posterior(params, {}, x)), axis=0))
    costs = [np.asarray(cost(state.params)) for _, state in (strict_vae, train(config(**STRICT, free_bits=0.3)))]
    assert np.sum(costs[0] < 0.1) >= 4
    assert np.sum(costs[1] < 0.1) == 0


def test_beta_warms_up_by_the_step():
    method = methods.build(config(warmup_epochs=2, beta=3.0, epochs=5), digits('dynamic_binarisation').spec)
    assert method.warmup_steps == 24
    x = jnp.round(jnp.asarray(scaled('test')[:9]))
    params, mutables = jax.jit(method.init)(jax.random.key(0), {'x': x})
    loss = jax.jit(method.loss)
    for step, beta in [(0, 0.0), (12, 1.5), (24, 3.0), (59, 3.0)]:
        context = Context(key=jax.random.key(1), step=jnp.asarray(step), hparams={'beta': jnp.asarray(3.0)})
        out = loss(params, mutables, {'x': x}, context)
        np.testing.assert_allclose(out.loss, np.mean(beta * out.metrics['kl'] - out.metrics['log_likelihood']), rtol=1e-5)


@pytest.mark.parametrize('kind', ['mixture', 'vamp'])
def test_a_learned_prior_is_nearer_to_the_codes_than_a_normal(kind):
    changes = {'prior.kind': kind, 'prior.components': 20, 'model.latents': 8}
    method, state = train(config(epochs=30, **{'optimizer.learning_rate': 3e-3, **changes}))
    found, x = evaluated(method, state, 'dynamic_binarisation'), jnp.round(jnp.asarray(scaled('test')))
    assert found['elbo'].mean() > -24.2

    @jax.jit
    def look(params, key):
        draw, keys = method.sample_prior(params, {}, key, 500), jax.random.split(jax.random.fold_in(key, 1))
        z, log_q = method.propose(params, {}, keys[0], x, 4)
        log_p = [method.prior_log_prob(params, {}, leaf) for leaf in (draw, z.reshape(-1, 8))]
        return method.posterior(params, {}, x), z, log_q, *log_p

    (mean, log_variance), z, log_q, of_draws, of_codes = map(jax.device_get, look(state.params, jax.random.key(0)))
    expected = scipy.stats.norm(mean, np.exp(log_variance / 2)).logpdf(z).sum(axis=2)
    np.testing.assert_allclose(log_q, expected, rtol=1e-3, atol=1e-3)
    assert of_codes.mean() > scipy.stats.norm.logpdf(z).sum(axis=2).mean() + 0.2
    assert of_draws.mean() == pytest.approx(of_codes.mean(), abs=1.5)
    assert np.mean(log_q.reshape(-1) - of_codes) == pytest.approx(found['kl'].mean(), abs=0.5)


def test_a_convolutional_one_reaches_the_level():
    conv = train(config('conv', epochs=20, **{'optimizer.learning_rate': 3e-3}))
    assert evaluated(*conv, 'dynamic_binarisation')['elbo'].mean() > -25.3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'likelihood.family': 'poisson'}, "choose 'bernoulli' or 'gaussian'"),
        ({'model.output': 'identity'}, "likelihood.family='bernoulli' needs model.output='sigmoid'"),
        ({'num_samples': 0}, 'num_samples=0 must be at least 1'),
        ({'free_bits': -0.1}, 'free_bits=-0.1 must be at least 0'),
        ({'free_bits': 0.1, 'prior.kind': 'vamp'}, "prior.kind='vamp' has no KL for"),
        ({'warmup_epochs': 201}, 'warmup_epochs=201 must be at most the 200 epochs'),
        ({'prior.kind': 'flow'}, 'choose one of standard, mixture, vamp'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(config(**changes), digits().spec)


@pytest.mark.parametrize(('configs', 'layer'), [(vae, ()), (iwae, ()), (hierarchical_vae, ('lower',))])
def test_a_decoder_may_start_at_the_mean_of_the_data(configs, layer):
    x, biases = jnp.asarray(scaled('train')[:200]), {}
    for starts in (False, True):
        made = configs.get_config()
        made.starts_at_mean = starts
        params = methods.build(made, digits('dynamic_binarisation').spec).init(jax.random.key(0), {'x': x})[0]
        for name in ('decoder', *layer, 'layer_1'):
            params = params[name]
        biases[starts] = np.asarray(params['bias'])
    np.testing.assert_array_equal(biases[False], 0.0)
    mean = np.clip(scaled('train')[:200].mean(axis=0).reshape(-1), 0.01, 0.99)
    np.testing.assert_allclose(1 / (1 + np.exp(-biases[True])), mean, rtol=1e-4)
