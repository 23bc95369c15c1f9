"""Conditional adversarial autoencoder: losses by hand, and digits that grow thicker and stay themselves."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

from aejax import data, methods
from aejax.data.attributes import make_measure
from aejax.evaluation.modes import classifier
from aejax.evaluation.progressions import progression_figures
from aejax.losses.total_variation import total_variation
from aejax.methods.conditional_aae import ConditionalAAE
from aejax.runs.sampling import progressions
from aejax.training.sources import Resident
from aejax.types import Context, UserError
from experiments.configs import conditional_aae
from tests.support import at_once, digits, go_on, run, scaled

NUM = 12


def dataset() -> data.Dataset:
    return data.load('digits:thickness')


def built(spec=None, **changes):
    config = conditional_aae.get_config()
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return methods.build(config, spec or dataset().spec)


def batch() -> dict:
    return {'x': jnp.asarray(scaled('test')[:NUM]), 'attribute': jnp.asarray(dataset().split('test')['attribute'][:NUM])}


def loss_of(method, name, params, of=None):
    context = Context(key=jax.random.key(1), step=jnp.asarray(0), hparams=method.hparams)
    return float(jax.jit(getattr(method, f'{name}_loss'))(params, {}, of or batch(), context).loss)


@pytest.mark.parametrize('kind', ['minimax', 'non_saturating'])
def test_the_losses_are_those_of_the_equations(kind):
    plain = {'image_discriminator.spectral_norm': False, 'condition': 'own', 'generator_loss': kind}
    weights = {'weights.total_variation': 0.1, 'weights.code_game': 0.2, 'weights.image_game': 0.3}
    method, of = built(**plain, **weights), batch()
    params, _ = jax.jit(method.init)(jax.random.key(0), of)
    x, level = np.asarray(of['x'], np.float64), jnp.eye(5)[of['attribute']]

    def look(params):
        z = method.encode(params, {}, of['x'])
        back = method.attribute_decode(params, {}, z, of['attribute'])
        uniform = jax.random.uniform(jax.random.split(jax.random.key(1), 3)[0], z.shape, minval=-1, maxval=1)
        pairs = [jnp.concatenate([images.reshape(NUM, 64), level], axis=1) for images in (of['x'], back)]
        logits = [method.image_critic.logits(params, {}, pair) for pair in pairs]
        return back, total_variation(back), logits + [method.code_critic.logits(params, {}, one) for one in (z, uniform)]

    back, variation, logits = at_once(look, params)
    seen, made, code, prior = (expit(one.astype(np.float64)) for one in logits)
    game = {'minimax': lambda p: np.log(1 - p), 'non_saturating': lambda p: -np.log(p)}[kind]
    expected = np.sum((x - back) ** 2, axis=(1, 2, 3)) + 0.1 * variation + 0.2 * game(code) + 0.3 * game(made)
    assert loss_of(method, 'autoencoder', params) == pytest.approx(float(np.mean(expected)), rel=1e-4)
    assert loss_of(method, 'image', params) == pytest.approx(-np.mean(np.log(seen) + np.log(1 - made)), rel=1e-4)
    value = np.mean(np.log(prior) + np.log(1 - code))
    assert loss_of(method, 'code', params) == pytest.approx(-value, rel=1e-4)


class Turned(ConditionalAAE):
    """Asks for the level of the example before: a shuffle that is known."""

    def _asked(self, key, attribute):
        return jnp.roll(attribute, 1)


def test_what_is_shuffled_is_made_and_seen_at_the_level_asked_for():
    """D_x sees g(h(x), b) with b, and data with their own a; what comes back from a is held to x."""
    method, of = built(**{'image_discriminator.spectral_norm': False}), batch()
    assert method.condition == 'shuffled'
    method = Turned(**{field.name: getattr(method, field.name) for field in dataclasses.fields(method)})
    params, _ = jax.jit(method.init)(jax.random.key(0), of)
    own, asked = np.asarray(of['attribute']), np.roll(of['attribute'], 1)
    assert np.mean(own != asked) > 0.5

    def look(params):
        z = method.encode(params, {}, of['x'])
        back, made = (method.attribute_decode(params, {}, z, jnp.asarray(level)) for level in (own, asked))
        pairs = [(of['x'], own), (made, asked)]
        inputs = [jnp.concatenate([images.reshape(NUM, 64), jnp.eye(5)[level]], axis=1) for images, level in pairs]
        logits = [method.image_critic.logits(params, {}, pair) for pair in inputs]
        return back, total_variation(back), [*logits, method.code_critic.logits(params, {}, z)]

    back, variation, logits = at_once(look, params)
    seen, made, code = (expit(one.astype(np.float64)) for one in logits)
    expected = -np.mean(np.log(seen) + np.log(1 - made))
    assert loss_of(method, 'image', params) == pytest.approx(expected, rel=1e-5)
    error = np.sum(np.square(of['x'] - back), axis=(1, 2, 3)) + 0.01 * variation
    expected = np.mean(error - 0.5 * np.log(code) - 0.5 * np.log(made))
    assert loss_of(method, 'autoencoder', params) == pytest.approx(float(expected), rel=1e-5)


def test_a_shuffled_condition_shows_the_discriminator_other_levels():
    own, shuffled = (built(condition=name) for name in ('own', 'shuffled'))
    levels = jnp.asarray(np.repeat(np.arange(5), 4))
    asked = np.asarray(shuffled._asked(jax.random.key(0), levels))
    assert own._asked(jax.random.key(0), levels) is levels
    assert sorted(asked) == sorted(levels.tolist())
    assert np.mean(asked != levels) > 0.5
    x = jnp.zeros((2, 8, 8, 1))
    conv = built(**{'image_discriminator.kind': 'conv', 'image_discriminator.hidden': (4,)})
    maps = conv.with_condition(x, jnp.asarray([0, 3]))
    assert maps.shape == (2, 8, 8, 6)
    np.testing.assert_array_equal(maps[1].sum(axis=(0, 1)), [0, 0, 0, 0, 64, 0])


def test_curves_of_a_discriminator_are_named_as_in_evaluation():
    method, of = built(), batch()

    def names(key):
        params, mutables = method.init(key, of)
        calls = (method.code_loss, method.image_loss, method.evaluate)
        contexts = [Context(key=jax.random.key(i), step=jnp.asarray(0), hparams=method.hparams) for i in range(3)]
        found = [call(params, mutables, of, context) for call, context in zip(calls, contexts, strict=True)]
        return [found[0].metrics, found[1].metrics, found[2]]

    of_codes, of_images, evaluated = map(set, jax.eval_shape(names, jax.random.key(0)))
    assert (of_codes, of_images) == ({'code_d_real', 'code_d_fake'}, {'d_real', 'd_fake'})
    assert of_codes | of_images <= evaluated


def test_the_decoder_begins_around_the_mean_image():
    method, of = built(), batch()
    params, _ = jax.jit(method.init)(jax.random.key(0), of)
    begins = jax.nn.sigmoid(params['decoder']['layer_1']['bias'])
    np.testing.assert_allclose(begins, jnp.clip(of['x'].mean(axis=0), 0.01, 0.99).reshape(-1), atol=1e-5)


def test_digits_follow_the_thickness_asked_for_and_keep_their_class():
    config, loaded = conditional_aae.get_config(), dataset()
    config.epochs = 40
    method, train = methods.build(config, loaded.spec), loaded.split('train')
    state = go_on(run(method, Resident(train, 100), loaded.spec, 100, log_every=1e9), -1)
    drawn = progressions(method, state, scaled('test'), 5)
    assert drawn.shape == (300, 5, 8, 8, 1)
    known = classifier(scaled('train'), train['label'])
    measure = make_measure('thickness', train)
    found = progression_figures(drawn, digits().split('test')['label'], measure, lambda x: known.predict(x.reshape(-1, 64)))
    assert found['rank_correlation']['mean'] > 0.95
    assert found['class_kept']['mean'] > 0.85
    codes = at_once(method.encode, state.params, {}, scaled('test'))
    assert np.max(np.abs(codes)) <= 1
    assert np.std(codes) == pytest.approx(1 / np.sqrt(3), rel=0.2), 'of the uniform prior'


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"data.name='digits:thickness'"):
        built(digits().spec)
    with pytest.raises(UserError, match=r'weights.total_variation=0.0 must be at least'):
        built(**{'weights.total_variation': 0.0})
    with pytest.raises(UserError, match='condition'):
        built(condition='random')
