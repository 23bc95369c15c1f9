"""Autoencoder: minimise over h and g the sum over the data of L(x, g(h(x))).

L is the squared error ||x - x_hat||^2 or the cross-entropy from logits, summed over dimensions. Encoders are multi-layer
perceptrons or convolutional, of any depth and width, with a code narrower or wider than the input; the decoder mirrors them and
may be tied.

Source: Hinton & Salakhutdinov 2006, https://doi.org/10.1126/science.1127647.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.losses.reconstruction import cross_entropy, squared_error
from aejax.losses.regularisation import weight_decay
from aejax.methods._coding import Coding
from aejax.models import autoencoder
from aejax.models.autoencoder import Autoencoder
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError

LOSSES = ('cross_entropy', 'squared_error')


@dataclasses.dataclass(frozen=True)
class AE(Coding):
    """See the module. `loss_name` is one of LOSSES; `hparams` has 'weight_decay' only where it is used."""

    model: Autoencoder
    loss_name: str
    optimizer: optax.GradientTransformation
    num_steps: int
    hparams: Mapping[str, float]

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('reconstruction', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    @property
    def selection(self) -> tuple[str, Literal['min', 'max']]:
        """The loss's own reconstruction term."""
        return self.loss_name, 'min'

    @property
    def active_above(self) -> float:
        """Units of a sigmoid are never 0, and count as active above one half."""
        return 0.5 if self.model.encoder.output_activation == 'sigmoid' else 0.0

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Random kernels (Glorot-uniform in perceptrons, He-normal in convolutions), zero biases; no mutables."""
        return self.model.init(key, batch['x']), {}

    def reconstruction_errors(self, x: Array, linear: Array) -> dict[str, Array]:
        """Every L of x and the decoder's pre-activation g(z) that is defined, each [B]."""
        errors = {'squared_error': squared_error(x, self.model.mean(linear))}
        if self.model.output == 'sigmoid':
            errors['cross_entropy'] = cross_entropy(x, linear)
        return errors

    def regularised(self, per_example: Array, params: Params, context: Context) -> Array:
        """Batch mean, plus weight_decay / 2 ||W||^2 where it is used: the scalar to minimise."""
        loss = jnp.mean(per_example)
        if 'weight_decay' in context.hparams:
            loss += context.hparams['weight_decay'] * weight_decay(params)
        return loss

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean of L over the batch, plus weight decay."""
        linear = self.model.decode_linear(params, self.model.encode(params, batch['x']))
        error = self.reconstruction_errors(batch['x'], linear)[self.loss_name]
        return LossOutput(self.regularised(error, params, context), {self.loss_name: error})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """squared_error, and cross_entropy (nats) where the output is a sigmoid."""
        return self.decoding_errors(params, mutables, batch['x'], self.model.encode(params, batch['x']))

    def decoding_errors(self, params: Params, mutables: Mutables, x: Array, z: Array) -> dict[str, Array]:
        """Every L(x, g(z)) that is defined, each [B], for codes z [B, d]."""
        return self.reconstruction_errors(x, self.model.decode_linear(params, z))


def parts(config: ConfigDict, spec: DataSpec) -> dict:
    """The fields of `AE` from a config: what its relatives share.

    Raises:
        UserError: on a loss that does not exist or does not fit output or data, or a negative weight decay.
    """
    if config.loss not in LOSSES:
        raise UserError(f'loss is {config.loss!r}; choose one of {", ".join(LOSSES)}')
    if config.loss == 'cross_entropy' and config.model.output != 'sigmoid':
        raise UserError(f"loss='cross_entropy' needs model.output='sigmoid', not {config.model.output!r}")
    check_ranges(config, {'weight_decay': (0.0, math.inf)})
    num_steps = optimizers.num_steps(config, spec)
    return {
        'model': autoencoder.from_config(config.model, spec),
        'loss_name': config.loss,
        'optimizer': optimizers.from_config(config.optimizer, num_steps),
        'num_steps': num_steps,
        'hparams': {'weight_decay': config.weight_decay} if config.weight_decay else {},
    }


def build(config: ConfigDict, spec: DataSpec) -> AE:
    """The autoencoder of `config`."""
    return AE(**parts(config, spec))
