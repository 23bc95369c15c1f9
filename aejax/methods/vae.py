"""Variational autoencoder: minimise -ELBO = -E_q[log p(x given z)] + beta KL(q(z given x), p(z)).

q is a diagonal Gaussian from the encoder; z = mu + sigma * eps is reparameterised, the expectation is the mean over L samples.
p(x given z) is Bernoulli (from logits) or Gaussian with one fixed or learned variance. p(z) is N(0, I), with the KL in closed
form, or a learned mixture of Gaussians or a VampPrior, where it is the mean of log q(z given x) - log p(z) over the same samples.

Against codes that are given up early in training: beta may grow in a line from 0 (warm-up), each dimension may have a number of
nats for which it pays nothing (free bits), and the decoder may start at the mean of the data, so that no code has to say it.

Source: Kingma & Welling 2014, https://arxiv.org/abs/1312.6114; beta: Higgins et al. 2017,
https://openreview.net/forum?id=Sy2fzU9gl; the rest: `aejax.losses.elbo`, `aejax.priors`.
"""

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions import normal
from aejax.losses.elbo import elbo, kl_with_free_bits, warmed_up
from aejax.losses.reconstruction import squared_error
from aejax.methods._coding import Coding
from aejax.models import gaussian, observation
from aejax.models.autoencoder import decoder_around
from aejax.models.gaussian import GaussianAutoencoder
from aejax.models.observation import Observation
from aejax.priors import prior
from aejax.priors.prior import Prior
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage, UserError

# Folded into the key of `init` for the prior; the model takes the key as it is, so that it begins alike under every prior.
_PRIOR = 2**30 + 4


@dataclasses.dataclass(frozen=True)
class VAE(Coding):
    """See the module.

    Attributes:
        model: encoder and decoder.
        observation: p(x given z), from the decoder's pre-activation.
        prior: p(z).
        num_samples: L.
        starts_at_mean: whether the decoder's last bias starts where the output is the mean of some examples, not at zero.
        warmup_steps: until beta has its value; 0 for none.
        hparams: 'beta', and 'free_bits' (nats a dimension) where there are any.
    """

    model: GaussianAutoencoder
    observation: Observation
    prior: Prior
    num_samples: int
    optimizer: optax.GradientTransformation
    num_steps: int
    hparams: Mapping[str, float]
    starts_at_mean: bool = False
    warmup_steps: int = 0
    selection: tuple[str, Literal['min', 'max']] = ('elbo', 'max')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        return (Stage('train', (Phase('elbo', self.loss, self.groups, self.optimizer),), self.num_steps),)

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups of parameters."""
        return ('encoder', 'decoder', *self.observation.groups, *self.prior.groups)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Random kernels (Glorot-uniform in perceptrons, He-normal in convolutions), biases of zero but as said; no mutables."""
        params = {**self.model.init(key, batch['x']), **self.observation.init()}
        if self.starts_at_mean:
            params['decoder'] = decoder_around(self.model.decoder, params['decoder'], batch['x'], self.model.output)
        return ({**params, **self.prior.init(jax.random.fold_in(key, _PRIOR))} if self.prior.groups else params), {}

    def bound(self, params: Params, x: Array, key: Key, beta: Array | float) -> dict[str, Array]:
        """elbo = log_likelihood - beta kl, and its terms: each [B], nats; the expectation over L samples of z."""
        mean, log_variance = self.model.posterior(params, x)

        def terms_of_one(key: Key) -> dict[str, Array]:
            z = normal.sample(key, mean, log_variance)
            terms = {'log_likelihood': self.observation.log_prob(params, x, self.model.decode_linear(params, z))}
            if self.prior.kind != 'standard':
                terms['kl'] = normal.log_prob(z, mean, log_variance) - self.prior.log_prob(params, z)
            return terms

        if self.num_samples == 1:
            terms = terms_of_one(key)
        else:
            samples = jax.vmap(terms_of_one)(jax.random.split(key, self.num_samples))
            terms = {name: jnp.mean(values, axis=0) for name, values in samples.items()}
        if self.prior.kind == 'standard':
            terms['kl'] = normal.kl_standard(mean, log_variance)
        return {'elbo': elbo(terms['log_likelihood'], terms['kl'], beta), **terms}

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of -(log_likelihood - beta kl), with `kl_with_free_bits` for the KL where there are any."""
        beta = context.hparams['beta']
        if self.warmup_steps:
            beta = warmed_up(beta, context.step, self.warmup_steps)
        terms = self.bound(params, batch['x'], context.key, beta)
        loss = -jnp.mean(terms['elbo'])
        if 'free_bits' in context.hparams:
            kl = normal.kl_standard_by_dimension(*self.model.posterior(params, batch['x']))
            loss = beta * kl_with_free_bits(kl, context.hparams['free_bits']) - jnp.mean(terms['log_likelihood'])
        return LossOutput(loss, {name: terms[name] for name in ('log_likelihood', 'kl')})

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """elbo with beta = 1, a bound on log p(x) whatever beta trained it; its terms; squared_error at the posterior's mean."""
        terms = self.bound(params, batch['x'], context.key, 1.0)
        return {**terms, 'squared_error': squared_error(batch['x'], self.reconstruct(params, mutables, batch['x']))}

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """Means of p(x given z) for z drawn from the prior."""
        return self.model.decode(params, self.prior.sample(params, key, num))

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z from the prior, [num, d]."""
        return self.prior.sample(params, key, num)

    def posterior(self, params: Params, mutables: Mutables, x: Array) -> tuple[Array, Array]:
        """(mean, log_variance) of q(z given x)."""
        return self.model.posterior(params, x)

    def propose(self, params: Params, mutables: Mutables, key: Key, x: Array, num: int) -> tuple[Array, Array]:
        """z from q(z given x), [num, B, d], and log q(z given x), [num, B], nats."""
        return normal.propose(key, *self.model.posterior(params, x), num)

    def likelihood(self, params: Params, mutables: Mutables, z: Array, x: Array) -> Array:
        """log p(x given z), [B], nats."""
        return self.observation.log_prob(params, x, self.model.decode_linear(params, z))

    def prior_log_prob(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """log p(z), [B], nats."""
        return self.prior.log_prob(params, z)


def parts(config: ConfigDict, spec: DataSpec) -> dict[str, Any]:
    """The fields of `VAE` from a config that its relatives share: all but hparams and warm-up.

    Raises:
        UserError: on a likelihood or prior that does not exist or does not fit data or output, or fewer than one sample.
    """
    check_ranges(config, {'num_samples': (1, 1e6)})
    num_steps = optimizers.num_steps(config, spec)
    model = gaussian.from_config(config.model, spec)
    return {
        'model': model,
        'observation': observation.from_config(config.likelihood, config.model.output),
        'prior': prior.from_config(config.prior, spec, config.model.latents, model.posterior),
        'num_samples': config.num_samples,
        'optimizer': optimizers.from_config(config.optimizer, num_steps),
        'num_steps': num_steps,
        'starts_at_mean': config.get('starts_at_mean', False),
    }


def build(config: ConfigDict, spec: DataSpec) -> VAE:
    """The variational autoencoder of `config`.

    Raises:
        UserError: as from `parts`; on a negative beta, a warm-up longer than the training, or free bits without a closed form.
    """
    check_ranges(config, {'beta': (0.0, math.inf), 'free_bits': (0.0, 1e6), 'warmup_epochs': (0, math.inf)})
    if config.warmup_epochs > config.epochs:
        raise UserError(f'warmup_epochs={config.warmup_epochs} must be at most the {config.epochs} epochs of the training')
    if config.free_bits and config.prior.kind != 'standard':
        raise UserError(
            f"free_bits are given by dimension, which prior.kind={config.prior.kind!r} has no KL for; set it to 'standard'"
        )
    fields = parts(config, spec)
    warmup_steps = config.warmup_epochs * (fields['num_steps'] // config.epochs)
    hparams = {'beta': config.beta, **({'free_bits': config.free_bits} if config.free_bits else {})}
    return VAE(**fields, hparams=hparams, warmup_steps=warmup_steps)
