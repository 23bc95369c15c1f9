"""Autoencoders: better than PCA where they are deeper, and the losses that they say they minimise."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.evaluation import subspace
from aejax.types import Context, UserError
from experiments.configs import ae
from tests.support import at_once, digits, scaled, train


def test_a_deep_autoencoder_beats_pca_on_new_digits():
    config = ae.get_config('')
    config.epochs, config.optimizer.learning_rate, config.optimizer.schedule = 200, 3e-3, 'cosine'
    method, state = train(config)
    found = at_once(method.reconstruct, state.params, state.mutables, scaled('test'))
    assert subspace.error_ratio(scaled('test'), found, subspace.pca_baseline(scaled('train'), config.model.latents)) < 0.75


def test_convolutions_learn():
    config = ae.get_config('conv')
    config.model.hidden, config.epochs, config.optimizer.learning_rate = (4, 8), 10, 1e-2
    method, state = train(config)
    found = at_once(method.reconstruct, state.params, state.mutables, scaled('test'))
    error = np.square(scaled('test') - found).sum(axis=(1, 2, 3))
    spread = np.square(scaled('test') - scaled('train').mean(axis=0)).sum(axis=(1, 2, 3))
    assert error.mean() < 0.6 * spread.mean()


def evaluated(method, hparams, x):
    def look(key, context):
        params, mutables = method.init(key, {'x': x})
        both = (capability(params, mutables, {'x': x}, context) for capability in (method.loss, method.evaluate))
        return params, method.reconstruct(params, mutables, x), *both

    return at_once(look, jax.random.key(0), Context(jax.random.key(1), jnp.zeros((), jnp.int32), hparams))


@pytest.mark.parametrize('loss', ['squared_error', 'cross_entropy'])
def test_the_losses_by_hand(loss):
    config = ae.get_config('')
    config.loss = loss
    method, x = methods.build(config, digits().spec), scaled('train')[:7]
    _, mean, out, metrics = evaluated(method, {}, x)
    mean = mean.astype(np.float64)
    expected = {
        'squared_error': np.square(x - mean).sum(axis=(1, 2, 3)),
        'cross_entropy': -(x * np.log(mean) + (1 - x) * np.log1p(-mean)).sum(axis=(1, 2, 3)),
    }
    assert method.selection == (loss, 'min')
    assert set(metrics) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(metrics[name], values, rtol=1e-4)
    np.testing.assert_allclose(out.loss, expected[loss].mean(), rtol=1e-4)


def test_weight_decay_is_a_hyperparameter_where_it_is_used():
    config = ae.get_config('')
    assert methods.build(config, digits().spec).hparams == {}
    config.weight_decay = 0.1
    method, x = methods.build(config, digits().spec), scaled('train')[:7]
    assert method.hparams == {'weight_decay': 0.1}
    params, _, out, _ = evaluated(method, {'weight_decay': jnp.asarray(0.1)}, x)
    squares = sum(np.square(layer['kernel']).sum() for group in params.values() for layer in group.values())
    _, _, plain, _ = evaluated(method, {'weight_decay': jnp.asarray(0.0)}, x)
    np.testing.assert_allclose(out.loss - plain.loss, 0.05 * squares, rtol=1e-4)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'loss': 'hinge'}, "loss is 'hinge'; choose one of cross_entropy, squared_error"),
        ({'loss': 'cross_entropy', 'model.output': 'identity'}, "loss='cross_entropy' needs model.output='sigmoid'"),
        ({'method': 'pca'}, "there is no method 'pca'; choose one of adversarial_ae, ae, "),
    ],
)
def test_configs_that_cannot_be(change, message):
    config = ae.get_config('')
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match=message):
        methods.build(config, digits().spec)
