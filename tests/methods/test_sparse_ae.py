"""Sparse autoencoders: codes as sparse as they were asked to be, that still say what the digits are."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods, preprocessing
from aejax.losses import sparse
from aejax.types import Context, UserError
from experiments.configs import sparse_ae
from tests.support import at_once, digits, scaled, train


def changed(variant, **changes):
    config = sparse_ae.get_config(variant)
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return config


def context(method, step=0, train=True):
    hparams = {name: jnp.asarray(value) for name, value in method.hparams.items()}
    return Context(key=jax.random.key(0), step=jnp.asarray(step), hparams=hparams, train=train)


@functools.cache
def trained(variant):
    config = changed(variant, epochs=60, **{'model.latents': 100, 'optimizer.learning_rate': 5e-3})
    method, state = train(config)
    loaded = digits(config.data.preprocessing)
    batch = {'x': preprocessing.to_model_space(jnp.asarray(loaded.split('test')['x']), loaded.spec, jax.random.key(0))}
    metrics = jax.jit(functools.partial(method.evaluate, context=context(method, train=False)))
    return method, state, at_once(method.encode, state.params, {}, batch['x']), metrics(state.params, {}, batch)


def test_mean_activations_come_near_their_target():
    _, _, z, metrics = trained('')
    assert 0.05 < z.mean() < 0.08
    assert 0.04 < z.mean(axis=0).min() < z.mean(axis=0).max() < 0.2  # without the penalty they are near 0.5
    np.testing.assert_allclose(metrics['mean_activation'], z.mean(axis=1), rtol=1e-5)


def test_an_l1_penalty_switches_units_off():
    _, _, z, metrics = trained('l1')
    assert 0.02 < np.mean(z > 0) < 0.3
    np.testing.assert_allclose(metrics['active_share'], np.mean(z > 0, axis=1), rtol=1e-5)
    np.testing.assert_allclose(metrics['l1'], z.sum(axis=1), rtol=1e-5)


def test_k_units_are_active():
    method, _, z, metrics = trained('k_sparse')
    assert method.num_kept == (64, 10, 10)
    np.testing.assert_array_equal(np.count_nonzero(z, axis=1), 10)
    np.testing.assert_allclose(metrics['active_share'], 0.1)


@pytest.mark.parametrize('variant', ['', 'l1', 'k_sparse'])
def test_sparse_codes_keep_the_image(variant):
    _, _, _, metrics = trained(variant)
    spread = np.square(scaled('test') - scaled('train').mean(axis=0)).sum(axis=(1, 2, 3))
    assert metrics['squared_error'].mean() < 0.5 * spread.mean()


def loss_and_parts(method, params, step=0):
    x = jnp.asarray(scaled('train')[:40])

    def look(params, step):
        return method.loss(params, {}, {'x': x}, context(method, step)), method.model.encode(params, x)

    out, z = at_once(look, params, step)
    return out, np.asarray(x), z


def squared_errors(method, params, x, z):
    return np.square(x - at_once(method.model.decode, params, z)).sum(axis=(1, 2, 3))


def test_the_losses_by_hand():
    method, state, *_ = trained('l1')
    out, x, z = loss_and_parts(method, state.params)
    expected = np.mean(squared_errors(method, state.params, x, z) + 0.03 * np.abs(z).sum(axis=1))
    np.testing.assert_allclose(out.loss, expected, rtol=1e-5)
    method, state, *_ = trained('')
    out, x, z = loss_and_parts(method, state.params)
    expected = np.mean(squared_errors(method, state.params, x, z)) + 0.3 * sparse.kl_to_rate(z, 0.05)
    np.testing.assert_allclose(out.loss, expected, rtol=1e-5)


@pytest.mark.parametrize(('progress', 'kept'), [(0.0, 64), (0.25, 37), (0.5, 10), (1.0, 10)])
def test_the_number_of_units_kept_falls_in_the_first_half(progress, kept):
    method, state, *_ = trained('k_sparse')
    out, x, z = loss_and_parts(method, state.params, round(progress * method.num_steps))
    z = np.where(z >= np.partition(z, -kept, axis=1)[:, -kept, None], z, 0)
    np.testing.assert_allclose(out.metrics['active_share'], kept / 100, rtol=1e-5)
    np.testing.assert_allclose(out.loss, squared_errors(method, state.params, x, z).mean(), rtol=1e-5)


def test_more_units_may_be_kept_in_evaluation():
    _, state, *_ = trained('k_sparse')
    method = methods.build(changed('k_sparse', **{'model.latents': 100, 'sparsity.k_factor': 2.5}), digits().spec)

    def look(params, x):
        z = method.encode(params, {}, x)
        return z, method.reconstruct(params, {}, x), method.decode(params, {}, z)

    z, back, decoded = at_once(look, state.params, scaled('test'))
    np.testing.assert_array_equal(np.count_nonzero(z, axis=1), 25)
    np.testing.assert_allclose(back, decoded, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ('variant', 'changes', 'message'),
    [
        ('', {'sparsity.kind': 'l0'}, "sparsity.kind is 'l0'; choose one of l1, kl, k_sparse"),
        ('', {'sparsity.rate': 1.0}, 'sparsity.rate=1.0 must lie between 0 and 1'),
        ('', {'model.latent_activation': 'relu'}, "set model.latent_activation='sigmoid'"),
        ('l1', {'sparsity.weight': -0.1}, 'sparsity.weight=-0.1 must be at least 0'),
        ('k_sparse', {'sparsity.k': 300}, 'model.latents=256'),
        ('k_sparse', {'sparsity.k': 0}, 'model.latents=256'),
        ('k_sparse', {'sparsity.k_start': 5}, 'sparsity.k_start=5'),
        ('k_sparse', {'sparsity.k_factor': 0.5}, 'k_factor=0.5'),
        ('k_sparse', {'sparsity.k_factor': 50.0}, 'k_factor=50.0'),
    ],
)
def test_sparsity_that_cannot_be(variant, changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(changed(variant, **changes), digits().spec)
