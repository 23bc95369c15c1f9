"""Stacks: greedy pretraining layer by layer, on real digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import Context, UserError
from experiments.configs import ae, sparse_ae, stacked_ae, vae
from tests.support import digits, go_on, run, scaled

EPOCHS = 15


def plain_config(**changes):
    """Layers without noise: a stack of autoencoders."""
    config = stacked_ae.get_config('plain')
    config.epochs, config.widths, config.finetune.epochs = EPOCHS, (64, 32), EPOCHS
    with config.layer.unlocked():
        config.layer = ae.get_config('')
        del config.layer.epochs, config.layer.finetune
    config.layer.loss, config.layer.model.hidden = 'cross_entropy', ()
    config.layer.model.latent_activation, config.layer.model.tied = 'sigmoid', True
    config.update(changes)
    return config


@functools.cache
def trained(variant=''):
    config = stacked_ae.get_config(variant) if variant else plain_config()
    config.epochs = config.finetune.epochs = EPOCHS
    method, dataset = methods.build(config, digits().spec), digits()
    source = Resident(dataset.split('train'), config.batch_size)
    return method, run(method, source, dataset.spec, config.batch_size, log_every=1e9)


def test_each_layer_is_trained_alone_on_clean_codes_of_the_layers_below():
    method, intervals = trained()
    assert [interval.about.stage for interval in intervals] == ['layer_0', 'layer_1', 'finetune']
    state = go_on(intervals, 0)
    lower = {name: state.params[f'layer_0_{name}'] for name in ('encoder', 'decoder')}
    alone = methods.build(lone_config(), digits().spec)
    x = jnp.asarray(scaled('test'))
    np.testing.assert_allclose(
        method.stages[1].inputs(state.params, {'x': x})['x'], alone.encode(lower, {}, x), rtol=1e-5, atol=1e-6
    )
    after = intervals[1].state['params']
    for name, leaves in intervals[0].state['params'].items():
        same = np.array_equal(jax.tree.leaves(leaves)[-1], jax.tree.leaves(after[name])[-1])
        assert same == (not name.startswith('layer_1')), name


def lone_config():
    """The lowest layer of `plain_config` as an autoencoder of its own."""
    config = ae.get_config('')
    config.loss, config.epochs = 'cross_entropy', EPOCHS
    config.model.hidden, config.model.latents, config.model.latent_activation, config.model.tied = (), 64, 'sigmoid', True
    return config


def test_the_first_stage_is_the_lone_autoencoder_to_the_last_loss():
    method, _ = trained()
    dataset, alone = digits(), methods.build(lone_config(), digits().spec)
    batch = {'x': jnp.asarray(scaled('train')[:20])}
    params, _ = method.init(jax.random.key(0), batch)
    own = {name: params[f'layer_0_{name}'] for name in ('encoder', 'decoder')}
    context = Context(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), hparams={})
    in_stack = method.stages[0].phases[0].loss(params, {}, batch, context)
    np.testing.assert_allclose(in_stack.loss, alone.loss(own, {}, batch, context).loss, rtol=1e-6)
    assert method.stages[0].num_steps == alone.stages[0].num_steps == EPOCHS * (dataset.spec.num_examples // 100)


def test_pretraining_beats_random_weights_before_any_label_is_seen():
    method, intervals = trained()
    dataset = digits()
    evaluate = make_evaluator(method, dataset.spec, dataset.split('test'))
    random = loop.initial_state(method, Resident(dataset.split('train'), 100), dataset.spec, 0)
    errors = [evaluate(state)['cross_entropy'].mean() for state in (random, go_on(intervals, 1))]
    assert errors[1] < 0.7 * errors[0]
    assert evaluate(go_on(intervals, -1))['classification_error'].mean() < 0.3


def test_without_pretraining_only_fine_tuning_is_left():
    method = methods.build(plain_config(epochs=0), digits().spec)
    assert [stage.name for stage in method.stages] == ['finetune']
    groups = {f'layer_{k}_{name}' for k in (0, 1) for name in ('encoder', 'decoder')}
    assert set(method.stages[0].phases[0].trains) == {'layer_0_encoder', 'layer_1_encoder', 'classifier'}
    assert set(method.init(jax.random.key(0), {'x': jnp.asarray(scaled('test')[:5])})[0]) == groups | {'classifier'}


def test_unrolled_the_whole_stack_reconstructs_better():
    method, intervals = trained('unrolled')
    dataset = digits()
    evaluate = make_evaluator(method, dataset.spec, dataset.split('test'))
    greedy, unrolled = (evaluate(go_on(intervals, index))['cross_entropy'].mean() for index in (1, 2))
    assert unrolled < 0.97 * greedy
    assert method.stages[-1].phases[0].trains == (
        'layer_0_encoder', 'layer_1_encoder', 'layer_0_decoder', 'layer_1_decoder'
    )  # fmt: skip


def test_regenerated_digits_vary_round_their_originals():
    method, intervals = trained()
    state, x = go_on(intervals, 1), jnp.asarray(scaled('test')[:100])
    drawn = [np.asarray(method.base.regenerate(state.params, {}, jax.random.key(seed), x)) for seed in (0, 1)]
    distances = [
        np.linalg.norm((drawn[0] - other).reshape(100, -1), axis=1).mean() for other in (drawn[1], x, np.roll(x, 1, axis=0))
    ]
    assert 0 < distances[0] < distances[2]
    assert distances[1] < distances[2], 'nearer to the digit it came from than to another'


def test_lists_by_layer():
    config = stacked_ae.get_config('')
    config.layer_epochs, config.layer_learning_rates, config.layer_corruption_levels = (3, 4), (0.1, 0.2), (0.1, 0.3)
    layers = stacked_ae_layers(config)
    assert [layer.epochs for layer in layers] == [3, 4]
    assert [layer.optimizer.learning_rate for layer in layers] == [0.1, 0.2]
    assert [layer.corruption.level for layer in layers] == [0.1, 0.3]
    assert [layer.model.latents for layer in layers] == [256, 128]
    config.layer_epochs = (3,)
    with pytest.raises(UserError, match='layer_epochs has 1 entries for 2 layers; give one for each, or none'):
        stacked_ae_layers(config)
    with pytest.raises(UserError, match='widths is empty'):
        methods.build(plain_config(widths=()), digits().spec)


def test_a_layer_counts_its_steps_from_its_own_first():
    config = stacked_ae.get_config('')
    config.layer = sparse_layer()
    config.epochs, config.widths = 4, (64, 48)
    method = methods.build(config, digits().spec)
    start = method.stages[0].num_steps
    batch = {'x': jnp.asarray(scaled('train')[:20]), 'label': jnp.zeros(20, jnp.int32)}
    params, mutables = method.init(jax.random.key(0), batch)
    codes = method.stages[1].inputs(params, batch)
    context = Context(key=jax.random.key(1), step=jnp.asarray(start), hparams=method.hparams)
    share = method.stages[1].phases[0].loss(params, mutables, codes, context).metrics['active_share']
    np.testing.assert_allclose(share, 40 / 48, rtol=1e-6)


def sparse_layer():
    """The 40 largest units at the first step, 10 from the middle of training on."""
    layer = sparse_ae.get_config('k_sparse')
    del layer.epochs, layer.finetune
    layer.sparsity.k_start = 40
    return layer


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'epochs': -3}, 'epochs=-3 must be at least 0'),
        ({'epochs': 0, 'finetune.target': 'none'}, 'epochs=0 leaves nothing to train'),
        ({'layer.model.latent_activation': 'relu'}, "model.output='sigmoid' cannot reach"),
    ],
)
def test_stacks_that_cannot_be(changes, message):
    config = stacked_ae.get_config('')
    for name, value in changes.items():
        section, _, key = name.rpartition('.')
        (functools.reduce(getattr, section.split('.'), config) if section else config)[key] = value
    with pytest.raises(UserError, match=message):
        methods.build(config, digits().spec)


def test_layers_that_cannot_be_stacked_are_refused():
    config = stacked_ae.get_config('')
    with config.unlocked():
        config.layer = vae.get_config('')
        del config.layer.epochs, config.layer.finetune
    with pytest.raises(UserError, match='a vae cannot be stacked'):
        methods.build(config, digits().spec)


def test_only_probabilities_are_drawn():
    config = stacked_ae.get_config('unrolled')
    assert hasattr(methods.build(config, digits().spec), 'regenerate')
    config.layer.model.latent_activation, config.layer.model.output, config.layer.loss = 'relu', 'identity', 'squared_error'
    assert not hasattr(methods.build(config, digits().spec), 'regenerate')


def stacked_ae_layers(config):
    from aejax.methods.stacked_ae import layer_configs

    return layer_configs(config)
