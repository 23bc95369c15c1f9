"""Sparse autoencoder: an overcomplete code of which few units are active, by one of three means.

- 'l1': reconstruction + lambda sum_j |h_j(x)|.
- 'kl': reconstruction + lambda sum_j KL(rho || mean of h_j over the batch), for codes in [0, 1].
- 'k_sparse': no penalty; the code is h(x) with all but its k largest units set to 0. Over the first half of training the number
  kept falls linearly from k_start to k, without which many units never fire. In evaluation k_factor k units are kept,
  k_factor >= 1 (alpha in the paper), which may serve a classifier better than k.

Source: Ng 2011, https://web.stanford.edu/class/cs294a/sparseAutoencoder.pdf ('kl'); Makhzani & Frey 2014,
https://arxiv.org/abs/1312.5663 ('k_sparse').
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.losses import sparse
from aejax.methods.ae import AE, parts
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, LossOutput, Mutables, Params, Phase, Stage, UserError

KINDS = ('l1', 'kl', 'k_sparse')


@dataclasses.dataclass(frozen=True)
class SparseAE(AE):
    """See the module.

    Attributes:
        kind: one of KINDS.
        num_kept: of a k-sparse code: units kept at the first step, from the middle of training on, and in evaluation.
    """

    kind: str = 'kl'
    num_kept: tuple[int, int, int] = (0, 0, 0)

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('sparse', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    @property
    def active_above(self) -> float:
        """Units of a k-sparse code are active where they were kept, whatever their activation."""
        return 0.0 if self.kind == 'k_sparse' else super().active_above

    def num_kept_at(self, step: Array) -> Array:
        """How many units of a k-sparse code are kept at a step of training."""
        first, last, _ = self.num_kept
        return jnp.round(first + (last - first) * jnp.minimum(2 * step / self.num_steps, 1.0))

    def sparse_code(self, params: Params, x: Array, num_kept: int | Array) -> Array:
        """h(x), or of a k-sparse code its `num_kept` largest units."""
        z = self.model.encode(params, x)
        return sparse.keep_largest(z, num_kept) if self.kind == 'k_sparse' else z

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean of L over the batch, plus lambda times the penalty of the kind, plus weight decay."""
        z = self.sparse_code(params, batch['x'], self.num_kept_at(context.step))
        error = self.reconstruction_errors(batch['x'], self.model.decode_linear(params, z))[self.loss_name]
        metrics = {self.loss_name: error, **self.sparsity(z)}
        loss = self.regularised(error, params, context)
        if self.kind == 'l1':
            loss += context.hparams['penalty_weight'] * jnp.mean(metrics['l1'])
        if self.kind == 'kl':
            metrics['kl_to_rate'] = sparse.kl_to_rate(z, context.hparams['target_rate'])
            loss += context.hparams['penalty_weight'] * metrics['kl_to_rate']
        return LossOutput(loss, metrics)

    def sparsity(self, z: Array) -> dict[str, Array]:
        """What the kind makes small, of codes z [B, d]: each [B].

        l1 is the norm of the code, active_share the share of its units that are not 0, mean_activation the mean over them.
        """
        if self.kind == 'kl':
            return {'mean_activation': jnp.mean(z, axis=1)}
        share = {'active_share': jnp.mean((z != 0).astype(jnp.float32), axis=1)}
        return {**share, 'l1': sparse.l1(z)} if self.kind == 'l1' else share

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """The reconstruction errors of the AE, and the `sparsity` of the code."""
        z = self.encode(params, mutables, batch['x'])
        return {**self.decoding_errors(params, mutables, batch['x'], z), **self.sparsity(z)}

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The code; of a k-sparse one, k_factor k units."""
        return self.sparse_code(params, x, self.num_kept[2])

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """g of `encode`."""
        return self.model.decode(params, self.encode(params, mutables, x))


def check_sparsity(config: ConfigDict) -> None:
    """Raises UserError where the `sparsity` section names what does not exist, or does not fit the code."""
    sparsity, latents = config.sparsity, config.model.latents
    if sparsity.kind not in KINDS:
        raise UserError(f'sparsity.kind is {sparsity.kind!r}; choose one of {", ".join(KINDS)}')
    check_ranges(sparsity, {'weight': (0.0, math.inf)}, 'sparsity')
    if sparsity.kind == 'kl' and config.model.latent_activation != 'sigmoid':
        raise UserError("sparsity.kind='kl' needs codes in [0, 1]: set model.latent_activation='sigmoid'")
    if sparsity.kind == 'kl' and not 0 < sparsity.rate < 1:
        raise UserError(f'sparsity.rate={sparsity.rate} must lie between 0 and 1')
    if sparsity.kind == 'k_sparse':
        check_numbers_kept(sparsity, latents)


def check_numbers_kept(sparsity: ConfigDict, latents: int) -> None:
    """Raises UserError unless 1 <= k <= k_start, k_factor k <= latents."""
    for name, value in (('k', sparsity.k), ('k_start', sparsity.k_start), ('k_factor', sparsity.k_factor * sparsity.k)):
        if not max(1, sparsity.k) <= value <= latents:
            raise UserError(
                f'sparsity.{name}={sparsity[name]}: k={sparsity.k} must be at least 1, and neither k_start nor k_factor times k '
                f'less than k or more than model.latents={latents}'
            )


def build(config: ConfigDict, spec: DataSpec) -> SparseAE:
    """The sparse autoencoder of `config`.

    Raises:
        UserError: on a kind of sparsity that does not exist, or does not fit the code.
    """
    check_sparsity(config)
    sparsity, fields = config.sparsity, parts(config, spec)
    added = {} if sparsity.kind == 'k_sparse' else {'penalty_weight': sparsity.weight}
    added |= {'target_rate': sparsity.rate} if sparsity.kind == 'kl' else {}
    fields['hparams'] = {**fields['hparams'], **added}
    return SparseAE(**fields, kind=sparsity.kind, num_kept=(sparsity.k_start, sparsity.k, round(sparsity.k_factor * sparsity.k)))
