"""VAE-GAN: a variational autoencoder whose errors are measured by what a discriminator sees, and a GAN whose generator it is.

With f(x) the activations of one hidden layer of the discriminator D, x~ the decoder's mean at z ~ q(z given x), and x_p that at
z_p ~ N(0, I), there are a likelihood and a game,

    log p(f(x) given z) = log N(f(x); f(x~), sigma^2 I)
    V = log D(x) + log(1 - D(x~)) + log(1 - D(x_p))

and each group of parameters has a loss of its own:

    encoder:        KL(q(z given x), N(0, I)) - E_q[log p(f(x) given z)]
    decoder:        -gamma E_q[log p(f(x) given z)] + what lowers V
    discriminator:  -V

D maximises V and the decoder lowers it, by log(1 - D) ('minimax', as in the source) or by -log D in its place ('non_saturating').
D does not learn from the likelihood: it could make that perfect by seeing nothing. A pixel more or less to the left costs a
squared error of pixels dearly and f hardly at all.

The source takes all three gradients at the same parameters; here the three updates follow each other within a step, each at the
parameters that the one before has left. sigma is 1 there; features of few units that differ little between images leave the code
unused then, as a VAE of pixels does whose variance is too large, and a smaller sigma is for them.

log p(f(x) given z) moves with D, so it compares no two checkpoints: those are chosen by the squared error of pixels.

Source: Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, https://arxiv.org/abs/1512.09300.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions import normal
from aejax.losses.adversarial import check_kind, discriminator_health, generator_loss
from aejax.losses.reconstruction import squared_error
from aejax.methods._coding import Coding
from aejax.methods._phases import one_stage
from aejax.models import discriminator, gaussian
from aejax.models.discriminator import Critic
from aejax.models.gaussian import GaussianAutoencoder
from aejax.priors import standard
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Stage, UserError


@dataclasses.dataclass(frozen=True)
class VAEGAN(Coding):
    """See the module; `hparams` has 'gamma'.

    Attributes:
        model: encoder and decoder.
        critic: D.
        log_variance: log sigma^2 of the features.
        layer: the hidden layer of D that is f, counted from the input side.
        kind: of the decoder's part of the game.
        optimizers: by phase.
    """

    model: GaussianAutoencoder
    critic: Critic
    log_variance: float
    layer: int
    kind: str
    optimizers: Mapping[str, optax.GradientTransformation]
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('squared_error', 'min')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of three phases."""
        losses = {'encoder': self.encoder_loss, 'decoder': self.decoder_loss, 'discriminator': self.discriminator_loss}
        return one_stage({name: (loss, (name,)) for name, loss in losses.items()}, self.optimizers, self.num_steps)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Random kernels (Glorot-uniform in perceptrons, He-normal in convolutions), zero biases; mutables of spectral norms."""
        model_key, critic_key = jax.random.split(key)
        params, mutables = self.critic.init(critic_key, batch['x'])
        return {**self.model.init(model_key, batch['x']), **params}, mutables

    def draw(self, params: Params, key: Key, x: Array) -> Array:
        """x~, the decoder's mean at one z ~ q(z given x)."""
        return self.model.decode(params, normal.sample(key, *self.model.posterior(params, x)))

    def look(self, params: Params, mutables: Mutables, x: Array, key: Key | None = None) -> tuple[Array, Array]:
        """Logits [B] of D(x) and its features f(x) [B, ...]; with dropout where a `key` is given.

        Only D's own phase gives one: encoder and decoder see D without dropout, so that x and x~ are compared by the same units.
        """
        logits, hidden = self.critic.outputs(params, mutables, x, key)
        return logits, hidden[self.layer]

    def feature_log_likelihood(self, seen: Array, made: Array) -> Array:
        """log N(f(x); f(x~), sigma^2 I) with its constant, from features of one shape [B, ...]: [B], nats."""
        return normal.log_prob(seen, made, jnp.full_like(seen, self.log_variance))

    def encoder_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of KL - log p(f(x) given z), nats."""
        mean, log_variance = self.model.posterior(params, batch['x'])
        drawn = self.model.decode(params, normal.sample(context.key, mean, log_variance))
        (_, seen), (_, made) = (self.look(params, mutables, x) for x in (batch['x'], drawn))
        terms = {'kl': normal.kl_standard(mean, log_variance), 'feature_log_likelihood': self.feature_log_likelihood(seen, made)}
        return LossOutput(jnp.mean(terms['kl'] - terms['feature_log_likelihood']), terms)

    def decoder_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -gamma log p(f(x) given z), and what x~ and x_p cost in the game, nats."""
        posterior_key, prior_key = jax.random.split(context.key)
        _, seen = self.look(params, mutables, batch['x'])
        logits, made = self.look(params, mutables, self.draw(params, posterior_key, batch['x']))
        sampled, _ = self.look(params, mutables, self.sample(params, mutables, prior_key, len(batch['x'])))
        likelihood = self.feature_log_likelihood(seen, made)
        game = generator_loss(logits, self.kind) + generator_loss(sampled, self.kind)
        metrics = {'d_reconstruction': jax.nn.sigmoid(logits), 'd_fake': jax.nn.sigmoid(sampled)}
        return LossOutput(jnp.mean(game - context.hparams['gamma'] * likelihood), metrics)

    def discriminator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -V, nats, with as many x_p as x."""
        x, keys = batch['x'], jax.random.split(context.key, 5)
        made, sampled = self.draw(params, keys[0], x), self.sample(params, mutables, keys[1], len(x))
        inputs = zip((x, made, sampled), keys[2:], strict=True)
        real, reconstruction, fake = (self.look(params, mutables, one, key)[0] for one, key in inputs)
        loss = jnp.mean(jax.nn.softplus(-real) + jax.nn.softplus(reconstruction) + jax.nn.softplus(fake))
        metrics = {**discriminator_health(real, fake), 'd_reconstruction': jax.nn.sigmoid(reconstruction)}
        return LossOutput(loss, metrics, self.critic.next_mutables(params, mutables, x))

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """squared_error at the posterior's mean; kl; D's outputs, d_real at x and d_fake at a fresh sample for each x."""
        x = batch['x']
        inputs = {'real': x, 'fake': self.sample(params, mutables, context.key, len(x))}
        logits = {name: self.look(params, mutables, one)[0] for name, one in inputs.items()}
        return {
            'squared_error': squared_error(x, self.reconstruct(params, mutables, x)),
            'kl': normal.kl_standard(*self.model.posterior(params, x)),
            **discriminator_health(logits['real'], logits['fake']),
        }

    def posterior(self, params: Params, mutables: Mutables, x: Array) -> tuple[Array, Array]:
        """(mean, log_variance) of q(z given x)."""
        return self.model.posterior(params, x)

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z from N(0, I), [num, d]."""
        return standard.sample(key, num, self.model.latents)

    def prior_log_prob(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """log N(z; 0, I), [B], nats."""
        return standard.log_prob(z)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """The decoder's mean at z from N(0, I)."""
        return self.model.decode(params, standard.sample(key, num, self.model.latents))


def build(config: ConfigDict, spec: DataSpec) -> VAEGAN:
    """The VAE-GAN of `config`.

    Raises:
        UserError: on a net, loss or layer that does not exist or does not fit the data, or a number out of its range.
    """
    check_kind(config.generator_loss)
    check_ranges(config, {'feature_log_variance': (-30.0, 30.0), 'gamma': (0.0, math.inf)})
    depth = len(config.discriminator.hidden)
    if not -depth <= config.feature_layer < depth:
        raise UserError(f'feature_layer={config.feature_layer} is none of the {depth} hidden layers of the discriminator')
    num_steps = optimizers.num_steps(config, spec)
    return VAEGAN(
        model=gaussian.from_config(config.model, spec),
        critic=discriminator.from_config(config.discriminator, spec),
        log_variance=config.feature_log_variance,
        layer=config.feature_layer % depth,
        kind=config.generator_loss,
        optimizers=optimizers.by_phase(config, num_steps),
        num_steps=num_steps,
        hparams={'gamma': config.gamma},
    )
