"""Contractive autoencoder: reconstruction + lambda ||J_h(x)||_F^2, the exact ("analytic") Jacobian penalty of the encoder h.

For one sigmoid layer ||J_h(x)||_F^2 = sum_j (h_j (1 - h_j))^2 sum_i W_ij^2; deeper perceptrons use the cheapest exact product of
their layers' Jacobians, other encoders automatic differentiation.

Source: Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping

import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.losses import jacobian_forms
from aejax.losses.contractive import jacobian_penalty, jacobian_penalty_autodiff, jacobian_penalty_reference
from aejax.methods.ae import AE, parts
from aejax.models.activations import activation
from aejax.models.mlp import MLP, dense_layers
from aejax.types import Array, Batch, Context, DataSpec, LossOutput, Mutables, Params, Phase, Stage, UserError

FORMS = ('auto', *jacobian_forms.FORMS, 'jacfwd')


@dataclasses.dataclass(frozen=True)
class CAE(AE):
    """See the module. `form` is how the penalty is computed, one of FORMS; all are exact and agree."""

    form: str = 'auto'

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('contractive', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    def penalised_code(self, params: Params, x: Array) -> tuple[Array, Array]:
        """(||J_h(x)||_F^2 [B], h(x) [B, d])."""
        encoder = self.model.encoder

        def encode_one(x: Array) -> Array:
            return self.model.encode(params, x[None])[0]

        if self.form == 'jacfwd':
            return jacobian_penalty_reference(encode_one, x), self.model.encode(params, x)
        if not isinstance(encoder, MLP):
            return jacobian_penalty_autodiff(encode_one, x), self.model.encode(params, x)
        names = [encoder.activation] * (len(encoder.features) - 1) + [encoder.output_activation]
        activations = [activation(name) for name in names]
        return jacobian_penalty(dense_layers(params['encoder']), activations, x.reshape(x.shape[0], -1), self.form)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, x_hat) + lambda ||J_h(x)||_F^2, plus weight decay."""
        penalty, z = self.penalised_code(params, batch['x'])
        error = self.reconstruction_errors(batch['x'], self.model.decode_linear(params, z))[self.loss_name]
        per_example = error + context.hparams['penalty_weight'] * penalty
        metrics = {self.loss_name: error, 'jacobian_norm': jacobian_norm(penalty)}
        return LossOutput(self.regularised(per_example, params, context), metrics)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """The reconstruction errors of the AE, and jacobian_norm = ||J_h(x)||_F."""
        penalty, z = self.penalised_code(params, batch['x'])
        errors = self.reconstruction_errors(batch['x'], self.model.decode_linear(params, z))
        return {**errors, 'jacobian_norm': jacobian_norm(penalty)}


def jacobian_norm(penalty: Array) -> Array:
    """||J||_F from its square, which forms that subtract may round to just below zero."""
    return jnp.sqrt(jnp.maximum(penalty, 0.0))


def check_form(config: ConfigDict, spec: DataSpec) -> None:
    """Raises UserError where the encoder of `config` has no penalty of the form that it asks for."""
    model = config.model
    if model.encoder != 'mlp':
        raise UserError(f"penalty_form={config.penalty_form!r} needs model.encoder='mlp'; use 'auto' or 'jacfwd'")
    sizes = (math.prod(spec.shape), *model.hidden, model.latents)
    there = jacobian_forms.count_multiply_adds(sizes, config.batch_size, model.latent_activation == 'identity')
    if config.penalty_form not in there:
        raise UserError(
            f"penalty_form={config.penalty_form!r} does not exist for layers {sizes}: choose 'auto' or {', '.join(there)}"
        )


def build(config: ConfigDict, spec: DataSpec) -> CAE:
    """The contractive autoencoder of `config`.

    Raises:
        UserError: on a form of the penalty that does not exist or does not fit the encoder.
    """
    if config.penalty_form not in FORMS:
        raise UserError(f'penalty_form is {config.penalty_form!r}; choose one of {", ".join(FORMS)}')
    fields = parts(config, spec)
    if config.penalty_form not in ('auto', 'jacfwd'):
        check_form(config, spec)
    fields['hparams'] = {**fields['hparams'], 'penalty_weight': config.penalty_weight}
    return CAE(**fields, form=config.penalty_form)
