"""Weight decay adds weight_decay / 2 ||W||^2 to the loss, for every method that has it."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.types import Context
from tests.support import at_once, digits, scaled

DECAY = 0.3


def config_of(name, variant=''):
    return importlib.import_module(f'experiments.configs.{name}').get_config(variant)


def decayed(name, variant):
    """The config's method by its decay, 0 and DECAY."""
    config = config_of(name, variant)
    config.epochs, config.model.latents = 1, min(20, config.model.latents)
    made = {}
    for config.weight_decay in (0.0, DECAY):
        made[config.weight_decay] = methods.build(config, digits('scale').spec)
    return made


WITH_DECAY = ['ae', 'cae', 'dae', 'linear_ae', 'rbm', 'sparse_ae', 'stochastic_cae']


def test_these_methods_have_weight_decay():
    assert [name for name in methods.names() if 'weight_decay' in config_of(name)] == WITH_DECAY


@pytest.mark.parametrize(('name', 'variant'), [*((name, '') for name in WITH_DECAY), ('cae', 'hessian'), ('sparse_ae', 'l1')])
def test_the_loss_grows_by_half_the_squared_weights(name, variant):
    made, x = decayed(name, variant), jnp.asarray(scaled('train')[:5])

    def look(key):
        params, mutables = made[0.0].init(key, {'x': x})
        # Biases are not decayed: none may be zero, where it would not show.
        params = jax.tree.map(lambda leaf: leaf + 0.1, params)
        losses = {}
        for decay, method in made.items():
            context = Context(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), hparams=method.hparams)
            losses[decay] = method.loss(params, mutables, {'x': x}, context).loss
        return params, losses

    params, losses = at_once(look, jax.random.key(0))
    kernels = [leaf for path, leaf in jax.tree_util.tree_leaves_with_path(params) if path[-1].key == 'kernel']
    expected = DECAY / 2 * sum(np.square(kernel, dtype=np.float64).sum() for kernel in kernels)
    assert expected > 1
    np.testing.assert_allclose(losses[DECAY] - losses[0.0], expected, rtol=1e-3)
