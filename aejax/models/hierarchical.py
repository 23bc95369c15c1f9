"""An autoencoder with two stochastic layers: q(z1 given x) q(z2 given z1), and p(z2) p(z1 given z2) p(x given z1).

All conditionals of codes are diagonal Gaussians, mean and log-variance in one matrix product; p(z2) = N(0, I). Both layers
together are one code z = (z1, z2) of d1 + d2 dimensions.

Source: Burda, Grosse & Salakhutdinov 2016, section 5, https://arxiv.org/abs/1509.00519.
"""

import dataclasses
import math

import flax.linen as nn
import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.distributions import normal
from aejax.models.activations import activation
from aejax.models.autoencoder import apply, check_config, check_widths, make_mlp
from aejax.models.mlp import dense_layers
from aejax.types import Array, DataSpec, Key, Params, UserError

Gaussian = tuple[Array, Array]
"""Mean and log-variance."""


@dataclasses.dataclass(frozen=True)
class Hierarchical:
    """Four networks: params are {'encoder': {'lower', 'upper'}, 'decoder': {'upper', 'lower'}}, named by the side of x.

    Attributes:
        lower_encoder: x -> q(z1 given x).
        upper_encoder: z1 -> q(z2 given z1).
        upper_decoder: z2 -> p(z1 given z2).
        lower_decoder: z1 -> g(z1), the pre-activation of the mean of x.
        latents: d1 and d2.
        shape: of one example.
        output: 'identity' or 'sigmoid'.
    """

    lower_encoder: nn.Module
    upper_encoder: nn.Module
    upper_decoder: nn.Module
    lower_decoder: nn.Module
    latents: tuple[int, int]
    shape: tuple[int, ...]
    output: str

    def init(self, key: Key, x: Array) -> Params:
        """Parameters of both groups for inputs shaped as x [B, ...]."""
        keys, lower, upper = jax.random.split(key, 4), *(jnp.zeros((1, size)) for size in self.latents)
        return {
            'encoder': {
                'lower': self.lower_encoder.init(keys[0], x)['params'],
                'upper': self.upper_encoder.init(keys[1], lower)['params'],
            },
            'decoder': {
                'upper': self.upper_decoder.init(keys[2], upper)['params'],
                'lower': self.lower_decoder.init(keys[3], lower)['params'],
            },
        }

    def split(self, z: Array) -> tuple[Array, Array]:
        """z1 [..., d1] and z2 [..., d2] from z."""
        return z[..., : self.latents[0]], z[..., self.latents[0] :]

    def lower_posterior(self, encoder: Params, x: Array) -> Gaussian:
        """q(z1 given x): two of [B, d1]. Takes the group 'encoder' alone."""
        return _halves(apply(self.lower_encoder, encoder['lower'], x))

    def upper_posterior(self, encoder: Params, z1: Array) -> Gaussian:
        """q(z2 given z1): two of [B, d2]. Takes the group 'encoder' alone."""
        return _halves(apply(self.upper_encoder, encoder['upper'], z1))

    def lower_prior(self, params: Params, z2: Array) -> Gaussian:
        """p(z1 given z2): two of [B, d1]."""
        return _halves(apply(self.upper_decoder, params['decoder']['upper'], z2))

    def encode(self, params: Params, x: Array) -> Array:
        """Mean of q(z1 given x), and that of q(z2 given z1) there: [B, ...] -> [B, d1 + d2]."""
        z1, _ = self.lower_posterior(params['encoder'], x)
        return jnp.concatenate([z1, self.upper_posterior(params['encoder'], z1)[0]], axis=-1)

    def propose(self, params: Params, key: Key, lower: Gaussian) -> Array:
        """z1 from q(z1 given x), then z2 from q(z2 given z1), reparameterised: [n, d1 + d2] from `lower` [n, d1] each."""
        lower_key, upper_key = jax.random.split(key)
        z1 = normal.sample(lower_key, *lower)
        return jnp.concatenate([z1, normal.sample(upper_key, *self.upper_posterior(params['encoder'], z1))], axis=-1)

    def proposal_log_prob(self, encoder: Params, z: Array, lower: Gaussian) -> Array:
        """log q(z1 given x) + log q(z2 given z1), [n], nats, for z [n, d1 + d2]. Takes the group 'encoder' alone."""
        z1, z2 = self.split(z)
        return normal.log_prob(z1, *lower) + normal.log_prob(z2, *self.upper_posterior(encoder, z1))

    def sample_prior(self, params: Params, key: Key, num: int) -> Array:
        """z2 from N(0, I), then z1 from p(z1 given z2): [num, d1 + d2]."""
        lower_key, upper_key = jax.random.split(key)
        z2 = jax.random.normal(upper_key, (num, self.latents[1]))
        return jnp.concatenate([normal.sample(lower_key, *self.lower_prior(params, z2)), z2], axis=-1)

    def prior_log_prob(self, params: Params, z: Array) -> Array:
        """log p(z2) + log p(z1 given z2), [n], nats, for z [n, d1 + d2]."""
        z1, z2 = self.split(z)
        return normal.log_prob(z1, *self.lower_prior(params, z2)) + normal.log_prob(z2, jnp.zeros_like(z2), jnp.zeros_like(z2))

    def decode_linear(self, params: Params, z: Array) -> Array:
        """g(z1), before the output's activation: [n, d1 + d2] -> [n, ...]; z2 plays no part once z1 is known."""
        return apply(self.lower_decoder, params['decoder']['lower'], self.split(z)[0]).reshape(-1, *self.shape)

    def decode(self, params: Params, z: Array) -> Array:
        """The mean of p(x given z1): [n, d1 + d2] -> [n, ...]."""
        return activation(self.output)(self.decode_linear(params, z))

    def filters(self, params: Params) -> Array:
        """Weights from the input to the units of the first layer, [D, m]."""
        return dense_layers(params['encoder']['lower'])[0][0]


def _halves(out: Array) -> Gaussian:
    size = out.shape[-1] // 2
    return out[..., :size], out[..., size:]


def from_config(config: ConfigDict, spec: DataSpec) -> Hierarchical:
    """The two-layer model of a `model` section: `hidden` and `latents` next to x, `upper_hidden` and `upper_latents` above.

    Raises:
        UserError: on an encoder, activation, width or output that does not exist or does not fit the data.
    """
    if config.encoder != 'mlp':
        raise UserError(f"model.encoder is {config.encoder!r}; two stochastic layers are built with 'mlp' only")
    check_config(config, spec)
    lower, upper, latents = tuple(config.hidden), tuple(config.upper_hidden), (config.latents, config.upper_latents)
    check_widths(f'model.upper_latents={latents[1]} and model.upper_hidden={upper}', (latents[1], *upper))
    return Hierarchical(
        lower_encoder=make_mlp(config, (*lower, 2 * latents[0])),
        upper_encoder=make_mlp(config, (*upper, 2 * latents[1])),
        upper_decoder=make_mlp(config, (*reversed(upper), 2 * latents[0])),
        lower_decoder=make_mlp(config, (*reversed(lower), math.prod(spec.shape))),
        latents=latents,
        shape=spec.shape,
        output=config.output,
    )
