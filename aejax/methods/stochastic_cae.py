"""Stochastic contractive autoencoder: reconstruction + lambda E over x~ of ||h(x) - h(x~)||^2, with x~ a corrupted copy of x.

For Gaussian corruption of small standard deviation s, h(x~) - h(x) = s J_h(x) eps to first order, and so the penalty tends to
s^2 ||J_h(x)||_F^2: the contractive autoencoder's, at lambda s^2 in place of lambda. Only the code is penalised; reconstruction is
from the clean x. The expectation is the mean over L copies, drawn anew at every step.

Source: Alain & Bengio 2014, https://arxiv.org/abs/1211.4246, which relates the two penalties for the reconstruction; that of the
code is the one of Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf, estimated.
"""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax import corruption
from aejax.corruption import Corrupt
from aejax.losses.reconstruction import squared_error
from aejax.methods.ae import parts
from aejax.methods.cae import CAE
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage


@dataclasses.dataclass(frozen=True)
class StochasticCAE(CAE):
    """See the module; it is evaluated as a CAE, with the exact norm of the Jacobian.

    Attributes:
        corruption: q(x~ given x), at the level `hparams` has as 'corruption_level'.
        num_corruptions: L.
    """

    corruption: Corrupt = dataclasses.field(kw_only=True)
    num_corruptions: int = 1

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('stochastic_contractive', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    def code_change(self, params: Params, x: Array, z: Array, key: Key, level: Array) -> Array:
        """||h(x) - h(x~)||^2, [B], from x and its code z: the mean over L corrupted copies."""

        def of_one(key: Key) -> Array:
            return squared_error(z, self.model.encode(params, self.corruption(key, x, level)[0]))

        return jnp.mean(jax.vmap(of_one)(jax.random.split(key, self.num_corruptions)), axis=0)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, x_hat) + lambda ||h(x) - h(x~)||^2, plus weight decay."""
        x, z = batch['x'], self.model.encode(params, batch['x'])
        error = self.reconstruction_errors(x, self.model.decode_linear(params, z))[self.loss_name]
        change = self.code_change(params, x, z, context.key, context.hparams['corruption_level'])
        per_example = error + context.hparams['penalty_weight'] * change
        return LossOutput(self.regularised(per_example, params, context), {self.loss_name: error, 'code_change': change})


def build(config: ConfigDict, spec: DataSpec) -> StochasticCAE:
    """The stochastic contractive autoencoder of `config`.

    Raises:
        UserError: on a corruption that does not exist or does not fit the data, fewer than one copy, or a negative weight.
    """
    check_ranges(config, {'penalty_weight': (0.0, math.inf), 'num_corruptions': (1, math.inf)})
    fields, corrupt = parts(config, spec), corruption.from_config(config.corruption, spec)
    added = {'penalty_weight': config.penalty_weight, 'corruption_level': config.corruption.level}
    fields['hparams'] = {**fields['hparams'], **added}
    return StochasticCAE(**fields, corruption=corrupt, num_corruptions=config.num_corruptions)
