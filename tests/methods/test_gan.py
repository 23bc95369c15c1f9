"""GAN: what each phase minimises, with every regulariser, and what it makes of real digits."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax import methods
from aejax.methods import gan as module
from aejax.priors import shapes
from aejax.training import state as states
from aejax.training.step import make_step
from aejax.types import Context, UserError
from experiments.configs import gan
from tests.support import at_once, digits, scaled, train

X = scaled('train')[:20]


def config(variant='', **changes):
    made = gan.get_config(variant)
    made.model.hidden = made.discriminator.hidden = (6,)
    with made.unlocked():
        made.update_from_flattened_dict(changes)
    return made


def built(variant='', **changes):
    return methods.build(config(variant, **changes), digits().spec)


def context(method, key=1) -> Context:
    hparams = {name: jnp.asarray(value) for name, value in method.hparams.items()}
    return Context(key=jax.random.key(key), step=jnp.asarray(0), hparams=hparams)


class Planted:
    """A prior of one point, so that what the game is over is known."""

    def sample(self, key, num):
        return jnp.full((num, 16), 0.3)


def test_phases_minimise_the_game_of_the_paper():
    """-V of the discriminator with targets t and gamma R1 by finite differences; log(1 - D) and -log D of the generator."""
    changes = {'real_label': 0.9, 'r1': 3.0, 'discriminator.activation': 'tanh'}
    made = config(**changes)
    method = module.build(made, digits().spec, prior=Planted())
    games = {'minimax': lambda d_fake: np.log(1 - d_fake), 'non_saturating': lambda d_fake: -np.log(d_fake)}

    def look(key):
        params, mutables = method.init(key, {})
        of_kinds = {kind: dataclasses.replace(method, kind=kind).generator_loss for kind in games}
        losses = {'discriminator': method.discriminator_loss, **of_kinds}
        found = {name: loss(params, mutables, {'x': jnp.asarray(X)}, context(method)) for name, loss in losses.items()}
        return params, method.decode(params, mutables, jnp.full((1, 16), 0.3)), found

    params, image, found = at_once(look, jax.random.key(0))
    out, fake = found['discriminator'], np.broadcast_to(image, X.shape)

    def logits(x) -> np.ndarray:
        layers = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params['discriminator'])
        h = np.tanh(x.reshape(len(x), -1) @ layers['layer_0']['kernel'] + layers['layer_0']['bias'])
        return (h @ layers['out']['kernel'] + layers['out']['bias'])[:, 0]

    d_real, d_fake = (1 / (1 + np.exp(-logits(x))) for x in (X, fake))
    flat = X.reshape(20, -1).astype(np.float64)
    slopes = [(logits(flat + 1e-4 * unit) - logits(flat - 1e-4 * unit)) / 2e-4 for unit in np.eye(64)[:, None]]
    r1 = 0.5 * np.sum(np.square(slopes), axis=0)
    expected = np.mean(-0.9 * np.log(d_real) - 0.1 * np.log(1 - d_real) - np.log(1 - d_fake) + 3 * r1)
    np.testing.assert_allclose(out.loss, expected, rtol=1e-4)
    np.testing.assert_allclose(out.metrics['r1'], r1, rtol=1e-3)
    for kind, game in games.items():
        np.testing.assert_allclose(found[kind].loss, game(d_fake).mean(), rtol=1e-4)


def begun(method) -> states.TrainState:
    return jax.jit(lambda key: states.create(method, key, {'x': jnp.asarray(X)}))(jax.random.key(0))


def test_the_discriminator_moves_as_often_as_it_should():
    method = built(discriminator_steps=3, r1=0.0)
    state = begun(method)
    after, metrics = jax.jit(make_step(method.stages[0]))(state, {'x': jnp.asarray(X)})
    counts = [int(after.optimizer_states[name].count) for name in ('discriminator', 'generator')]
    assert counts == [3, 1]
    assert set(metrics) >= {'discriminator/d_real', 'discriminator/d_fake', 'generator/d_fake'}


def test_convolutions_learn_to_tell_samples_apart():
    rates = {'optimizers.discriminator.learning_rate': 0.01, 'optimizers.generator.learning_rate': 1e-5}
    method = built('conv', **{'r1': 0.1, 'discriminator.hidden': (4, 4), 'model.hidden': (4, 4)}, **rates)
    state, step, losses = begun(method), jax.jit(make_step(method.stages[0])), []
    for _ in range(40):
        state, metrics = step(state, {'x': jnp.asarray(X)})
        losses.append(float(metrics['discriminator/loss']))
    assert losses[-1] < 0.8 * losses[0]
    assert metrics['discriminator/d_real'] > 0.1 + metrics['discriminator/d_fake']
    drawn = at_once(lambda params: method.sample(params, state.mutables, jax.random.key(0), 3), state.params)
    assert drawn.shape == (3, 8, 8, 1)


@pytest.fixture(scope='module')
def digits_gan():
    made = gan.get_config()
    made.epochs = 60
    return train(made)


def test_samples_come_near_real_digits(digits_gan):
    """Scored as a forecast of the test digits: what real digits score is out of reach, their blurred mean is left behind."""
    from aejax.losses.energy import energy_score

    method, state = digits_gan
    test = jnp.asarray(scaled('test'))
    draw = jax.jit(lambda state: method.sample(state.params, state.mutables, jax.random.key(0), 300))
    samples, begun_samples = draw(state.replace(optimizer_states={})), draw(begun(method).replace(optimizer_states={}))
    blurred = np.mean(scaled('train'), axis=0)[None] + 0.1 * np.random.default_rng(0).normal(size=(300, 8, 8, 1))
    score = jax.jit(lambda samples: jnp.mean(energy_score(test, samples)))
    sets = (samples, scaled('train')[:300], blurred.astype(np.float32), begun_samples)
    found, real, blur, begin = (float(score(jnp.asarray(x))) for x in sets)
    assert real < found < real + 0.3 * (blur - real)
    assert found < real + 0.1 * (begin - real)
    spread = np.std(np.asarray(samples), axis=0).mean()
    assert spread > 0.6 * np.std(scaled('train'), axis=0).mean(), 'samples are not all alike'


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'generator_loss': 'hinge'}, 'choose one of non_saturating, minimax'),
        ({'real_label': 1.5}, 'real_label=1.5 must be above 0 and at most 1'),
        ({'r1': -1.0}, 'r1=-1.0 must be at least 0'),
        ({'discriminator_steps': 0}, 'discriminator_steps=0 must be at least 1'),
        ({'prior.kind': 'mixture'}, 'set model.latents=2, not 16'),
        ({'discriminator.kind': 'tree'}, "choose 'mlp' or 'conv'"),
        ({'model.encoder': 'convolutional'}, "model.encoder is 'convolutional'; choose 'mlp' or 'conv'"),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        built(**changes)


def test_the_prior_is_that_of_the_config():
    method = built(**{'prior.kind': 'uniform', 'prior.scale': 2.0})
    assert method.prior == shapes.Uniform(16, 2.0)
    z = method.sample_prior({}, {}, jax.random.key(0), 500)
    assert float(jnp.abs(z).max()) <= 2.0
