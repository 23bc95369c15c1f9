"""Adversarial autoencoder: the three phases, posteriors, what labels are told to whom, and codes of digits over their prior."""

import dataclasses
import importlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from aejax import methods, optimizers
from aejax.methods import adversarial_ae as module
from aejax.priors import shapes
from aejax.runs.setup import make_source
from aejax.training.step import make_step
from aejax.types import STREAMS, Context, UserError
from experiments.configs import adversarial_ae, cae
from tests.support import at_once, digits, go_on, run, scaled

X, LABEL = jnp.asarray(scaled('train')[:20]), jnp.asarray(digits().split('train')['label'][:20])


def config(variant='', **changes):
    made = adversarial_ae.get_config(variant)
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def built(variant='', **changes):
    small = {'model.hidden': (6,), 'discriminator.hidden': (6,)}
    return methods.build(config(variant, **{**small, **changes}), digits().spec)


def context(key=1) -> Context:
    return Context(key=jax.random.key(key), step=jnp.asarray(0), hparams={})


def logits_of(params, z) -> np.ndarray:
    layers = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params['discriminator'])
    h = np.asarray(z, np.float64) @ layers['layer_0']['kernel'] + layers['layer_0']['bias']
    return (np.where(h > 0, h, 0.01 * h) @ layers['out']['kernel'] + layers['out']['bias'])[:, 0]


class Point:
    """A prior of one point, with one for each class."""

    def sample(self, key, num):
        return jnp.tile(jnp.asarray([[3.0, -1.0]]), (num, 1))

    def sample_class(self, key, label):
        return jnp.stack([label.astype(jnp.float32), -jnp.ones(len(label))], axis=1)


def test_phases_minimise_the_game_over_codes():
    """With a deterministic encoder and a prior of one point every loss is a number that can be written out."""
    changes = {'model.hidden': (6,), 'discriminator.hidden': (6,), 'real_label': 0.9, 'loss': 'cross_entropy'}
    method = module.build(config(**changes), digits().spec, prior=Point())
    batch = {'x': X, 'label': LABEL}

    def look(key):
        params = method.init(key, {})[0]
        z = method.encode(params, {}, X)
        losses = {phase.name: phase.loss(params, {}, batch, context()).loss for phase in method.stages[0].phases}
        return params, z, method.decode(params, {}, z), losses, method.evaluate(params, {}, batch, context())

    params, z, decoded, losses, found = at_once(look, jax.random.key(0))
    d_real, d_fake = (1 / (1 + np.exp(-logits_of(params, codes))) for codes in (Point().sample(None, 20), z))
    x, back = (np.asarray(a, np.float64).reshape(20, -1) for a in (X, decoded))
    expected = {
        'reconstruction': -np.sum(x * np.log(back) + (1 - x) * np.log(1 - back), axis=1).mean(),
        'discriminator': np.mean(-0.9 * np.log(d_real) - 0.1 * np.log(1 - d_real) - np.log(1 - d_fake)),
        'generator': -np.log(d_fake).mean(),
    }
    assert set(losses) == set(expected)
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, expected[name], rtol=1e-4)
    np.testing.assert_allclose(found['cross_entropy'].mean(), expected['reconstruction'], rtol=1e-4)
    np.testing.assert_allclose(found['d_fake'], d_fake, rtol=1e-4)


def test_the_discriminator_is_told_the_class_or_that_there_is_none():
    """Few labels: a labelled code is told from its own part of the prior, an unlabelled one from the whole."""
    changes = {'model.hidden': (6,), 'discriminator.hidden': (6,), 'data.num_labelled': 10}
    method = module.build(config('classes', **changes), digits().spec, prior=Point())
    assert method.streams == STREAMS
    batch = {'labelled': {'x': X[:10], 'label': LABEL[:10]}, 'unlabelled': {'x': X[10:]}}

    def look(key):
        params = method.init(key, {})[0]
        z, losses = method.encode(params, {}, X), (method.discriminator_loss, method.reconstruction_loss)
        return params, z, method.decode(params, {}, z[10:]), *(loss(params, {}, batch, context()) for loss in losses)

    params, z, back, out, reconstruction = at_once(look, jax.random.key(0))
    told = np.zeros((20, 11))
    told[np.arange(20), np.concatenate([LABEL[:10], np.full(10, 10)])] = 1
    real = np.concatenate([Point().sample_class(None, LABEL[:10]), Point().sample(None, 10)])
    d_real, d_fake = (1 / (1 + np.exp(-logits_of(params, np.concatenate([code, told], axis=1)))) for code in (real, z))
    np.testing.assert_allclose(out.metrics['d_real'], d_real, rtol=1e-4)
    np.testing.assert_allclose(out.metrics['d_fake'], d_fake, rtol=1e-4)
    halves = [np.mean(-np.log(d_real[rows]) - np.log(1 - d_fake[rows])) for rows in (slice(10), slice(10, 20))]
    np.testing.assert_allclose(out.loss, np.mean(halves), rtol=1e-4)
    # Every image is in the unlabelled stream: in the reconstruction the few with a label weigh no more than others.
    expected = np.sum(np.square(np.asarray(X[10:]) - back), axis=(1, 2, 3)).mean()
    np.testing.assert_allclose(reconstruction.loss, expected, rtol=1e-4)


def test_posteriors_are_what_their_names_say():
    draws = {}
    for posterior in ('deterministic', 'gaussian', 'universal'):
        method = built(posterior=posterior)

        def look(keys, method=method):
            params = method.init(jax.random.key(0), {})[0]
            drawn = jax.vmap(lambda key: method.codes(params, X, key, train=False))(keys)
            return drawn, method.networks.encode(params, X, None, False), method.encode(params, {}, X)

        draws[posterior], out, code = at_once(look, jax.random.split(jax.random.key(1), 2_000))
        if posterior == 'gaussian':
            np.testing.assert_allclose(draws[posterior].mean(axis=0), out[:, :2], atol=0.2)
            np.testing.assert_allclose(draws[posterior].std(axis=0), np.exp(out[:, 2:] / 2), rtol=0.1)
            np.testing.assert_array_equal(code, out[:, :2])
    assert np.ptp(draws['deterministic'], axis=0).max() == 0
    assert draws['universal'].std(axis=0).min() > 0.01


class Through(nn.Module):
    """Its input, flat."""

    @nn.compact
    def __call__(self, x):
        return x.reshape(len(x), -1)


def test_input_noise_is_added_in_training_only():
    method = built(input_noise=0.5)
    networks = dataclasses.replace(method.networks, encoder=Through())
    seen, flat = networks.encode({'encoder': {}}, X, jax.random.key(1), True), X.reshape(20, -1)
    np.testing.assert_allclose([np.mean(seen - flat), np.std(seen - flat)], [0.0, 0.5], atol=0.05)
    for key, train in ((jax.random.key(1), False), (None, True)):
        np.testing.assert_array_equal(networks.encode({'encoder': {}}, X, key, train), flat)


@pytest.mark.parametrize('name', ['adversarial_ae', 'clustering_aae'])
def test_dropout_is_in_every_net_and_of_training_only(name):
    """Where a net alone has it, a loss of the phase that trains it differs by the key; evaluation never does."""
    made = importlib.import_module(f'experiments.configs.{name}').get_config()
    made.posterior, made.model.dropout, made.discriminator.dropout, made.model.hidden = 'deterministic', 0.5, 0.5, (6,)
    whole = methods.build(made, digits().spec)
    shapes, random = jax.eval_shape(lambda key: whole.init(key, {}), jax.random.key(0)), np.random.default_rng(0)
    params, mutables = jax.tree.map(lambda leaf: random.normal(size=leaf.shape).astype(np.float32), shapes)

    def only(side):
        sides = {other: getattr(whole.networks, other).clone(dropout=0.0) for other in ('encoder', 'decoder') if other != side}
        return dataclasses.replace(whole, networks=dataclasses.replace(whole.networks, **sides))

    @jax.jit
    def values(seed):
        def of(capability):
            return capability(params, mutables, {'x': X}, context(seed))

        found = {side: of(only(side).reconstruction_loss).loss for side in ('encoder', 'decoder')}
        evaluated = {name: value for name, value in of(whole.evaluate).items() if name in ('squared_error', 'd_fake')}
        return {**found, 'critic': of(only('').generator_loss).loss, **evaluated}

    one, other = values(1), values(2)
    assert {name for name in one if not np.array_equal(one[name], other[name])} == {'encoder', 'decoder', 'critic'}


def trained(**changes):
    made = config(**changes)
    method, source = methods.build(made, digits().spec), make_source(made, digits())
    return method, go_on(run(method, source, digits().spec, made.batch_size, log_every=1e9), -1)


@pytest.fixture(scope='module')
def by_class():
    return trained(variant='classes', epochs=150)


def test_with_labels_told_every_class_takes_its_own_mode(by_class):
    method, state = by_class
    for split, least in (('train', 0.85), ('test', 0.7)):
        codes = at_once(method.encode, state.params, state.mutables, scaled(split))
        nearest = np.argmin(cdist(codes, np.asarray(method.prior.modes)), axis=1)
        assert np.mean(nearest == digits().split(split)['label']) > least


def test_codes_take_the_shape_of_the_prior(by_class):
    """They lie where 99 of 100 draws of it do, as those of a Gaussian of the same width would not."""
    method, state = by_class

    def look(params, x):
        draws = method.prior.sample(jax.random.key(0), 2_000)
        sets = {
            'trained': method.encode(params, state.mutables, x),
            'untrained': method.encode(method.init(jax.random.key(0), {})[0], {}, x),
            'Gaussian': jax.random.normal(jax.random.key(1), (2_000, 2)) * jnp.std(draws, axis=0, keepdims=True),
        }
        densities = {name: method.prior.log_prob(codes) for name, codes in sets.items()}
        return draws, method.prior.log_prob(draws), sets, densities

    draws, of_draws, sets, densities = at_once(look, state.params, scaled('train'))
    inside = {name: np.mean(density > np.quantile(of_draws, 0.01)) for name, density in densities.items()}
    assert inside['trained'] > 0.93
    assert max(inside['untrained'], inside['Gaussian']) < 0.75
    np.testing.assert_allclose(np.std(sets['trained'], axis=0), np.std(draws, axis=0), rtol=0.1)


@pytest.mark.parametrize(
    'changes', [{'labels': 'decoder', 'posterior': 'universal'}, {'model.encoder': 'conv', 'prior.kind': 'swiss_roll'}]
)
def test_steps_of_other_kinds(changes):
    method = built(**changes, **{'discriminator.spectral_norm': True, 'optimizers.reconstruction.learning_rate': 0.01})
    after = jax.jit(lambda key: states_of(method, key))(jax.random.key(0))
    step, errors = jax.jit(make_step(method.stages[0])), []
    for _ in range(40):
        after, metrics = step(after, {'x': X, 'label': LABEL})
        errors.append(float(metrics['reconstruction/squared_error']))
    assert errors[-1] < 0.9 * errors[0]
    if 'labels' in changes:
        assert not hasattr(method, 'reconstruct')

        def look(params, mutables):
            z = method.conditional_encode(params, mutables, X, LABEL)
            images = [method.conditional_decode(params, mutables, z, jnp.full_like(LABEL, y)) for y in (0, 1)]
            return images, method.sample(params, mutables, jax.random.key(0), 12)

        images, drawn = at_once(look, after.params, after.mutables)
        assert not np.allclose(*images)
        assert drawn.shape == (12, 8, 8, 1)


def states_of(method, key):
    from aejax.training import state as states

    return states.create(method, key, {'x': X, 'label': LABEL})


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'labels': 'encoder'}, 'choose one of none, discriminator, decoder'),
        ({'labels': 'discriminator', 'prior.kind': 'normal'}, 'a prior with a part for each class'),
        ({'labels': 'discriminator', 'prior.components': 7}, 'prior.components=7 must be the 10 classes'),
        ({'data.num_labelled': 100}, "set labels='discriminator'"),
        ({'labels': 'discriminator', 'data.num_labelled': 100, 'finetune.target': 'probe'}, "or finetune.target='none'"),
        ({'labels': 'discriminator', 'data.num_labelled': 100, 'finetune.target': 'classify'}, "or finetune.target='none'"),
        ({'posterior': 'flow'}, 'choose one of deterministic, gaussian, universal'),
        ({'model.encoder': 'conv', 'posterior': 'universal'}, "set model.encoder='mlp'"),
        ({'loss': 'l1'}, "choose 'squared_error'"),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        built(**changes)


class Numpys:
    def sample(self, key, num):
        return np.random.normal(size=(num, 2))


@pytest.mark.parametrize(
    ('prior', 'message'),
    [
        (Point, r'must be an object with sample\(key, num\)'),
        (lambda key, num: jnp.zeros((num, 2)), r'must be an object with sample\(key, num\)'),
        (Numpys(), 'must depend on their key and nothing else: draw them with jax.random'),
        (shapes.Normal(3), r'two samples of the prior have shape \(2, 3\): model.latents=2 does not fit'),
    ],
)
def test_priors_of_your_own_that_cannot_be(prior, message):
    with pytest.raises(UserError, match=message):
        methods.build(config(), digits().spec, prior=prior)


def test_a_prior_of_your_own_is_for_methods_that_draw_codes_to_one():
    assert methods.build(config(), digits().spec, prior=shapes.Uniform(2)).prior == shapes.Uniform(2)
    with pytest.raises(UserError, match='method cae takes no prior of your own'):
        methods.build(cae.get_config(), digits().spec, prior=Point())


def test_rates_of_the_paper_fall_at_epochs_50_and_1000_however_many_there_are():
    for epochs, drops in ((5_000, ((0.01, 0.1), (0.2, 0.01))), (200, ((0.25, 0.1),)), (50, ())):
        for name, section in config('paper', epochs=epochs).optimizers.items():
            assert optimizers.in_shares(section, epochs, name).drops == drops
