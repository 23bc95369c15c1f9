"""Contractive autoencoders: less sensitive codes, and one penalty whatever its form."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.methods.cae import FORMS
from aejax.types import Context, UserError
from experiments.configs import cae
from tests.support import assert_close, digits, scaled, train


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
    out = method.loss(state.params, state.mutables, {'x': x}, context)
    norms = jacfwd_norms(method, state, x)
    np.testing.assert_allclose(out.metrics['jacobian_norm'], norms, rtol=1e-4)
    np.testing.assert_allclose(out.loss, np.mean(out.metrics['cross_entropy'] + 0.7 * np.square(norms)), rtol=1e-5)


@pytest.mark.parametrize(
    'changes', [{}, {'model.hidden': (30,)}, {'model.encoder': 'conv', 'model.hidden': (4,), 'model.tied': False}]
)
def test_jacobian_norm_is_that_of_jacfwd(changes):
    method, state = train(small(epochs=1, **changes))
    x = scaled('test')[:9]
    np.testing.assert_allclose(metrics_of(method, state, x)['jacobian_norm'], jacfwd_norms(method, state, x), rtol=1e-4)


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
    changes = {'model.encoder': 'conv', 'model.hidden': (4,), 'model.tied': False, 'model.latents': 6, 'epochs': 2}
    auto, jacfwd = (train(small(penalty_form=form, penalty_weight=1.0, **changes)) for form in ('auto', 'jacfwd'))
    assert_close(auto[1].params, jacfwd[1].params, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'penalty_form': 'exact'}, "penalty_form is 'exact'; choose one of auto, "),
        ({'penalty_form': 'gram', 'model.encoder': 'conv', 'model.hidden': (4,), 'model.tied': False}, "model.encoder='mlp'"),
        ({'penalty_form': 'closed', 'model.hidden': (30,)}, "penalty_form='closed'"),
    ],
)
def test_forms_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(small(**changes), digits().spec)
