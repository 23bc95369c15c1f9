"""Stacks: greedy pretraining layer by layer, on real digits."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.evaluation.per_example import make_evaluator
from aejax.methods.stacked_ae import ProbabilisticStack, own
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import Context, UserError
from experiments.configs import ae, cae, sparse_ae, stacked_ae, vae
from tests.support import at_once, digits, go_on, run, scaled

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
def trained(variant='', epochs=EPOCHS):
    config = stacked_ae.get_config(variant) if variant else plain_config()
    config.epochs = config.finetune.epochs = epochs
    method, dataset = methods.build(config, digits().spec), digits()
    source = Resident(dataset.split('train'), config.batch_size)
    return method, run(method, source, dataset.spec, config.batch_size, log_every=1e9)


def test_each_layer_is_trained_alone_on_clean_codes_of_the_layers_below():
    method, intervals = trained()
    assert [interval.about.stage for interval in intervals] == ['layer_0', 'layer_1', 'finetune']
    state = go_on(intervals, 0)
    lower = {name: state.params[f'layer_0_{name}'] for name in ('encoder', 'decoder')}
    alone = methods.build(lone_config(), digits().spec)
    codes, expected = at_once(
        lambda params, lower, x: (method.stages[1].inputs(params, {'x': x})['x'], alone.encode(lower, {}, x)),
        state.params, lower, scaled('test'),
    )  # fmt: skip
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-6)
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

    def look(key):
        params, _ = method.init(key, batch)
        own = {name: params[f'layer_0_{name}'] for name in ('encoder', 'decoder')}
        context = Context(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), hparams={})
        in_stack = method.stages[0].phases[0].loss(params, {}, batch, context)
        return in_stack.loss, alone.loss(own, {}, batch, context).loss

    np.testing.assert_allclose(*at_once(look, jax.random.key(0)), rtol=1e-6)
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
    params, _ = jax.eval_shape(lambda key: method.init(key, {'x': jnp.asarray(scaled('test')[:5])}), jax.random.key(0))
    assert set(params) == groups | {'classifier'}


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
    regenerate = jax.jit(lambda params, key: method.base.regenerate(params, {}, key, x))
    drawn = [np.asarray(regenerate(state.params, jax.random.key(seed))) for seed in (0, 1)]
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

    def look(key):
        params, mutables = method.init(key, batch)
        context = Context(key=jax.random.key(1), step=jnp.asarray(start), hparams=method.hparams)
        return method.stages[1].phases[0].loss(params, mutables, method.stages[1].inputs(params, batch), context)

    share = at_once(look, jax.random.key(0)).metrics['active_share']
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
    with pytest.raises(UserError, match='method vae cannot be stacked'):
        methods.build(config, digits().spec)


def test_only_probabilities_are_drawn():
    config = stacked_ae.get_config('unrolled')
    assert hasattr(methods.build(config, digits().spec), 'regenerate')
    config.layer.model.latent_activation, config.layer.model.output, config.layer.loss = 'relu', 'identity', 'squared_error'
    assert not hasattr(methods.build(config, digits().spec), 'regenerate')


def stacked_ae_layers(config):
    from aejax.methods.stacked_ae import layer_configs

    return layer_configs(config)


def overridden(*overrides, variant=''):
    config = stacked_ae.get_config(variant)
    config.layer_overrides = overrides
    return config


def test_any_key_of_a_layer_may_differ_its_optimiser_and_epochs_too():
    layers = stacked_ae_layers(
        overridden(
            ('layer_1.optimizer.name', 'sgd'), ('layer_1.optimizer.momentum', 0.9), ('layer_1.epochs', 7),
            ('layer_0.corruption.kind', 'gaussian'), ('layer_0.model.latents', 99),
        )
    )  # fmt: skip
    assert [layer.optimizer.name for layer in layers] == ['adam', 'sgd']
    assert [layer.optimizer.momentum for layer in layers] == [0.0, 0.9]
    assert [layer.epochs for layer in layers] == [50, 7]
    assert [layer.corruption.kind for layer in layers] == ['gaussian', 'masking']
    assert [layer.model.latents for layer in layers] == [99, 128]
    method = methods.build(overridden(('layer_1.epochs', 7)), digits().spec)
    assert [stage.num_steps for stage in method.stages[:2]] == [50 * 12, 7 * 12]


@pytest.mark.parametrize(
    ('override', 'message'),
    [
        (('layer_2.epochs', 3), r"\('layer_2.epochs', 3\) is not \('LAYER.KEY', value\) with LAYER one of layer_0, layer_1$"),
        (('layer_1', 3), 'is not'),
        ('layer_1.epochs', 'is not'),
        (('layer_1.optimizer.rate', 0.1), "layer_1 sets optimizer.rate, which a layer of method 'dae' does not have$"),
        (('layer_1.noise', 0.1), "layer_1 sets noise, which a layer of method 'dae' does not have$"),
        (('layer_1.loss.name', 'x'), 'layer_1 sets loss.name, which'),
        (('layer_1.epochs', 'many'), "layer_1 sets epochs to 'many', which is of another type$"),
        (('layer_1.batch_size', 10), 'layer_1 sets batch_size, which'),
    ],
)
def test_overrides_that_cannot_be_are_one_line(override, message):
    with pytest.raises(UserError, match=message) as raised:
        methods.build(overridden(override), digits().spec)
    assert '\n' not in str(raised.value)


def test_levels_are_for_layers_that_corrupt():
    config = cae.get_config('two_layers')
    config.layer_corruption_levels = (0.1, 0.2)
    message = "^layer_corruption_levels sets corruption.level, which a layer of method 'cae' does not have$"
    with pytest.raises(UserError, match=message):
        methods.build(config, digits().spec)


LINEAR = {k: ((f'layer_{k}.model.output', 'identity'), (f'layer_{k}.loss', 'squared_error')) for k in (0, 1)}


@pytest.mark.parametrize(
    ('variant', 'overrides', 'drawn'),
    [
        ('unrolled', (), True),
        ('unrolled', LINEAR[0], True),
        ('unrolled', LINEAR[1], False),
        ('unrolled', (('layer_1.model.latent_activation', 'relu'),), False),
        ('unrolled', (('layer_0.model.latent_activation', 'relu'), *LINEAR[1]), False),
        ('rbm', (), True),
        ('rbm', (('layer_1.visible', 'gaussian'),), False),
    ],
)
def test_hidden_layers_are_drawn_where_all_of_them_are_probabilities(variant, overrides, drawn):
    config = overridden(*((name.replace('.visible', '.model.visible'), value) for name, value in overrides), variant=variant)
    config.finetune.target = 'reconstruct'
    assert hasattr(methods.build(config, digits().spec), 'regenerate') == drawn


class Recorder:
    """A layer whose codes and outputs are probabilities of one half."""

    def __init__(self):
        self.given = []

    def encode(self, params, mutables, x):
        return jnp.full(x.shape, 0.5)

    def decode(self, params, mutables, z):
        self.given.append(np.asarray(z))
        return jnp.full(z.shape, 0.5)


def test_every_hidden_layer_is_drawn_on_the_way_down_and_the_data_is_not():
    layers = Recorder(), Recorder(), Recorder()
    found = ProbabilisticStack(layers, True, {}).regenerate({}, {}, jax.random.key(0), jnp.ones((40, 8)))
    np.testing.assert_array_equal(found, 0.5)
    for layer in layers:
        (given,) = layer.given
        assert set(np.unique(given)) == {0.0, 1.0}
    assert len({layer.given[0].tobytes() for layer in layers}) == 3, 'each has draws of its own'


def test_rbms_can_be_stacked_and_fine_tuned():
    method, intervals = trained('rbm', epochs=20)
    assert [interval.about.stage for interval in intervals] == ['layer_0', 'layer_1', 'finetune']
    evaluate = make_evaluator(method, digits().spec, digits().split('test'))
    assert evaluate(go_on(intervals, -1))['classification_error'].mean() < 0.15
    lower, upper = ([interval.state['params'][f'layer_{k}_rbm']['kernel'] for interval in intervals] for k in (0, 1))
    np.testing.assert_array_equal(lower[0], lower[1])
    for before, after in ((upper[0], upper[1]), (lower[1], lower[2]), (upper[1], upper[2])):
        assert not np.array_equal(before, after)
    x, alone = jnp.asarray(scaled('test')), method.base.layers[0]
    params = own(go_on(intervals, 0).params, 0)
    # The mean image leaves 27.2 nats.
    assert at_once(lambda: alone.decoding_errors(params, {}, x, alone.encode(params, {}, x)))['cross_entropy'].mean() < 24


def test_unrolled_rbms_have_each_group_once():
    config = stacked_ae.get_config('rbm')
    config.finetune.target = 'reconstruct'
    assert methods.build(config, digits().spec).stages[-1].phases[0].trains == ('layer_0_rbm', 'layer_1_rbm')
