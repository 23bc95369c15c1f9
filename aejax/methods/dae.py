"""Denoising autoencoder: minimise E over x~ of L(x, g(h(x~))), with x~ a corrupted copy of x and L measured against the clean x.

The expectation is the mean over L copies of every example, drawn anew at every step. Corrupted and uncorrupted inputs may be
weighed apart (`emphasis`).

Source: Vincent et al. 2010, Stacked denoising autoencoders, https://jmlr.org/papers/v11/vincent10a.html.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax import corruption
from aejax.corruption import Corrupt
from aejax.distributions.reduction import rows
from aejax.losses.denoising import cross_entropies, emphasised, squared_errors
from aejax.losses.reconstruction import squared_error
from aejax.methods.ae import AE, parts
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError


@dataclasses.dataclass(frozen=True)
class DAE(AE):
    """See the module; `hparams` has 'corruption_level', which an ensemble may vary, only where it is not 0.

    Attributes:
        corruption: q(x~ given x).
        num_corruptions: L.
        emphasis: (alpha, beta), the weights of corrupted and of uncorrupted inputs.
    """

    corruption: Corrupt
    num_corruptions: int
    emphasis: tuple[float, float]

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('denoising', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    @property
    def selection(self) -> tuple[str, Literal['min', 'max']]:
        """The error from corrupted inputs: the one from clean inputs is least where nothing but copying was learned."""
        return f'denoising_{self.loss_name}', 'min'

    def losses_per_input(self, x: Array, linear: Array) -> Array:
        """L of each input by itself, [B, D]."""
        x, linear = rows(x), rows(linear)
        if self.loss_name == 'cross_entropy':
            return cross_entropies(x, linear)
        return squared_errors(x, self.model.mean(linear))

    def denoising_losses(self, params: Params, x: Array, key: Key, level: Array | float) -> tuple[Array, Array]:
        """With emphasis and without it, each [B]: the mean over L corrupted copies."""

        def of_one(key: Key) -> tuple[Array, Array]:
            noisy, corrupted = self.corruption(key, x, level)
            losses = self.losses_per_input(x, self.model.decode_linear(params, self.model.encode(params, noisy)))
            return emphasised(losses, corrupted, *self.emphasis), emphasised(losses, corrupted, 1.0, 1.0)

        if self.num_corruptions == 1:
            return of_one(key)
        every = jax.vmap(of_one)(jax.random.split(key, self.num_corruptions))
        return jax.tree.map(lambda losses: jnp.mean(losses, axis=0), every)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean of L(x, g(h(x~))) over the batch, plus weight decay."""
        level = context.hparams.get('corruption_level', 0.0)
        weighed, plain = self.denoising_losses(params, batch['x'], context.key, level)
        return LossOutput(self.regularised(weighed, params, context), {f'denoising_{self.loss_name}': plain})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """Errors from x; 'denoising_...', from one x~, both against x; corrupted_squared_error = norm(x - x~)^2."""
        x = batch['x']
        noisy, _ = self.corruption(context.key, x, context.hparams.get('corruption_level', 0.0))
        clean = self.decoding_errors(params, mutables, x, self.encode(params, mutables, x))
        denoised = self.decoding_errors(params, mutables, x, self.encode(params, mutables, noisy))
        renamed = {f'denoising_{name}': error for name, error in denoised.items()}
        return {**clean, **renamed, 'corrupted_squared_error': squared_error(x, noisy)}

    def corrupt(self, params: Params, mutables: Mutables, key: Key, x: Array) -> Array:
        """x~ at the level of the config: what `denoise` is for."""
        return self.corruption(key, x, self.hparams.get('corruption_level', 0.0))[0]

    def denoise(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g(h(x~)) of a corrupted x~."""
        return self.reconstruct(params, mutables, x)


def check_emphasis(config: ConfigDict, spec: DataSpec) -> None:
    """Raises UserError on a negative weight, or where no input is left that counts."""
    emphasis, kind, level, size = config.emphasis, config.corruption.kind, config.corruption.level, math.prod(spec.shape)
    check_ranges(emphasis, {'corrupted': (0.0, math.inf), 'uncorrupted': (0.0, math.inf)}, 'emphasis')
    num_corrupted = size if kind == 'gaussian' else corruption.num_chosen(level, size)
    if not (emphasis.corrupted > 0 and num_corrupted > 0) and not (emphasis.uncorrupted > 0 and num_corrupted < size):
        raise UserError(
            f'emphasis.corrupted={emphasis.corrupted} and emphasis.uncorrupted={emphasis.uncorrupted} leave no input that counts '
            f'under {kind} corruption of level {level}'
        )


def build(config: ConfigDict, spec: DataSpec) -> DAE:
    """The denoising autoencoder of `config`.

    Raises:
        UserError: on a corruption that does not exist or does not fit the data, fewer than one copy, or an emphasis on nothing.
    """
    fields = parts(config, spec)
    corrupt = corruption.from_config(config.corruption, spec)
    check_ranges(config, {'num_corruptions': (1, math.inf)})
    check_emphasis(config, spec)
    if config.corruption.level:
        fields['hparams'] = {**fields['hparams'], 'corruption_level': config.corruption.level}
    emphasis = (config.emphasis.corrupted, config.emphasis.uncorrupted)
    return DAE(**fields, corruption=corrupt, num_corruptions=config.num_corruptions, emphasis=emphasis)
