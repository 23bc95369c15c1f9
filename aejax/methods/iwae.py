"""Importance weighted autoencoder: maximise L_k = E[log 1/k sum_i p(x, z_i) / q(z_i given x)] over k samples z_i of q.

L_1 is the ELBO, and L_k rises with k towards log p(x): q need not be good on its own, but where the model's posterior is. With
objective 'vae' it is the ELBO itself that is maximised, as the mean over the same k samples: the comparison of the paper. The
gradient's estimator is 'plain', 'stl' or 'dreg', see `aejax.losses.importance`. All samples go through the decoder at once.

Source: Burda, Grosse & Salakhutdinov 2016, https://arxiv.org/abs/1509.00519.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.distributions import normal
from aejax.distributions.reduction import repeat
from aejax.losses.importance import GRADIENTS, iwae_bound, surrogate_log_weights
from aejax.losses.reconstruction import squared_error
from aejax.methods.vae import VAE, parts
from aejax.types import Array, Batch, Context, DataSpec, LossOutput, Mutables, Params, Phase, Stage, UserError

OBJECTIVES = ('iwae', 'vae')


@dataclasses.dataclass(frozen=True)
class IWAE(VAE):
    """See the module; what it has beside training and `evaluate` is a VAE's. `num_samples` is k.

    Attributes:
        objective: 'iwae' or 'vae'.
        gradient: 'plain', 'stl' (biased for 'iwae' at k > 1) or 'dreg'.
    """

    selection: tuple[str, Literal['min', 'max']] = ('iwae_bound', 'max')
    objective: str = 'iwae'
    gradient: str = 'plain'

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        return (Stage('train', (Phase(self.objective, self.loss, self.groups, self.optimizer),), self.num_steps),)

    def log_weights(self, params: Params, x: Array, z: Array, posterior: tuple[Array, Array]) -> tuple[Array, Array]:
        """log p(x given z) and log q(z given x) - log p(z), each [k, B], nats: their difference is log w.

        Args:
            params: of all groups.
            x: [B, ...].
            z: [k, B, d].
            posterior: mean and log-variance of q, each [B, d].
        """
        flat, repeated = z.reshape(-1, z.shape[-1]), repeat(x, len(z))
        log_likelihood = self.observation.log_prob(params, repeated, self.model.decode_linear(params, flat))
        log_q = normal.log_prob(flat, *(repeat(leaf, len(z)) for leaf in posterior))
        log_ratio = log_q - self.prior.log_prob(params, flat)
        return log_likelihood.reshape(z.shape[:2]), log_ratio.reshape(z.shape[:2])

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of minus the bound that the objective names, with the gradient that was chosen."""
        x, posterior = batch['x'], self.model.posterior(params, batch['x'])
        z, _ = normal.propose(context.key, *posterior, self.num_samples)

        def log_weight(z: Array, posterior: tuple[Array, Array]) -> Array:
            log_likelihood, log_ratio = self.log_weights(params, x, z, posterior)
            return log_likelihood - log_ratio

        return objective_output(surrogate_log_weights(log_weight, z, posterior, self.gradient), self.objective)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """iwae_bound of k samples; elbo, log_likelihood and kl as means over them; squared_error at the posterior's mean.

        elbo = log_likelihood - kl is at most iwae_bound for every single example, as a mean of logarithms is at most the
        logarithm of a mean: the kl is the mean of log q(z given x) - log p(z), not the closed form.
        """
        x, posterior = batch['x'], self.model.posterior(params, batch['x'])
        z, _ = normal.propose(context.key, *posterior, self.num_samples)
        error = squared_error(x, self.model.decode(params, posterior[0]))
        return {**bounds(*self.log_weights(params, x, z, posterior)), 'squared_error': error}


def objective_output(log_weights: Array, objective: str) -> LossOutput:
    """Minus the batch mean of the bound called `objective`, with both bounds as metrics [B], from log-weights [k, B]."""
    metrics = {'iwae_bound': iwae_bound(log_weights), 'elbo': jnp.mean(log_weights, axis=0)}
    return LossOutput(-jnp.mean(metrics['iwae_bound' if objective == 'iwae' else 'elbo']), metrics)


def bounds(log_likelihood: Array, log_ratio: Array) -> dict[str, Array]:
    """iwae_bound, elbo, log_likelihood and kl, each [B], nats, from log p(x given z) and log q - log p of z, each [k, B]."""
    means = {'log_likelihood': jnp.mean(log_likelihood, axis=0), 'kl': jnp.mean(log_ratio, axis=0)}
    return {'iwae_bound': iwae_bound(log_likelihood - log_ratio), 'elbo': means['log_likelihood'] - means['kl'], **means}


def check_objective(config: ConfigDict) -> None:
    """Raises UserError where `objective` or `gradient` does not exist, or the two do not fit."""
    if config.objective not in OBJECTIVES:
        raise UserError(f'objective is {config.objective!r}; choose one of {", ".join(OBJECTIVES)}')
    if config.gradient not in GRADIENTS:
        raise UserError(f'gradient is {config.gradient!r}; choose one of {", ".join(GRADIENTS)}')
    if config.gradient == 'dreg' and config.objective != 'iwae':
        raise UserError("gradient='dreg' belongs to objective='iwae'; for 'vae' its counterpart is gradient='stl'")


def build(config: ConfigDict, spec: DataSpec) -> IWAE:
    """The importance weighted autoencoder of `config`.

    Raises:
        UserError: on an objective or gradient that does not exist or does not fit the other, or as from a VAE's `parts`.
    """
    check_objective(config)
    return IWAE(**parts(config, spec), hparams={}, objective=config.objective, gradient=config.gradient)
