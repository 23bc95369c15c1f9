"""VAE-GAN: three losses by hand, a layer of one's choice, and real digits."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy.special import expit

from aejax import methods
from aejax.evaluation.modes import classifier
from aejax.types import Context, UserError
from experiments.configs import vae_gan
from tests.support import at_once, digits, scaled, train

NUM = 12


def built(**changes):
    config = vae_gan.get_config()
    with config.unlocked():
        config.update_from_flattened_dict(changes)
    return methods.build(config, digits().spec)


def outputs(method, params, x):
    logits, hidden = method.critic.outputs(params, {}, x)
    return logits, hidden[method.layer]


def loss_of(method, name, params, x):
    context = Context(key=jax.random.key(1), step=jnp.asarray(0), hparams=method.hparams)
    return jax.jit(getattr(method, f'{name}_loss'))(params, {}, {'x': x}, context).loss


@pytest.mark.parametrize('kind', ['minimax', 'non_saturating'])
def test_each_group_has_the_loss_of_the_equations(kind):
    method = built(generator_loss=kind, feature_log_variance=-1.0, gamma=0.3, **{'discriminator.hidden': (16, 12)})
    x = jnp.asarray(scaled('test')[:NUM])
    params, _ = jax.jit(method.init)(jax.random.key(0), {'x': x})
    found = {name: float(loss_of(method, name, params, x)) for name in ('encoder', 'decoder', 'discriminator')}

    def look(params):
        mean, log_variance = method.posterior(params, {}, x)
        q = dist.Normal(mean, jnp.exp(log_variance / 2)).to_event(1)
        kl = dist.kl_divergence(q, dist.Normal(jnp.zeros((NUM, 8)), 1.0).to_event(1))
        log_real, seen = outputs(method, params, x)

        def of_draws(key):
            """(logits, hidden layer, log-likelihood of what was seen) of images decoded from the posterior."""
            z = mean + jnp.exp(log_variance / 2) * jax.random.normal(key, mean.shape)
            logits, made = outputs(method, params, method.decode(params, {}, z))
            return logits, made, dist.Normal(made, np.exp(-0.5)).to_event(1).log_prob(seen)

        def game(num):
            keys = jax.random.split(jax.random.key(1), num)
            logits, _, likelihood = of_draws(keys[0])
            return logits, outputs(method, params, method.sample(params, {}, keys[1], NUM))[0], likelihood

        return kl, log_real, of_draws(jax.random.key(1)), game(2), game(5)

    kl, log_real, (_, made, likelihood), (logits, sampled, decoded), (fake, drawn, _) = jax.tree.map(
        lambda leaf: leaf.astype(np.float64), at_once(look, params)
    )
    assert made.shape == (NUM, 12)
    assert found['encoder'] == pytest.approx(np.mean(kl - likelihood), rel=1e-4)
    game = {'minimax': lambda a: np.log(1 - expit(a)), 'non_saturating': lambda a: -np.log(expit(a))}[kind]
    assert found['decoder'] == pytest.approx(np.mean(game(logits) + game(sampled) - 0.3 * decoded), rel=1e-4)
    logits, sampled = fake, drawn
    value = np.mean(np.log(expit(log_real)) + np.log(1 - expit(logits)) + np.log(1 - expit(sampled)))
    assert found['discriminator'] == pytest.approx(-value, rel=1e-4)


def test_digits_keep_their_class_and_samples_look_like_digits():
    config = vae_gan.get_config()
    config.epochs = 40
    method, state = train(config)
    x, label, known = jnp.asarray(scaled('test')), digits().split('test')['label'], digits().split('train')
    back = jax.jit(method.reconstruct)(state.params, {}, x)
    images = classifier(scaled('train'), known['label'])
    assert np.mean(images.predict(np.reshape(back, (300, 64))) == label) > 0.85
    assert np.mean(np.sum((back - x) ** 2, axis=(1, 2, 3))) < 0.5 * scaled('train').var(axis=0).sum()
    drawn = jax.jit(method.sample, static_argnums=3)(state.params, {}, jax.random.key(0), 300)
    assert len(np.unique(images.predict(np.reshape(drawn, (300, 64))))) == 10


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(UserError, match='feature_layer=1 is none of the 1 hidden layers'):
        built(feature_layer=1)
    with pytest.raises(UserError, match='gamma'):
        built(gamma=-1.0)
    with pytest.raises(UserError, match='generator_loss'):
        built(generator_loss='wgan')
