"""The restricted Boltzmann machine as a method: textbook gradients, chains that live on, and what it makes of the digits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.models import rbm as functions
from aejax.training.sources import Resident
from aejax.types import Context, UserError
from experiments.configs import rbm
from tests.support import assert_close, assert_equal_bytes, digits, go_on, run, scaled, train


def built(variant='', **changes):
    config = rbm.get_config(variant)
    config.model.latents = 20
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return methods.build(config, digits(config.data.preprocessing).spec), config


def context(**hparams) -> Context:
    values = {name: jnp.asarray(value) for name, value in hparams.items()}
    return Context(key=jax.random.key(1), step=jnp.asarray(3), hparams=values)


def gradient_of(method, params, mutables, x, **hparams):
    return jax.jit(jax.grad(lambda params: method.loss(params, mutables, {'x': x}, context(**hparams)).loss))(params)['rbm']


def start(method, x):
    """Parameters away from the origin, and mutables."""
    params, mutables = jax.jit(method.init)(jax.random.key(0), {'x': x})
    return {
        'rbm': jax.tree.map(
            lambda leaf: leaf + 0.1 * np.sin(np.arange(leaf.size, dtype=np.float32)).reshape(leaf.shape), params['rbm']
        )
    }, mutables


@pytest.mark.parametrize('variant', ['', 'gaussian', 'persistent'])
@pytest.mark.parametrize('centred', [False, True])
def test_the_gradient_is_the_textbook_difference_of_expectations(variant, centred):
    """-(<(v - mu)(h - lambda)>_data - <(v - mu)(h - lambda)>_model), and that of v and h less what the kernel's step brings."""
    method, config = built(variant, centred=centred, cd_steps=2)
    x = jnp.asarray(np.round(scaled('train')[:30]))
    params, mutables = start(method, x)
    found = gradient_of(method, params, mutables, x)
    data = np.asarray(x, np.float64).reshape(30, 64)
    model = np.asarray(jax.jit(method.negative_samples)(params, mutables, x.reshape(30, 64), context())[0], np.float64)
    assert model.shape == (config.num_chains if variant == 'persistent' else 30, 64)
    W, c = (np.asarray(params['rbm'][name], np.float64) for name in ('kernel', 'hidden_bias'))
    mu, lambda_ = (
        np.asarray(mutables[f'{side}_mean']) if centred else 0 * bias for side, bias in (('visible', W[:, 0]), ('hidden', c))
    )
    h = {name: expit(c + v @ W) for name, v in (('data', data), ('model', model))}
    kernel = (data - mu).T @ (h['data'] - lambda_) / len(data) - (model - mu).T @ (h['model'] - lambda_) / len(model)
    expected = {
        'kernel': -kernel,
        'visible_bias': -(data.mean(axis=0) - model.mean(axis=0) - kernel @ lambda_),
        'hidden_bias': -(h['data'].mean(axis=0) - h['model'].mean(axis=0) - mu @ kernel),
    }
    assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_weight_decay_pulls_on_the_kernel_alone():
    (method, _), (plain, _) = built(weight_decay=0.1, centred=True), built(centred=True)
    assert method.hparams == {'weight_decay': 0.1}
    x = jnp.asarray(np.round(scaled('train')[:30]))
    params, mutables = start(method, x)
    gradients = gradient_of(method, params, mutables, x, weight_decay=0.1), gradient_of(plain, params, mutables, x)
    pull = jax.tree.map(jnp.subtract, *gradients)
    np.testing.assert_allclose(pull['kernel'], 0.1 * params['rbm']['kernel'], rtol=1e-3, atol=1e-6)
    assert all(np.abs(pull[name]).max() < 1e-6 for name in ('visible_bias', 'hidden_bias'))


def persistent_runs(parallel, devices):
    method, config = built('persistent', **{'data.preprocessing': 'scale', 'epochs': 4, 'num_chains': 30})
    spec, source = digits('scale').spec, Resident(digits('scale').split('train'), config.batch_size)
    options = {'parallel': parallel, 'devices': devices}
    return run(method, source, spec, config.batch_size, log_every=1.0, **options), (method, source, spec, config.batch_size)


def test_chains_live_on_and_are_chains_on_every_device():
    """The grey digits bring no noise of their own, so two devices under pmap repeat the numbers of one."""
    alone, how = persistent_runs('jit', jax.devices()[:1])
    chains = [interval.state['mutables']['chain'] for interval in alone]
    for chain in chains:
        assert set(np.unique(chain)) == {0, 1}
    assert 0.05 < np.mean(chains[0] != chains[-1]) < 0.6
    assert_equal_bytes(run(*how, state=go_on(alone, 1))[-1].state, alone[-1].state)
    spread, _ = persistent_runs('pmap', jax.devices())
    np.testing.assert_array_equal(spread[-1].state['mutables']['chain'], chains[-1])
    assert_close(spread[-1].state['params'], alone[-1].state['params'])
    np.testing.assert_allclose(spread[-1].state['mutables']['visible_mean'], scaled('train').mean(axis=0).ravel(), atol=0.35)


def evaluated(method, state, preprocessing):
    dataset = digits(preprocessing)
    return make_evaluator(method, dataset.spec, dataset.split('test'))(state)


@pytest.fixture(scope='module')
def digits_rbm():
    return train(built(epochs=40, centred=True, sample_steps=100, **{'optimizer.learning_rate': 0.1})[1])


def test_it_learns_the_digits(digits_rbm):
    found = evaluated(*digits_rbm, 'dynamic_binarisation')
    # Independent pixels give -27.2 and 27.2: there each pixel is as likely as it is alone.
    assert found['pseudo_log_likelihood'].mean() > -23
    assert found['cross_entropy'].mean() < 20


def test_samples_look_like_digits(digits_rbm):
    method, state = digits_rbm
    samples = jax.jit(method.sample, static_argnums=3)(state.params, state.mutables, jax.random.key(0), 300)
    means = np.asarray(samples).mean(axis=0), scaled('train').mean(axis=0)
    assert np.abs(means[0] - means[1]).mean() < 0.06
    spread = np.asarray(samples).std(axis=0).mean()
    assert spread > 0.5 * scaled('train').std(axis=0).mean()
    np.testing.assert_array_equal(method.filters(state.params, state.mutables), state.params['rbm']['kernel'])


def test_offsets_follow_the_means_of_the_data_and_of_its_codes(digits_rbm):
    method, state = digits_rbm
    x = jnp.asarray(scaled('train'))
    np.testing.assert_allclose(state.mutables['visible_mean'], x.mean(axis=0).ravel(), atol=0.05)
    codes = method.encode(state.params, state.mutables, jax.random.bernoulli(jax.random.key(0), x).astype(jnp.float32))
    np.testing.assert_allclose(state.mutables['hidden_mean'], codes.mean(axis=0), atol=0.1)


def test_gaussian_units_learn_standardised_digits():
    method, state = train(built('gaussian', epochs=20)[1])
    found = evaluated(method, state, 'standardise')
    assert method.selection == ('squared_error', 'min')
    assert set(found) == {'squared_error', 'free_energy'}
    # A machine without weights leaves the variance, 71; trained for 100 epochs, 64 hidden units leave 38.
    assert found['squared_error'].mean() < 55


def test_random_units_estimate_the_pseudo_log_likelihood():
    x = jnp.asarray(np.round(scaled('test')))
    whole, _ = built()
    params, mutables = start(whole, x)
    methods_ = whole, built(pseudo_likelihood_units=1)[0], built(pseudo_likelihood_units=16)[0]
    exact, one, some = (jax.jit(it.evaluate)(params, mutables, {'x': x}, context())['pseudo_log_likelihood'] for it in methods_)
    errors = [np.std(found - exact, ddof=1) / np.sqrt(len(x)) for found in (one, some)]
    for found, error in zip((one, some), errors, strict=True):
        assert abs(np.mean(found - exact)) < 4 * error
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.25)


def test_free_energies_of_images():
    method, _ = built()
    x = jnp.asarray(np.round(scaled('test')[:9]))
    params, mutables = start(method, x)
    expected = jax.jit(functions.free_energy)(params['rbm'], x.reshape(9, 64))
    found = jax.jit(method.evaluate)(params, mutables, {'x': x}, context())['free_energy']
    np.testing.assert_allclose(jax.jit(method.free_energy)(params, mutables, x), expected, rtol=1e-6)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ('variant', 'changes', 'message'),
    [
        ('', {'model.visible': 'ternary'}, "model.visible is 'ternary'; choose one of binary, gaussian"),
        ('gaussian', {'model.visible': 'binary'}, "model.visible='binary' needs data in"),
        ('', {'cd_steps': 0}, 'cd_steps=0 must be at least 1'),
        ('persistent', {'num_chains': 0}, 'num_chains=0 must be at least 1'),
        ('', {'model.latents': 0}, 'model.latents=0 must be at least 1'),
    ],
)
def test_configs_that_cannot_be(variant, changes, message):
    with pytest.raises(UserError, match=message):
        built(variant, **changes)


def test_a_step_of_training_does_not_reconstruct():
    """Of CD-1, up, down and up again make five matrix products with their gradient; the errors are those of `evaluate`."""
    method, _ = built()
    x = jnp.asarray(np.round(scaled('train')[:30]))
    params, mutables = start(method, x)

    def gradient(params):
        out = jax.value_and_grad(lambda params: method.loss(params, mutables, {'x': x}, context()).loss)
        return out(params), method.loss(params, mutables, {'x': x}, context()).metrics

    assert set(jax.eval_shape(gradient, params)[1]) == {'free_energy'}
    assert {'squared_error', 'cross_entropy'} <= set(jax.eval_shape(method.evaluate, params, mutables, {'x': x}, context()))
