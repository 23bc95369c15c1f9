"""Autoencoder with a diagonal Gaussian posterior: the encoder's last layer gives mean and log-variance in one matrix product."""

import dataclasses

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from aejax.models.autoencoder import Autoencoder, apply, check_config, make_decoder, make_encoder
from aejax.types import Array, DataSpec, Key, Params


@dataclasses.dataclass(frozen=True)
class GaussianAutoencoder(Autoencoder):
    """q(z given x) = N(mu(x), diag(sigma^2(x))) over `latents` dimensions, decoded by g. The code of x is mu(x)."""

    latents: int = 0

    def init(self, key: Key, x: Array) -> Params:
        """Parameters of both groups for inputs shaped as x [B, ...]."""
        encoder_key, decoder_key = jax.random.split(key)
        return {
            'encoder': self.encoder.init(encoder_key, x)['params'],
            'decoder': self.decoder.init(decoder_key, jnp.zeros((1, self.latents)))['params'],
        }

    def posterior(self, params: Params, x: Array) -> tuple[Array, Array]:
        """(mean, log_variance) of q(z given x): [B, ...] -> two of [B, latents]."""
        out = apply(self.encoder, params['encoder'], x)
        return out[:, : self.latents], out[:, self.latents :]

    def encode(self, params: Params, x: Array) -> Array:
        """mu(x): [B, ...] -> [B, latents]."""
        return self.posterior(params, x)[0]


def from_config(config: ConfigDict, spec: DataSpec) -> GaussianAutoencoder:
    """The Gaussian autoencoder of a `model` section.

    Raises:
        UserError: on a kind, activation or output that does not exist or does not fit the data.
    """
    check_config(config, spec)
    encoder = make_encoder(config, 2 * config.latents, spec)
    return GaussianAutoencoder(encoder, make_decoder(config, spec), spec.shape, config.output, config.latents)
