"""Two stochastic layers: z2 ~ N(0, I), z1 ~ p(z1 given z2), x ~ p(x given z1), with q(z1 given x) q(z2 given z1).

Both layers are one code z = (z1, z2), and log w = log p(x given z1) + log p(z1 given z2) + log p(z2) - log q(z1 given x) -
log q(z2 given z1). What is maximised is the mean of log w over k samples (objective 'vae', the ELBO) or the log of the mean of w
(objective 'iwae'), as in `aejax.methods.iwae`. q(z given x) is no diagonal Gaussian: there is `propose` and no `posterior`.

Source: Burda, Grosse & Salakhutdinov 2016, https://arxiv.org/abs/1509.00519.
"""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Literal

import optax
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.distributions.reduction import repeat
from aejax.losses.importance import surrogate_log_weights
from aejax.losses.reconstruction import squared_error
from aejax.methods._coding import Coding
from aejax.methods.iwae import bounds, check_objective, objective_output
from aejax.models import hierarchical, observation
from aejax.models.autoencoder import decoder_around
from aejax.models.hierarchical import Hierarchical
from aejax.models.observation import Observation
from aejax.settings import check_ranges
from aejax.types import Array, Batch, Context, DataSpec, Key, LossOutput, Mutables, Params, Phase, Stage


@dataclasses.dataclass(frozen=True)
class HierarchicalVAE(Coding):
    """See the module. A code is (z1, z2), the mean of q(z1 given x) and that of q(z2 given z1) there: [B, d1 + d2].

    Attributes:
        model: encoders and decoders of both layers.
        observation: p(x given z1), from the decoder's pre-activation.
        num_samples: k.
        objective: 'iwae' or 'vae'.
        gradient: 'plain', 'stl' or 'dreg'.
        starts_at_mean: see `aejax.methods.vae.VAE`.
    """

    model: Hierarchical
    observation: Observation
    num_samples: int
    objective: str
    gradient: str
    optimizer: optax.GradientTransformation
    num_steps: int
    starts_at_mean: bool = False
    hparams: Mapping[str, float] = dataclasses.field(default_factory=dict)
    selection: tuple[str, Literal['min', 'max']] = ('iwae_bound', 'max')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        """One stage of one phase."""
        groups = ('encoder', 'decoder', *self.observation.groups)
        return (Stage('train', (Phase(self.objective, self.loss, groups, self.optimizer),), self.num_steps),)

    def init(self, key: Key, batch: Batch) -> tuple[Params, Mutables]:
        """Glorot-uniform kernels, biases of zero but, where the model starts at the mean, the decoder's last; no mutables."""
        params = {**self.model.init(key, batch['x']), **self.observation.init()}
        if self.starts_at_mean:
            lower = decoder_around(self.model.lower_decoder, params['decoder']['lower'], batch['x'], self.model.output)
            params['decoder'] = {**params['decoder'], 'lower': lower}
        return params, {}

    def log_weights(self, params: Params, x: Array, z: Array, encoder: Params) -> tuple[Array, Array]:
        """log p(x given z) and log q(z given x) - log p(z), each [k, B], nats: their difference is log w.

        Args:
            params: of all groups.
            x: [B, ...].
            z: [k, B, d].
            encoder: the parameters that q is computed from.
        """
        flat = z.reshape(-1, z.shape[-1])
        lower = self.lower_posterior(encoder, x, len(z))
        log_likelihood = self.likelihood(params, {}, flat, repeat(x, len(z)))
        log_ratio = self.model.proposal_log_prob(encoder, flat, lower) - self.model.prior_log_prob(params, flat)
        return log_likelihood.reshape(z.shape[:2]), log_ratio.reshape(z.shape[:2])

    def lower_posterior(self, encoder: Params, x: Array, num: int) -> tuple[Array, Array]:
        """Mean and log-variance of q(z1 given x), each [num * B, d1]: those of the batch, `num` times."""
        mean, log_variance = self.model.lower_posterior(encoder, x)
        return repeat(mean, num), repeat(log_variance, num)

    def draw(self, params: Params, key: Key, x: Array, num: int) -> Array:
        """Reparameterised z from q(z given x), [num, B, d]."""
        lower = self.lower_posterior(params['encoder'], x, num)
        return self.model.propose(params, key, lower).reshape(num, len(x), -1)

    def loss(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> LossOutput:
        """Mean over the batch of minus the bound that the objective names, with the gradient that was chosen."""
        z = self.draw(params, context.key, batch['x'], self.num_samples)

        def log_weight(z: Array, encoder: Params) -> Array:
            log_likelihood, log_ratio = self.log_weights(params, batch['x'], z, encoder)
            return log_likelihood - log_ratio

        return objective_output(surrogate_log_weights(log_weight, z, params['encoder'], self.gradient), self.objective)

    def evaluate(self, params: Params, mutables: Mutables, batch: Batch, context: Context) -> Mapping[str, Array]:
        """As an IWAE's: iwae_bound; elbo, log_likelihood and kl as means over k samples; squared_error of `reconstruct`."""
        x = batch['x']
        z = self.draw(params, context.key, x, self.num_samples)
        found = bounds(*self.log_weights(params, x, z, params['encoder']))
        return {**found, 'squared_error': squared_error(x, self.reconstruct(params, mutables, x))}

    def sample(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """Means of p(x given z1) for z drawn from the prior."""
        return self.model.decode(params, self.model.sample_prior(params, key, num))

    def sample_prior(self, params: Params, mutables: Mutables, key: Key, num: int) -> Array:
        """z = (z1, z2) from p(z2) p(z1 given z2), [num, d1 + d2]."""
        return self.model.sample_prior(params, key, num)

    def propose(self, params: Params, mutables: Mutables, key: Key, x: Array, num: int) -> tuple[Array, Array]:
        """z = (z1, z2) from q(z1 given x) q(z2 given z1), [num, B, d1 + d2], and its log-density, [num, B], nats."""
        z = self.draw(params, key, x, num)
        lower = self.lower_posterior(params['encoder'], x, num)
        log_q = self.model.proposal_log_prob(params['encoder'], z.reshape(-1, z.shape[-1]), lower)
        return z, log_q.reshape(z.shape[:2])

    def likelihood(self, params: Params, mutables: Mutables, z: Array, x: Array) -> Array:
        """log p(x given z1), [B], nats."""
        return self.observation.log_prob(params, x, self.model.decode_linear(params, z))

    def prior_log_prob(self, params: Params, mutables: Mutables, z: Array) -> Array:
        """log p(z2) + log p(z1 given z2), [B], nats."""
        return self.model.prior_log_prob(params, z)


def build(config: ConfigDict, spec: DataSpec) -> HierarchicalVAE:
    """The two-layer autoencoder of `config`.

    Raises:
        UserError: on an objective, gradient, likelihood or model that does not exist or does not fit the rest, or fewer than
            one sample.
    """
    check_objective(config)
    check_ranges(config, {'num_samples': (1, 1e6)})
    num_steps = optimizers.num_steps(config, spec)
    return HierarchicalVAE(
        model=hierarchical.from_config(config.model, spec),
        observation=observation.from_config(config.likelihood, config.model.output),
        num_samples=config.num_samples,
        objective=config.objective,
        gradient=config.gradient,
        optimizer=optimizers.from_config(config.optimizer, num_steps),
        num_steps=num_steps,
        starts_at_mean=config.get('starts_at_mean', False),
    )
