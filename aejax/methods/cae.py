"""Contractive autoencoder: reconstruction + lambda ||J_h(x)||_F^2, the exact ("analytic") Jacobian penalty of the encoder h.

For one sigmoid layer ||J_h(x)||_F^2 = sum_j (h_j (1 - h_j))^2 sum_i W_ij^2; deeper perceptrons use the cheapest exact product of
their layers' Jacobians, other encoders automatic differentiation.

With `hessian.weight` gamma above 0 it is the higher-order CAE (CAE+H): + gamma E_eps ||J_h(x) - J_h(x + eps)||_F^2 with
eps ~ N(0, s^2 I), which for small s is gamma s^2 times the squared norm of the Hessian of h.

Source: Rifai et al. 2011, https://icml.cc/2011/papers/455_icmlpaper.pdf; CAE+H: Rifai et al. 2011, Higher order contractive
auto-encoder, https://doi.org/10.1007/978-3-642-23783-6_41.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.losses import jacobian_forms
from aejax.losses.contractive import (
    jacobian_change,
    jacobian_change_autodiff,
    jacobian_penalty,
    jacobian_penalty_autodiff,
    jacobian_penalty_reference,
)
from aejax.methods.ae import AE, parts
from aejax.models.activations import activation
from aejax.models.mlp import MLP, dense_layers
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError

FORMS = ('auto', *jacobian_forms.FORMS, 'jacfwd')


@dataclasses.dataclass(frozen=True)
class CAE(AE):
    """See the module.

    Attributes:
        form: how the penalty is computed, one of FORMS; all are exact and agree.
        hessian_std: s.
        hessian_samples: draws of eps an example; 0 without the term.
    """

    form: str = 'auto'
    hessian_std: float = 0.0
    hessian_samples: int = 0

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        phase = Phase('contractive', self.loss, ('encoder', 'decoder'), self.optimizer)
        return (Stage('train', (phase,), self.num_steps),)

    def penalised_code(self, params: Params, x: Array) -> tuple[Array, Array]:
        """(||J_h(x)||_F^2 [B], h(x) [B, d])."""
        encode_one = functools.partial(self._encode_one, params)
        if self.form == 'jacfwd':
            return jacobian_penalty_reference(encode_one, x), self.model.encode(params, x)
        if not isinstance(self.model.encoder, MLP):
            return jacobian_penalty_autodiff(encode_one, x), self.model.encode(params, x)
        layers = dense_layers(params['encoder'])
        return jacobian_penalty(layers, layer_activations(self.model.encoder), x.reshape(x.shape[0], -1), self.form)

    def _encode_one(self, params: Params, x: Array) -> Array:
        return self.model.encode(params, x[None])[0]

    def jacobian_change(self, params: Params, x: Array, key: Key) -> Array:
        """||J_h(x) - J_h(x + eps)||_F^2, [B], the mean over the draws of eps."""

        def of_one(key: Key) -> Array:
            moved = x + self.hessian_std * jax.random.normal(key, x.shape)
            if not isinstance(self.model.encoder, MLP):
                return jacobian_change_autodiff(functools.partial(self._encode_one, params), x, moved)
            flat, moved = (inputs.reshape(x.shape[0], -1) for inputs in (x, moved))
            return jacobian_change(dense_layers(params['encoder']), layer_activations(self.model.encoder), flat, moved)

        return jnp.mean(jax.vmap(of_one)(jax.random.split(key, self.hessian_samples)), axis=0)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of L(x, x_hat) + lambda ||J_h(x)||_F^2, the term of CAE+H where it is used, plus weight decay."""
        penalty, z = self.penalised_code(params, batch['x'])
        error = self.reconstruction_errors(batch['x'], self.model.decode_linear(params, z))[self.loss_name]
        per_example = error + context.hparams['penalty_weight'] * penalty
        metrics = {self.loss_name: error, 'jacobian_norm': jacobian_norm(penalty)}
        if self.hessian_samples:
            metrics['jacobian_change'] = self.jacobian_change(params, batch['x'], context.key)
            per_example += context.hparams['hessian_weight'] * metrics['jacobian_change']
        return LossOutput(self.regularised(per_example, params, context), metrics)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """The reconstruction errors of the AE, and jacobian_norm = ||J_h(x)||_F."""
        penalty, z = self.penalised_code(params, batch['x'])
        errors = self.reconstruction_errors(batch['x'], self.model.decode_linear(params, z))
        return {**errors, 'jacobian_norm': jacobian_norm(penalty)}


def layer_activations(encoder: MLP) -> list[Callable[[Array], Array]]:
    """The activation of every layer."""
    return [activation(name) for name in (*[encoder.activation] * (len(encoder.features) - 1), encoder.output_activation)]


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


def hessian_fields(config: ConfigDict) -> dict:
    """The fields of CAE+H and its hyper-parameter from a `hessian` section; none where its weight is 0.

    Raises:
        UserError: on a negative weight, a standard deviation that is not positive, or fewer than one draw.
    """
    section = config.get('hessian')
    if section is None:
        return {}
    check_ranges(section, {'weight': (0.0, math.inf), 'std': (1e-6, math.inf), 'num_samples': (1, math.inf)}, 'hessian')
    return {'hessian_std': section.std, 'hessian_samples': section.num_samples} if section.weight else {}


def build(config: ConfigDict, spec: DataSpec) -> CAE:
    """The contractive autoencoder of `config`.

    Raises:
        UserError: on a form of the penalty that does not exist or does not fit the encoder, or a number out of its range.
    """
    if config.penalty_form not in FORMS:
        raise UserError(f'penalty_form is {config.penalty_form!r}; choose one of {", ".join(FORMS)}')
    check_ranges(config, {'penalty_weight': (0.0, math.inf)})
    fields = {**parts(config, spec), **hessian_fields(config)}
    if config.penalty_form not in ('auto', 'jacfwd'):
        check_form(config, spec)
    added = {'hessian_weight': config.hessian.weight} if 'hessian_samples' in fields else {}
    fields['hparams'] = {**fields['hparams'], 'penalty_weight': config.penalty_weight, **added}
    return CAE(**fields, form=config.penalty_form)
