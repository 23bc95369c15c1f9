"""What holds for every game: who moves in which phase, whose spectral norms turn, and configs of MNIST, traced and not run."""

import importlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.methods._priors import in_turn
from aejax.types import Context, DataSpec, UserError

AUTOENCODER = {'reconstruction': ('encoder', 'decoder'), 'discriminator': ('discriminator',), 'generator': ('encoder',)}
TWO_CODES = {**AUTOENCODER, 'discriminator': ('discriminator', 'category_discriminator')}
PHASES = {
    'gan': {'discriminator': ('discriminator',), 'generator': ('generator',)},
    'adversarial_ae': AUTOENCODER,
    'semi_supervised_aae': {**TWO_CODES, 'classification': ('encoder',)},
    'clustering_aae': TWO_CODES,
    'vae_gan': {'encoder': ('encoder',), 'decoder': ('decoder',), 'discriminator': ('discriminator',)},
    'conditional_aae': {
        'autoencoder': ('encoder', 'decoder'),
        'code_discriminator': ('code_discriminator',),
        'image_discriminator': ('image_discriminator',),
    },
}
MNIST = {
    ('gan', 'mnist'): {'generator': (100, 1200, 1200, 784), 'discriminator': (784, 1200, 1200, 1)},
    ('gan', 'dcgan'): {},
    ('adversarial_ae', 'mnist'): {'encoder': (784, 1200, 1200, 8), 'discriminator': (8, 1200, 1200, 1)},
    ('adversarial_ae', 'paper'): {'encoder': (784, 1000, 1000, 8), 'discriminator': (8, 1000, 1000, 1)},
    ('semi_supervised_aae', 'mnist'): {'encoder': (784, 1000, 1000, 20), 'category_discriminator': (10, 1000, 1000, 1)},
    ('clustering_aae', 'mnist'): {'encoder': (784, 1000, 1000, 21), 'decoder': (21, 1000, 1000, 784)},
    ('vae_gan', 'mnist'): {'decoder': (20, 500, 500, 784), 'discriminator': (784, 500, 500, 1)},
    ('vae_gan', 'dcgan'): {},
    ('conditional_aae', 'mnist'): {'decoder': (25, 500, 500, 784), 'image_discriminator': (789, 500, 500, 1)},
    ('conditional_aae', 'mnist_conv'): {'code_discriminator': (20, 200, 1)},
}
"""Variant of a config -> widths of some of its perceptrons."""


def config(name, variant='', **changes):
    made = importlib.import_module(f'experiments.configs.{name}').get_config(variant)
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def spec(side=8) -> DataSpec:
    return DataSpec('made', (side, side, 1), num_classes=10, num_examples=1_000, num_levels=5)


def batch(name, side=8):
    x = jax.random.uniform(jax.random.key(3), (4, side, side, 1))
    flat = {'x': x, 'label': jnp.arange(4), 'attribute': jnp.arange(4)}
    return {'labelled': flat, 'unlabelled': {'x': x}} if name == 'semi_supervised_aae' else flat


def context(method) -> Context:
    hparams = {name: jnp.asarray(value) for name, value in method.hparams.items()}
    return Context(key=jax.random.key(1), step=jnp.asarray(0), hparams=hparams)


@pytest.mark.parametrize('name', PHASES)
def test_phases_move_these_groups(name):
    (stage,) = methods.build(config(name), spec()).stages
    assert {phase.name: phase.trains for phase in stage.phases} == PHASES[name]
    assert [phase.name for phase in stage.phases] == list(PHASES[name])


@pytest.mark.parametrize('name', PHASES)
def test_spectral_norms_turn_in_the_phases_of_their_own_discriminators_only(name):
    critics = [group for groups in PHASES[name].values() for group in groups if group.endswith('discriminator')]
    small = {f'{group}.{key}': value for group in critics for key, value in (('hidden', (3,)), ('spectral_norm', True))}
    method, inputs = methods.build(config(name, **small, **{'model.hidden': ()}), spec()), batch(name)
    shapes = jax.eval_shape(lambda key: method.init(key, inputs.get('unlabelled', inputs)), jax.random.key(0))
    random = np.random.default_rng(0)
    params, mutables = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)
    assert set(mutables) == set(critics)
    for phase in method.stages[0].phases:

        def changed(phase=phase):
            return phase.loss(params, mutables, inputs, context(method)).mutables

        assert set(jax.eval_shape(changed)) == set(phase.trains) & set(critics), phase.name
        for group, values in jax.jit(changed)().items() if phase.name.endswith('discriminator') else ():
            same = [np.array_equal(*pair) for pair in zip(*map(jax.tree.leaves, (values, mutables[group])), strict=True)]
            assert same == [False] * 4, f'{phase.name}: {group}'


@pytest.mark.parametrize(('name', 'variant'), MNIST)
def test_variants_of_mnist_can_be_built_and_traced(name, variant):
    made = config(name, variant)
    assert made.data.name.startswith('mnist')
    method, inputs = methods.build(made, spec(28)), batch(name, 28)
    flat = inputs.get('unlabelled', inputs)
    params, mutables = jax.eval_shape(lambda key: method.init(key, flat), jax.random.key(0))
    for group, widths in MNIST[name, variant].items():
        kernels = [leaf.shape for leaf in jax.tree.leaves(params[group]) if leaf.ndim == 2]
        assert kernels == list(itertools.pairwise(widths)), group
    for phase in method.stages[0].phases:
        loss = jax.eval_shape(
            lambda params, mutables, phase=phase: phase.loss(params, mutables, inputs, context(method)).loss, params, mutables
        )
        assert loss.shape == (), phase.name
    sample = jax.eval_shape(lambda params, mutables: method.sample(params, mutables, jax.random.key(0), 3), params, mutables)
    assert sample.shape == (3, 28, 28, 1)


class Wide:
    """A prior over seven dimensions."""

    def sample(self, key, num):
        return jax.random.normal(key, (num, 7))


@pytest.mark.parametrize('name', ['gan', 'adversarial_ae', 'semi_supervised_aae', 'clustering_aae'])
def test_a_prior_of_another_width_is_refused(name):
    module = importlib.import_module(f'aejax.methods.{name}')
    made = config(name)
    with pytest.raises(UserError, match=rf'have shape \(2, 7\): model\.latents={made.model.latents} does not fit'):
        module.build(made, spec(), prior=Wide())


def test_a_phase_without_an_optimiser_is_named():
    made = config('clustering_aae', method='semi_supervised_aae', **{'data.num_labelled': 100})
    with pytest.raises(UserError, match=r'the config lacks optimizers\.classification: this method has the phases recon'):
        methods.build(made, spec()).stages  # noqa: B018


def test_what_an_optimiser_of_a_phase_lacks_is_told_by_its_whole_name():
    with pytest.raises(UserError, match=r'^optimizers\.generator\.learning_rate=-1\.0 must be at least 0'):
        methods.build(config('gan', **{'optimizers.generator.learning_rate': -1.0}), spec())


def test_taking_turns_begins_anywhere_where_rounds_are_not_whole():
    keys = jax.random.split(jax.random.key(0), 40)
    some = np.asarray(jax.vmap(lambda key: in_turn(key, 5, 10))(keys))
    assert set(some.ravel().tolist()) == set(range(10))
    np.testing.assert_array_equal(np.diff(some, axis=1) % 10, 1)
    np.testing.assert_array_equal(in_turn(jax.random.key(1), 6, 3), [0, 1, 2, 0, 1, 2])


def test_of_more_clusters_than_samples_all_are_drawn_in_time(monkeypatch):
    method = methods.build(config('clustering_aae', clusters=40), spec())
    monkeypatch.setattr(type(method), 'decode', lambda self, params, mutables, code: code)
    drawn = jax.vmap(lambda key: method.sample({}, {}, key, 15))(jax.random.split(jax.random.key(0), 12))
    assert set(np.argmax(drawn[..., :40], axis=-1).ravel().tolist()) == set(range(40))
