"""Conditional adversarial autoencoder: an image goes to a code, and back at any level of an ordered attribute.

Of x with attribute a (age in the source, strokes' thickness or rotation here), z = h(x) in [-1, 1]^d and x^ = g(z, a). One
discriminator D_z holds the codes to the uniform prior, so that no part of the cube is without a face; another, D_x, holds images
to what data of that attribute look like. Encoder and decoder minimise

    norm(x - g(h(x), a))^2 + tv TV(g(h(x), a)) + w_z G(D_z(h(x))) + w_x G(D_x(g(h(x), b), b))

with G(D) = -log D ('non_saturating') or log(1 - D) ('minimax', as in the source), TV the total variation, and the discriminators
maximise

    V_z = E_{z* ~ U[-1, 1]^d} log D_z(z*) + E_x log(1 - D_z(h(x)))
    V_x = E_{x, a} log D_x(x, a) + E_x log(1 - D_x(g(h(x), b), b))

In the source b is a, the image's own attribute. With `condition = 'shuffled'` b is that of another example of the batch: D_x then
sees what the model is for, a changed attribute, and g cannot leave the condition unread because the code tells the attribute.
Where a change is large (digits turned by 40 degrees) that makes the drawings follow, and costs some of them their class; where it
is small (thickness) both do.

Three phases a step, and none of the weights is zero. Sources that are public leave out D_z, D_x or TV by a weight of 0.

Source: Zhang, Song & Qi 2017, Age progression/regression by conditional adversarial autoencoder, https://arxiv.org/abs/1702.08423.
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
from aejax.losses.adversarial import check_kind, discriminator_health, discriminator_loss, generator_loss
from aejax.losses.reconstruction import squared_error
from aejax.losses.total_variation import total_variation
from aejax.methods._phases import one_stage
from aejax.methods._priors import in_turn
from aejax.models import discriminator
from aejax.models.activations import activation
from aejax.models.autoencoder import apply, check_config, decoder_around, make_decoder, make_encoder
from aejax.models.discriminator import Critic, with_one_hot
from aejax.priors.shapes import Uniform
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Stage, UserError

CONDITIONS = ('own', 'shuffled')
WEIGHTS = ('total_variation', 'code_game', 'image_game')


@dataclasses.dataclass(frozen=True)
class ConditionalAAE:
    """See the module; `hparams` has the WEIGHTS tv, w_z and w_x.

    Attributes:
        encoder: x -> z in [-1, 1]^d.
        decoder: [z, one-hot a] -> pre-activation of x^.
        code_critic: D_z.
        image_critic: D_x.
        num_levels: of the attribute.
        output: activation of x^.
        shape: of one example.
        kind: G.
        condition: one of CONDITIONS.
        optimizers: by phase.
    """

    encoder: nn.Module
    decoder: nn.Module
    code_critic: Critic
    image_critic: Critic
    prior: Uniform
    num_levels: int
    output: str
    shape: tuple[int, ...]
    kind: str
    condition: str
    optimizers: Mapping[str, optax.GradientTransformation]
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('squared_error', 'min')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of three phases."""
        moves = {
            'autoencoder': (self.autoencoder_loss, ('encoder', 'decoder')),
            'code_discriminator': (self.code_loss, ('code_discriminator',)),
            'image_discriminator': (self.image_loss, ('image_discriminator',)),
        }
        return one_stage(moves, self.optimizers, self.num_steps)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Random kernels (Glorot-uniform in perceptrons, He-normal in convolutions), zero biases; mutables of spectral norms.

        The decoder begins around the mean of the batch, without which MNIST's codes are all in one corner after ten steps.
        """
        keys, x = jax.random.split(key, 4), jnp.zeros((1, *self.shape))
        z, level = jnp.zeros((1, self.prior.latents)), jnp.zeros((1,), jnp.int32)
        decoder = self.decoder.init(keys[1], with_one_hot(z, self.one_hot(level)))['params']
        params = {
            'encoder': self.encoder.init(keys[0], x)['params'],
            'decoder': decoder_around(self.decoder, decoder, batch['x'], self.output),
        }
        of_codes, of_images = self.code_critic.init(keys[2], z), self.image_critic.init(keys[3], self.with_condition(x, level))
        return {**params, **of_codes[0], **of_images[0]}, {**of_codes[1], **of_images[1]}

    def one_hot(self, attribute: Array) -> Array:
        """Levels [B] -> [B, levels]."""
        return jax.nn.one_hot(attribute, self.num_levels)

    def with_condition(self, x: Array, attribute: Array) -> Array:
        """What D_x sees: x flattened with the one-hot level behind it, or as a constant map for each level in convolutions."""
        one_hot = self.one_hot(attribute)
        if self.image_critic.module.kind == 'mlp':
            return with_one_hot(x, one_hot)
        maps = jnp.broadcast_to(one_hot[:, None, None, :], (*x.shape[:-1], self.num_levels))
        return jnp.concatenate([x, maps], axis=-1)

    def _asked(self, key: Key, attribute: Array) -> Array:
        """b, the levels at which D_x sees reconstructions."""
        return attribute if self.condition == 'own' else jax.random.permutation(key, attribute)

    def autoencoder_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of squared error, weighted total variation and weighted parts of both games."""
        x, attribute, weights, keys = batch['x'], batch['attribute'], context.hparams, jax.random.split(context.key, 3)
        z = self.encode(params, mutables, x)
        back, asked = self.attribute_decode(params, mutables, z, attribute), self._asked(keys[0], attribute)
        changed = back if self.condition == 'own' else self.attribute_decode(params, mutables, z, asked)
        code_logits = self.code_critic.logits(params, mutables, z, keys[1])
        image_logits = self.image_critic.logits(params, mutables, self.with_condition(changed, asked), keys[2])
        terms = {'squared_error': squared_error(x, back), 'total_variation': total_variation(back)}
        loss = (
            terms['squared_error']
            + weights['total_variation'] * terms['total_variation']
            + weights['code_game'] * generator_loss(code_logits, self.kind)
            + weights['image_game'] * generator_loss(image_logits, self.kind)
        )
        return LossOutput(jnp.mean(loss), terms)

    def code_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -V_z, nats, with as many z* as x."""
        keys = jax.random.split(context.key, 3)
        real, fake = self.prior.sample(keys[0], len(batch['x'])), self.encode(params, mutables, batch['x'])
        return self._critic_loss(self.code_critic, params, mutables, real, fake, keys[1:], 'code_')

    def image_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -V_x, nats."""
        keys, asked_key = jax.random.split(context.key), jax.random.fold_in(context.key, 2)
        asked = self._asked(asked_key, batch['attribute'])
        made = self.attribute_decode(params, mutables, self.encode(params, mutables, batch['x']), asked)
        real, fake = self.with_condition(batch['x'], batch['attribute']), self.with_condition(made, asked)
        return self._critic_loss(self.image_critic, params, mutables, real, fake, keys)

    def _critic_loss(
        self, critic: Critic, params: Params, mutables: Mutables, real: Array, fake: Array, keys: Array, prefix: str = ''
    ) -> LossOutput:
        """Metrics have the names that they have in `evaluate`."""
        logits = [critic.logits(params, mutables, x, key) for x, key in zip((real, fake), keys, strict=True)]
        health = {f'{prefix}{name}': values for name, values in discriminator_health(*logits).items()}
        return LossOutput(jnp.mean(discriminator_loss(*logits)), health, critic.next_mutables(params, mutables, real))

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """At x's own attribute: squared_error, total_variation, d_real and d_fake of D_x, code_d_real and code_d_fake of D_z."""
        x, attribute = batch['x'], batch['attribute']
        z = self.encode(params, mutables, x)
        back = self.attribute_decode(params, mutables, z, attribute)
        seen = [self.with_condition(images, attribute) for images in (x, back)]
        codes = (self.prior.sample(context.key, len(x)), z)
        of_codes = discriminator_health(*(self.code_critic.logits(params, mutables, code) for code in codes))
        return {
            'squared_error': squared_error(x, back),
            'total_variation': total_variation(back),
            **discriminator_health(*(self.image_critic.logits(params, mutables, images) for images in seen)),
            **{f'code_{name}': values for name, values in of_codes.items()},
        }

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """z = h(x), in [-1, 1]^d."""
        return jnp.tanh(apply(self.encoder, params['encoder'], x))

    def attribute_decode(self, params: Params, mutables: Mutables, z: Array, attribute: Array) -> Array:
        """g(z, a) for levels a [B]."""
        linear = apply(self.decoder, params['decoder'], with_one_hot(z, self.one_hot(attribute)))
        return activation(self.output)(linear).reshape(-1, *self.shape)

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z uniform on [-1, 1]^d, [num, d]."""
        return self.prior.sample(key, num)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """g(z, a) for z from the prior, each level as often as any other, in turn."""
        code_key, level_key = jax.random.split(key)
        levels = in_turn(level_key, num, self.num_levels)
        return self.attribute_decode(params, mutables, self.prior.sample(code_key, num), levels)


def build(config: ConfigDict, spec: DataSpec) -> ConditionalAAE:
    """The conditional adversarial autoencoder of `config`.

    Raises:
        UserError: on data that are no images with an ordered attribute, a weight that is not positive, or a net, loss or
            condition that does not exist.
    """
    if not (spec.num_levels and spec.is_image):
        raise UserError(f"conditional_aae needs images with an ordered attribute: set data.name='{spec.name}:thickness', say")
    if config.condition not in CONDITIONS:
        raise UserError(f'condition is {config.condition!r}; choose one of {", ".join(CONDITIONS)}')
    check_kind(config.generator_loss)
    # A weight of zero, which public versions of this model have, would leave out a part without a word.
    check_ranges(config.weights, dict.fromkeys(WEIGHTS, (1e-12, math.inf)), 'weights')
    check_config(config.model, spec)
    num_steps = optimizers.num_steps(config, spec)
    return ConditionalAAE(
        encoder=make_encoder(config.model, config.model.latents, spec),
        decoder=make_decoder(config.model, spec),
        code_critic=discriminator.from_config(config.code_discriminator, group='code_discriminator'),
        image_critic=discriminator.from_config(config.image_discriminator, spec, 'image_discriminator'),
        prior=Uniform(config.model.latents),
        num_levels=spec.num_levels,
        output=config.model.output,
        shape=spec.shape,
        kind=config.generator_loss,
        condition=config.condition,
        optimizers=optimizers.by_phase(config, num_steps),
        num_steps=num_steps,
        hparams={name: float(config.weights[name]) for name in WEIGHTS},
    )
