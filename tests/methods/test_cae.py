"""Contractive autoencoders: less sensitive codes, and one penalty whatever its form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.methods.cae import FORMS
from aejax.types import Context, DataSpec, UserError
from experiments.configs import cae
from tests.support import assert_close, digits, scaled, train

CONV = {'model.encoder': 'conv', 'model.hidden': (4,), 'model.tied': False}


def small(**changes):
    config = cae.get_config('')
    config.model.latents, config.epochs = 20, 3
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return config


def metrics_of(method, state, x) -> dict[str, np.ndarray]:
    context = Context(key=jax.random.key(0), step=state.step, hparams=state.hparams, train=False)
    return jax.jit(method.evaluate)(state.params, state.mutables, {'x': jnp.asarray(x)}, context)


def jacfwd_norms(method, state, x) -> np.ndarray:
    """By JAX, one example after the other."""

    def code(example):
        return method.encode(state.params, state.mutables, example[None])[0]

    jacobians = jax.jit(jax.vmap(jax.jacfwd(code)))(jnp.asarray(x))
    return np.linalg.norm(np.asarray(jacobians, np.float64).reshape(len(x), jacobians.shape[1], -1), axis=(1, 2))


def test_the_penalty_makes_codes_less_sensitive():
    config = small(epochs=60, penalty_weight=1.0)
    contracted = train(config)
    config.penalty_weight = 0.0
    free = train(config)
    norms = [metrics_of(method, state, scaled('test'))['jacobian_norm'].mean() for method, state in (contracted, free)]
    assert norms[0] < 0.8 * norms[1]


def test_the_penalty_by_hand():
    method, state = train(small(), num=1)
    x = jnp.asarray(scaled('test')[:9])
    context = Context(key=jax.random.key(0), step=state.step, hparams={'penalty_weight': jnp.asarray(0.7)})
    out = jax.jit(method.loss)(state.params, state.mutables, {'x': x}, context)
    norms = jacfwd_norms(method, state, x)
    np.testing.assert_allclose(out.metrics['jacobian_norm'], norms, rtol=1e-4)
    np.testing.assert_allclose(out.loss, np.mean(out.metrics['cross_entropy'] + 0.7 * np.square(norms)), rtol=1e-5)


@pytest.mark.parametrize('changes', [{}, {'model.hidden': (30,)}, CONV])
def test_jacobian_norm_is_that_of_jacfwd(changes):
    method, state = train(small(epochs=1, **changes))
    x = scaled('test')[:9]
    np.testing.assert_allclose(metrics_of(method, state, x)['jacobian_norm'], jacfwd_norms(method, state, x), rtol=1e-4)


def hessian_norms(method, state, x) -> np.ndarray:
    """By JAX: the norm of all second derivatives of the code."""

    def code(example):
        return method.encode(state.params, state.mutables, example[None])[0]

    hessians = jax.jit(jax.vmap(jax.hessian(code)))(jnp.asarray(x))
    return np.linalg.norm(np.asarray(hessians, np.float64).reshape(len(x), -1), axis=1)


def test_the_higher_order_penalty_makes_the_jacobian_move_less():
    config = small(epochs=40, **{'hessian.weight': 100.0, 'hessian.num_samples': 1})
    steady = train(config)
    config.hessian.weight = 0.0
    free = train(config)
    norms = [hessian_norms(method, state, scaled('test')[:20]).mean() for method, state in (steady, free)]
    assert norms[0] < 0.8 * norms[1]


@pytest.mark.parametrize('changes', [{}, {'model.hidden': (30,)}, CONV])
def test_the_higher_order_penalty_by_hand(changes):
    method = methods.build(
        small(**{'hessian.weight': 5.0, 'hessian.std': 0.2, 'hessian.num_samples': 2, **changes}), digits().spec
    )
    assert method.hparams == {'penalty_weight': 0.1, 'hessian_weight': 5.0}
    x = jnp.asarray(scaled('test')[:5])
    params, _ = jax.jit(method.init)(jax.random.key(0), {'x': x})

    @jax.jit
    def jacobians(x):
        return jax.vmap(jax.jacrev(lambda example: method.encode(params, {}, example[None])[0]))(x).reshape(len(x), -1)

    context = Context(key=jax.random.key(4), step=jnp.zeros((), jnp.int32), hparams=method.hparams)
    out = jax.jit(method.loss)(params, {}, {'x': x}, context)
    moved = [x + 0.2 * jax.random.normal(key, x.shape) for key in jax.random.split(jax.random.key(4), 2)]
    expected = np.mean([np.square(jacobians(x) - jacobians(there)).sum(axis=1) for there in moved], axis=0)
    np.testing.assert_allclose(out.metrics['jacobian_change'], expected, rtol=1e-3)
    per_example = out.metrics['cross_entropy'] + 0.1 * out.metrics['jacobian_norm'] ** 2 + 5.0 * expected
    np.testing.assert_allclose(out.loss, per_example.mean(), rtol=1e-4)


LAYERS = {'one': {}, 'two': {'model.hidden': (30,), 'model.latent_activation': 'identity'}}
EXACT = {'one': ['auto', 'closed', 'forward', 'reverse'], 'two': ['gram', 'hadamard']}


@functools.cache
def by_jacfwd(layers):
    return train(small(penalty_form='jacfwd', epochs=2, **LAYERS[layers]))[1].params


@pytest.mark.parametrize(('layers', 'form'), [(layers, form) for layers in LAYERS for form in EXACT[layers]])
def test_every_form_gives_the_same_training(layers, form):
    found = train(small(penalty_form=form, epochs=2, **LAYERS[layers]))[1].params
    assert_close(found, by_jacfwd(layers), rtol=1e-3, atol=1e-4)


def test_all_forms_are_tested():
    assert set(FORMS) == {'jacfwd', *EXACT['one'], *EXACT['two']}


def test_convolutions_are_penalised_by_automatic_differentiation():
    changes = {**CONV, 'model.latents': 6, 'epochs': 2}
    auto, jacfwd = (train(small(penalty_form=form, penalty_weight=1.0, **changes)) for form in ('auto', 'jacfwd'))
    assert_close(auto[1].params, jacfwd[1].params, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'penalty_form': 'exact'}, "penalty_form is 'exact'; choose one of auto, "),
        ({'penalty_form': 'gram', **CONV}, "model.encoder='mlp'"),
        ({'penalty_form': 'closed', 'model.hidden': (30,)}, "penalty_form='closed'"),
        ({'hessian.weight': -1.0}, 'hessian.weight=-1.0 must be at least 0'),
        ({'hessian.std': 0.0}, 'hessian.std=0.0 must be at least'),
        ({'hessian.num_samples': 0}, 'hessian.num_samples=0 must be at least 1'),
    ],
)
def test_forms_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(small(**changes), digits().spec)


def test_cae_2_is_a_stack_of_two():
    method = methods.build(cae.get_config('two_layers'), DataSpec('mnist', (28, 28, 1), 'scale', 10, 1000))
    assert [stage.name for stage in method.stages] == ['layer_0', 'layer_1', 'finetune']
    assert method.hparams == {'layer_0_penalty_weight': 0.1, 'layer_1_penalty_weight': 0.1}
    params = jax.eval_shape(lambda key, x: method.init(key, {'x': x})[0], jax.random.key(0), jnp.zeros((2, 28, 28, 1)))
    assert [params[f'layer_{k}_encoder']['layer_0']['kernel'].shape for k in (0, 1)] == [(784, 1000), (1000, 1000)]
