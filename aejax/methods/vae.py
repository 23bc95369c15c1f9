"""Variational autoencoder: minimise -ELBO = -E_q[log p(x given z)] + beta KL(q(z given x), p(z)).

q is a diagonal Gaussian from the encoder, p(z) = N(0, I); z = mu + sigma * eps is reparameterised, the expectation is the mean
over L samples, the KL is in closed form. p(x given z) is Bernoulli (from logits) or Gaussian with one fixed or learned variance.

Source: Kingma & Welling 2014, https://arxiv.org/abs/1312.6114; beta: Higgins et al. 2017,
https://openreview.net/forum?id=Sy2fzU9gl.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions import bernoulli, normal
from aejax.losses.elbo import elbo
from aejax.losses.reconstruction import squared_error
from aejax.models import gaussian
from aejax.models.gaussian import GaussianAutoencoder
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError


@dataclasses.dataclass(frozen=True)
class VAE:
    """See the module.

    Attributes:
        model: encoder and decoder.
        family: of p(x given z), 'bernoulli' or 'gaussian'.
        log_variance: of a Gaussian p(x given z): where it starts, or stays.
        learns_variance: whether one log-variance, shared by all dimensions, is learned as the group 'likelihood'.
        num_samples: L.
    """

    model: GaussianAutoencoder
    family: str
    log_variance: float
    learns_variance: bool
    num_samples: int
    optimizer: optax.GradientTransformation
    num_steps: int
    hparams: Mapping[str, float]
    selection: tuple[str, Literal['min', 'max']] = ('elbo', 'max')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        groups = ('encoder', 'decoder', 'likelihood') if self.learns_variance else ('encoder', 'decoder')
        return (Stage('train', (Phase('elbo', self.loss, groups, self.optimizer),), self.num_steps),)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Random kernels (Glorot-uniform in perceptrons, He-normal in convolutions), zero biases; no mutables."""
        params = self.model.init(key, batch['x'])
        if self.learns_variance:
            params = {**params, 'likelihood': {'log_variance': jnp.asarray(self.log_variance, jnp.float32)}}
        return params, {}

    def log_likelihood(self, params: Params, linear: Array, x: Array) -> Array:
        """log p(x given z) [B], nats, from the decoder's pre-activation g(z) [B, ...]."""
        if self.family == 'bernoulli':
            return bernoulli.log_prob(x, linear)
        log_variance = params['likelihood']['log_variance'] if self.learns_variance else self.log_variance
        return normal.log_prob(x, self.model.mean(linear), jnp.full_like(x, log_variance))

    def bound(self, params: Params, x: Array, key: Key, beta: Array | float) -> dict[str, Array]:
        """elbo = log_likelihood - beta kl, and its terms: each [B], nats; the expectation over L samples of z."""
        mean, log_variance = self.model.posterior(params, x)

        def log_likelihood_of_one(key: Key) -> Array:
            z = normal.sample(key, mean, log_variance)
            return self.log_likelihood(params, self.model.decode_linear(params, z), x)

        if self.num_samples == 1:
            log_likelihood = log_likelihood_of_one(key)
        else:
            log_likelihood = jnp.mean(jax.vmap(log_likelihood_of_one)(jax.random.split(key, self.num_samples)), axis=0)
        kl = normal.kl_standard(mean, log_variance)
        return {'elbo': elbo(log_likelihood, kl, beta), 'log_likelihood': log_likelihood, 'kl': kl}

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -(log_likelihood - beta kl)."""
        terms = self.bound(params, batch['x'], context.key, context.hparams['beta'])
        loss = -jnp.mean(terms['elbo'])
        return LossOutput(loss, {name: terms[name] for name in ('log_likelihood', 'kl')})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """elbo with beta = 1, a bound on log p(x) whatever beta trained it; its terms; squared_error at the posterior's mean."""
        terms = self.bound(params, batch['x'], context.key, 1.0)
        return {**terms, 'squared_error': squared_error(batch['x'], self.reconstruct(params, mutables, batch['x']))}

    def encode(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """mu(x), the mean of q(z given x)."""
        return self.model.encode(params, x)

    def decode(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """The mean of p(x given z)."""
        return self.model.decode(params, z)

    def reconstruct(self, params: Params, mutables: Mutables, x: Array) -> Array:
        """The mean of p(x given z) at z = mu(x)."""
        return self.model.decode(params, self.model.encode(params, x))

    def filters(self, params: Params, mutables: Mutables) -> Array | None:
        """The encoder's first kernel, [D, m]; None for convolutions."""
        return self.model.filters(params)

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """Means of p(x given z) for z drawn from N(0, I)."""
        return self.model.decode(params, jax.random.normal(key, (num, self.model.latents)))

    def posterior(self, params: Params, mutables: Mutables, x: Array) -> tuple[Array, Array]:
        """(mean, log_variance) of q(z given x)."""
        return self.model.posterior(params, x)

    def likelihood(self, params: Params, mutables: Mutables, z: Array, x: Array) -> Array:
        """log p(x given z), [B], nats."""
        return self.log_likelihood(params, self.model.decode_linear(params, z), x)

    def prior_log_prob(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """log N(z; 0, I), [B], nats."""
        return normal.log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))


def build(config: ConfigDict, spec: DataSpec) -> VAE:
    """The variational autoencoder of `config`.

    Raises:
        UserError: on a likelihood that does not exist or does not fit the data or the output, fewer than one sample, or a
            negative beta.
    """
    likelihood = config.likelihood
    if likelihood.family not in ('bernoulli', 'gaussian'):
        raise UserError(f"likelihood.family is {likelihood.family!r}; choose 'bernoulli' or 'gaussian'")
    if likelihood.family == 'bernoulli' and config.model.output != 'sigmoid':
        raise UserError("likelihood.family='bernoulli' needs model.output='sigmoid'")
    check_ranges(config, {'num_samples': (1, math.inf), 'beta': (0.0, math.inf)})
    num_steps = optimizers.num_steps(config, spec)
    return VAE(
        model=gaussian.from_config(config.model, spec),
        family=likelihood.family,
        log_variance=likelihood.log_variance,
        learns_variance=likelihood.family == 'gaussian' and likelihood.learns_variance,
        num_samples=config.num_samples,
        optimizer=optimizers.from_config(config.optimizer, num_steps),
        num_steps=num_steps,
        hparams={'beta': config.beta},
    )
