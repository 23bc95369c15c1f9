"""Stochastic contractive autoencoders: their penalty is the CAE's as the noise vanishes, and trains the same encoder."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.types import Context, DataSpec, UserError
from experiments.configs import cae, stochastic_cae
from tests.support import at_once, digits, scaled, train


def small(config, **changes):
    config.model.latents, config.epochs = 20, 40
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return config


def jacobian_norms(method, state) -> np.ndarray:
    context = Context(key=jax.random.key(0), step=state.step, hparams=state.hparams, train=False)
    batch = {'x': jnp.asarray(scaled('test'))}
    return np.asarray(jax.jit(method.evaluate)(state.params, state.mutables, batch, context)['jacobian_norm'], np.float64)


@pytest.mark.parametrize('hidden', [(), (30,)])
def test_over_the_variance_the_penalty_tends_to_the_norm_of_the_jacobian(hidden):
    config = small(stochastic_cae.get_config(''), **{'model.hidden': hidden, 'model.activation': 'tanh', 'epochs': 1})
    method, state = train(config)
    x = jnp.asarray(scaled('test')[:20])
    z = jax.jit(method.encode)(state.params, state.mutables, x)
    exact = np.square(jacobian_norms(method, state)[:20]).mean()

    @jax.jit
    def draws(std):
        change = jax.vmap(lambda key: method.code_change(state.params, x, z, key, std))
        return change(jax.random.split(jax.random.key(0), 4000)) / std**2

    errors = {}
    for std in (1.0, 0.3, 0.01):
        per_draw = np.asarray(draws(std), np.float64).mean(axis=1)
        errors[std] = abs(per_draw.mean() / exact - 1), per_draw.std() / np.sqrt(len(per_draw)) / exact
    assert errors[1.0][0] > 3 * errors[0.3][0] > 10 * errors[0.01][0]
    assert errors[0.01][0] < 4 * errors[0.01][1] < 0.02


def test_it_trains_the_encoder_that_the_exact_penalty_trains():
    weight = {'penalty_weight': 1.0}
    stochastic = train(small(stochastic_cae.get_config(''), penalty_weight=100.0))
    exact, free = train(small(cae.get_config(''), **weight)), train(small(cae.get_config(''), penalty_weight=0.0))
    found, expected, without = (jacobian_norms(*run).mean() for run in (stochastic, exact, free))
    assert expected < 0.8 * without
    np.testing.assert_allclose(found, expected, rtol=0.05)


def test_the_loss_by_hand():
    config = small(stochastic_cae.get_config(''), num_corruptions=3)
    method, x = methods.build(config, digits().spec), jnp.asarray(scaled('train')[:7])
    hparams = {'penalty_weight': jnp.asarray(7.0), 'corruption_level': jnp.asarray(0.2)}

    def look(key):
        params, _ = method.init(key, {'x': x})
        context = Context(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), hparams=hparams)
        noisy = [x + 0.2 * jax.random.normal(one, x.shape) for one in jax.random.split(jax.random.key(1), 3)]
        return method.loss(params, {}, {'x': x}, context), [method.encode(params, {}, images) for images in (x, *noisy)]

    out, (clean, *codes) = at_once(look, jax.random.key(0))
    changes = [np.square(clean - code).sum(axis=1) for code in codes]
    np.testing.assert_allclose(out.metrics['code_change'], np.mean(changes, axis=0), rtol=1e-4)
    np.testing.assert_allclose(out.loss, np.mean(out.metrics['cross_entropy'] + 7.0 * out.metrics['code_change']), rtol=1e-5)
    assert method.hparams == {'penalty_weight': 10.0, 'corruption_level': 0.1}


def test_mnist_can_be_built():
    assert methods.build(stochastic_cae.get_config('mnist'), DataSpec('mnist', (28, 28, 1), 'scale', 10, 1000)).num_steps == 600


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'corruption.level': -0.1}, 'corruption.level=-0.1 must be at least 0'),
        ({'num_corruptions': 0}, 'num_corruptions=0 must be at least 1'),
        ({'penalty_weight': -1.0}, 'penalty_weight=-1.0 must be at least 0'),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        methods.build(small(stochastic_cae.get_config(''), **changes), digits().spec)
