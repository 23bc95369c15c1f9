"""Generative adversarial network: a generator g and a discriminator D play against each other.

The game is over

    V = E_x[log D(x)] + E_z[log(1 - D(g(z)))],  z ~ p(z)

which D maximises and g minimises (some notes have it the other way round). Every step is `discriminator_steps` updates of D, each
against new samples but on the same images (the source draws new ones), and one of g, which minimises V's second term ('minimax')
or -log D(g(z)) ('non_saturating').

To keep the two in balance there are one-sided label smoothing, spectral norms of D's kernels, and R1, gamma/2 norm(grad_x a)^2 of
D's logits a at real x. Nets are perceptrons or convolutional after DCGAN.

Nothing in V says how good the samples are. Checkpoints are chosen by the energy score of fresh samples as a forecast of held-out
data, see `aejax.losses.energy`.

Source: Goodfellow et al. 2014, https://arxiv.org/abs/1406.2661; Radford et al. 2016, https://arxiv.org/abs/1511.06434; the rest:
`aejax.losses.adversarial`, `aejax.models.discriminator`.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.losses.adversarial import (
    check_kind,
    check_real_label,
    discriminator_health,
    discriminator_loss,
    generator_loss,
    r1_penalty,
)
from aejax.losses.energy import energy_score
from aejax.methods._phases import one_stage
from aejax.methods._priors import chosen
from aejax.models import discriminator
from aejax.models.activations import activation
from aejax.models.autoencoder import apply, check_config, make_decoder
from aejax.models.discriminator import Critic
from aejax.priors.shapes import Samples
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Stage

NUM_FORECAST = 256
"""Samples that an energy score is taken over."""


@dataclasses.dataclass(frozen=True)
class GAN:
    """See the module; `hparams` has 'r1', gamma, where it is used.

    Attributes:
        generator: z [B, d] -> pre-activation of g(z).
        critic: D.
        prior: p(z).
        latents: d.
        output: activation of g's last layer.
        shape: of one example.
        kind: of the generator's loss.
        real_label: target of D for real data; below 1 it is smoothed.
        discriminator_steps: updates of D a step.
        optimizers: by phase.
    """

    generator: nn.Module
    critic: Critic
    prior: Samples
    latents: int
    output: str
    shape: tuple[int, ...]
    kind: str
    real_label: float
    discriminator_steps: int
    optimizers: Mapping[str, optax.GradientTransformation]
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('energy_score', 'min')
    encoder_groups: tuple[str, ...] = ()
    decoder_groups: tuple[str, ...] = ('generator',)

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of two phases."""
        moves = {
            'discriminator': (self.discriminator_loss, ('discriminator',)),
            'generator': (self.generator_loss, ('generator',)),
        }
        return one_stage(moves, self.optimizers, self.num_steps, {'discriminator': self.discriminator_steps})

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels (He-normal in convolutions), zero biases; the mutables are those of spectral norms."""
        generator_key, critic_key = jax.random.split(key)
        generator = self.generator.init(generator_key, jnp.zeros((1, self.latents)))['params']
        params, mutables = self.critic.init(critic_key, jnp.zeros((1, *self.shape)))
        return {'generator': generator, **params}, mutables

    def discriminator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean of -log D(x) - log(1 - D(g(z))), plus gamma R1 where it is used; as many z as x."""
        x = batch['x']
        sample_key, real_key, fake_key, penalty_key = jax.random.split(context.key, 4)
        fake = self.sample(params, mutables, sample_key, len(x))
        real_logits = self.critic.logits(params, mutables, x, real_key)
        fake_logits = self.critic.logits(params, mutables, fake, fake_key)
        loss = jnp.mean(discriminator_loss(real_logits, fake_logits, self.real_label))
        metrics = discriminator_health(real_logits, fake_logits)
        if 'r1' in context.hparams:
            metrics['r1'] = r1_penalty(lambda x: self.critic.logits(params, mutables, x, penalty_key), x)
            loss = loss + context.hparams['r1'] * jnp.mean(metrics['r1'])
        return LossOutput(loss, metrics, self.critic.next_mutables(params, mutables, x))

    def generator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean of -log D(g(z)), or of log(1 - D(g(z))); as many z as there are examples."""
        sample_key, critic_key = jax.random.split(context.key)
        fake = self.sample(params, mutables, sample_key, len(batch['x']))
        logits = self.critic.logits(params, mutables, fake, critic_key)
        return LossOutput(jnp.mean(generator_loss(logits, self.kind)), {'d_fake': jax.nn.sigmoid(logits)})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """energy_score of 256 fresh samples as a forecast of x; D's outputs, d_real at x and d_fake at a sample for each x.

        All examples of a batch share one forecast: the standard error of energy_score over examples says nothing of its choice.
        """
        x, keys = batch['x'], jax.random.split(context.key)
        fake = self.sample(params, mutables, keys[0], len(x))
        logits = [self.critic.logits(params, mutables, inputs) for inputs in (x, fake)]
        forecast = self.sample(params, mutables, keys[1], NUM_FORECAST)
        return {'energy_score': energy_score(x, forecast), **discriminator_health(*logits)}

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """g(z)."""
        linear = apply(self.generator, params['generator'], z)
        return activation(self.output)(linear).reshape(-1, *self.shape)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """g(z) for z drawn from the prior."""
        return self.decode(params, mutables, self.prior.sample(key, num))

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z from the prior, [num, d]."""
        return self.prior.sample(key, num)


def build(config: ConfigDict, spec: DataSpec, prior: Samples | None = None) -> GAN:
    """The generative adversarial network of `config`; `prior`, with `sample(key, num)`, stands in for that of the config.

    Raises:
        UserError: on a loss, net, prior or output that does not exist or does not fit the data, or a number out of its range.
    """
    check_kind(config.generator_loss)
    check_real_label(config.real_label)
    check_ranges(config, {'r1': (0.0, math.inf), 'discriminator_steps': (1, 1_000)})
    check_config(config.model, spec)
    num_steps = optimizers.num_steps(config, spec)
    return GAN(
        generator=make_decoder(config.model, spec),
        critic=discriminator.from_config(config.discriminator, spec),
        prior=chosen(config, prior),
        latents=config.model.latents,
        output=config.model.output,
        shape=spec.shape,
        kind=config.generator_loss,
        real_label=config.real_label,
        discriminator_steps=config.discriminator_steps,
        optimizers=optimizers.by_phase(config, num_steps, {'discriminator': config.discriminator_steps}),
        num_steps=num_steps,
        hparams={'r1': config.r1} if config.r1 else {},
    )
