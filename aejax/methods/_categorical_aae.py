"""What adversarial autoencoders with two codes share: a category and a style, each with a discriminator of its own."""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax.losses.adversarial import discriminator_health, discriminator_loss, generator_loss
from aejax.methods._adversarial import Networks, game, networks
from aejax.methods._phases import one_stage
from aejax.methods._priors import chosen, in_turn
from aejax.models import discriminator
from aejax.models.discriminator import Critic
from aejax.priors.shapes import Samples
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Stage, UserError

CRITICS = ('discriminator', 'category_discriminator')
"""The groups of the discriminators, of the style and of the category; 'category_...' is in front of the second's metrics too."""
MAX_HEADS = 10_000
"""Their pairs, which a step holds, take half a gigabyte."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class CategoricalCore:
    """The encoder gives logits of q(y given x) over K categories, and a style z; the decoder is told both.

    One discriminator tells softmax(logits) from one-hot draws of a uniform category, the other tells z from draws of p(z). They
    are moved in one phase, in which neither's gradient depends on the other (but for `clip_norm`, which scales both by the norm
    of the two together), and the encoder against both in another.

    Attributes:
        networks: encoder and decoder.
        critics: of the style and of the category.
        prior: p(z).
        latents: d, of the style.
        num_categories: K.
        heads: whether the decoder is told y through cluster heads, the code y W + z in d dimensions, instead of [y, z].
        head_distance: below which heads repel each other.
        loss_name: of the reconstruction.
        kind: of the generator's loss.
        real_label: target of the discriminators for draws from the priors.
        optimizers: by phase.
    """

    networks: Networks
    critics: tuple[Critic, Critic]
    prior: Samples
    latents: int
    num_categories: int
    heads: bool = False
    head_distance: float = 0.0
    loss_name: str
    kind: str
    real_label: float
    optimizers: Mapping[str, optax.GradientTransformation]
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('squared_error', 'min')

    @property
    def decoder_groups(self) -> tuple[str, ...]:
        """The decoder, and its cluster heads where it has them."""
        return ('decoder', 'heads') if self.heads else ('decoder',)

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of the phases."""
        return one_stage(self.moves, self.optimizers, self.num_steps)

    @property
    def moves(self) -> dict[str, tuple[Any, tuple[str, ...]]]:
        """The loss of each phase and the groups that it moves."""
        return {
            'reconstruction': (self.reconstruction_loss, ('encoder', *self.decoder_groups)),
            'discriminator': (self.discriminator_loss, CRITICS),
            'generator': (self.generator_loss, ('encoder',)),
        }

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels, zero biases, heads drawn from N(0, I); the mutables are those of spectral norms."""
        keys = jax.random.split(key, 4)
        params: dict[str, Any] = {}
        mutables: dict[str, Any] = {}
        for critic, width, critic_key in zip(self.critics, (self.latents, self.num_categories), keys, strict=False):
            group, statistics = critic.init(critic_key, jnp.zeros((1, width)))
            params, mutables = {**params, **group}, {**mutables, **statistics}
        width = self.latents + (0 if self.heads else self.num_categories)
        params |= self.networks.init(keys[2], width)
        if self.heads:
            params['heads'] = {'kernel': jax.random.normal(keys[3], (self.num_categories, self.latents))}
        return params, mutables

    def style_and_logits(self, params: Params, x: Array, key: Key | None, train: bool = True) -> tuple[Array, Array]:
        """A draw of z [B, d], its mean without a key, and the logits of q(y given x) [B, K]."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        out = self.networks.encode(params, x, keys[0], train)
        return self.networks.draw(out[:, self.num_categories :], keys[1]), out[:, : self.num_categories]

    def join(self, params: Params, z: Array, category: Array) -> Array:
        """What the decoder is told of z [B, d] and a category's probabilities [B, K]: [y, z], or y W + z through the heads."""
        return category @ params['heads']['kernel'] + z if self.heads else jnp.concatenate([category, z], axis=1)

    def inputs(self, batch: Batch) -> Array:
        """The images that need no label, [B, ...]."""
        return batch['unlabelled']['x'] if 'unlabelled' in batch else batch['x']

    def reconstruction_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, g(softmax(logits), z)), plus `head_repulsion` where there are heads."""
        x, (code_key, key) = self.inputs(batch), jax.random.split(context.key)
        z, logits = self.style_and_logits(params, x, code_key)
        linear = self.networks.decode_linear(params, self.join(params, z, jax.nn.softmax(logits)), key)
        error = self.networks.errors(x, linear)[self.loss_name]
        if not self.heads:
            return LossOutput(jnp.mean(error), {self.loss_name: error})
        repulsion = head_repulsion(params['heads']['kernel'], self.head_distance)
        return LossOutput(jnp.mean(error) + repulsion, {self.loss_name: error, 'head_repulsion': repulsion})

    def _draws(self, key: Key, num: int) -> tuple[Array, Array]:
        """num draws of both priors: z [num, d], and one-hot categories [num, K]."""
        style_key, category_key = jax.random.split(key)
        category = jax.random.randint(category_key, (num,), 0, self.num_categories)
        return self.prior.sample(style_key, num), jax.nn.one_hot(category, self.num_categories)

    def _logits(self, params: Params, mutables: Mutables, codes: tuple[Array, Array], key: Key | None) -> list[Array]:
        """Of either discriminator, [B] each, at z and y."""
        keys = (None, None) if key is None else tuple(jax.random.split(key))
        pairs = zip(self.critics, codes, keys, strict=True)
        return [critic.logits(params, mutables, code, key) for critic, code, key in pairs]

    def discriminator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """The sum over both discriminators of the mean over the batch of -log D(draw) - log(1 - D(code))."""
        x, keys = self.inputs(batch), jax.random.split(context.key, 4)
        draws = self._draws(keys[0], len(x))
        z, logits = self.style_and_logits(params, x, keys[1])
        real = self._logits(params, mutables, draws, keys[2])
        fake = self._logits(params, mutables, (z, jax.nn.softmax(logits)), keys[3])
        losses = [jnp.mean(discriminator_loss(*pair, self.real_label)) for pair in zip(real, fake, strict=True)]
        changed: Mutables = {}
        for critic, code in zip(self.critics, draws, strict=True):
            changed = {**changed, **critic.next_mutables(params, mutables, code)}
        return LossOutput(losses[0] + losses[1], _health(real, fake), changed)

    def generator_loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """The sum over both discriminators of the mean over the batch of -log D(code), or of log(1 - D(code))."""
        code_key, key = jax.random.split(context.key)
        z, logits = self.style_and_logits(params, self.inputs(batch), code_key)
        fake = self._logits(params, mutables, (z, jax.nn.softmax(logits)), key)
        loss = sum(jnp.mean(generator_loss(logits, self.kind)) for logits in fake)
        return LossOutput(jnp.asarray(loss), {name: value for name, value in _health(fake, fake).items() if 'd_fake' in name})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """Errors of the reconstruction from the mean code; the outputs of both discriminators at draws of prior and code."""
        x, keys = batch['x'], jax.random.split(context.key)
        mean, logits = self.style_and_logits(params, x, None)
        linear = self.networks.decode_linear(params, self.join(params, mean, jax.nn.softmax(logits)))
        z, drawn = self.style_and_logits(params, x, keys[0], train=False)
        real = self._logits(params, mutables, self._draws(keys[1], len(x)), None)
        fake = self._logits(params, mutables, (z, jax.nn.softmax(drawn)), None)
        return {**self.networks.errors(x, linear), **_health(real, fake)}

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """What the decoder is told: [softmax(logits), z] of the mean z, or the code through the heads."""
        z, logits = self.style_and_logits(params, x, None)
        return self.join(params, z, jax.nn.softmax(logits))

    def draw_code(self, params: Params, mutables: Mutables, key: Key, x: Array) -> Array:
        """As `encode`, of a draw of z, without what training adds to it (input noise, dropout)."""
        z, logits = self.style_and_logits(params, x, key, train=False)
        return self.join(params, z, jax.nn.softmax(logits))

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """g of such a code, in model space."""
        return self.networks.mean(self.networks.decode_linear(params, z))

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g of the code of x."""
        return self.decode(params, mutables, self.encode(params, mutables, x))

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """Codes of draws from both priors, as wide as those of `encode`."""
        return self.join(params, *self._draws(key, num))

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """g(y, z), each category as often as any other, in turn, and z drawn from the prior."""
        style_key, category_key = jax.random.split(key)
        category = jax.nn.one_hot(in_turn(category_key, num, self.num_categories), self.num_categories)
        return self.decode(params, mutables, self.join(params, self.prior.sample(style_key, num), category))

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """Weights from the image to the units of the encoder's first layer, [D, m]; None for convolutions."""
        return self.networks.filters(params)


def _health(real: list[Array], fake: list[Array]) -> dict[str, Array]:
    """`discriminator_health` of the style's discriminator, and of the category's with 'category_' in front."""
    style, category = (discriminator_health(*pair) for pair in zip(real, fake, strict=True))
    return {**style, **{f'category_{name}': value for name, value in category.items()}}


def head_repulsion(heads: Array, distance: float) -> Array:
    """sum over pairs of max(0, distance - norm(w_i - w_j)): a scalar, for cluster heads w [K, d].

    Two heads in one place have no direction to part in, and no gradient.
    """
    squares = jnp.sum(jnp.square(heads[:, None] - heads[None]), axis=2)
    # At 0, where a head is held against itself, too, the root's slope would be infinite.
    lengths = jnp.where(squares > 0, jnp.sqrt(jnp.where(squares > 0, squares, 1.0)), 0.0)
    return 0.5 * jnp.sum(jnp.where(jnp.eye(len(heads), dtype=bool), 0.0, jax.nn.relu(distance - lengths)))


def parts(config: ConfigDict, spec: DataSpec, num_categories: int, prior: Samples | None = None) -> dict[str, Any]:
    """The fields of a `CategoricalCore` that a config gives.

    Raises:
        UserError: on a loss, posterior or prior that does not exist or does not fit, a number out of its range, or a distance of
            heads that there are not, or more heads than have pairs in memory.
    """
    check_ranges(config, {'head_distance': (0.0, math.inf)})
    if config.head_distance and not config.heads:
        raise UserError(f'head_distance={config.head_distance} keeps cluster heads apart, and there are none: set heads=True')
    if config.heads and num_categories > MAX_HEADS:
        raise UserError(f'clusters={num_categories}: heads=True looks at all pairs, and takes up to {MAX_HEADS:,} clusters')
    return {
        'networks': networks(config, spec, num_categories),
        'critics': tuple(discriminator.from_config(config[group], group=group) for group in CRITICS),
        'prior': chosen(config, prior),
        'latents': config.model.latents,
        'num_categories': num_categories,
        'heads': config.heads,
        'head_distance': config.head_distance,
        **game(config, spec),
    }
