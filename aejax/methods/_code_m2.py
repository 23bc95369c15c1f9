"""M2 of codes instead of images: the upper half of M1+M2."""

import math

import jax.numpy as jnp

from aejax.distributions import normal
from aejax.methods.m2 import M2
from aejax.types import Array, Key, Mutables, Params


class CodeM2(M2):
    """M2 of codes: a Gaussian likelihood, mean and log-variance from the decoder, over the dimensions in mutables' 'kept'."""

    def log_likelihood(self, params: Params, mutables: Mutables, x: Array, out: Array) -> Array:
        """log p(z1 given y, z2), [N], nats, over the kept dimensions."""
        kept, size = mutables['kept'][None], self.model.num_inputs
        # A Gaussian of variance 1 / (2 pi) has density one at its mean: a dimension that is not kept adds zero.
        log_variance = jnp.where(kept, out[:, size:], -math.log(2 * math.pi))
        return normal.log_prob(jnp.where(kept, x, 0.0), jnp.where(kept, out[:, :size], 0.0), log_variance)

    def draw(self, params: Params, key: Key, z: Array, label: Array) -> Array:
        """z1 from p(z1 given y, z2), [B, d1]."""
        out = self.model.decode(params, z, label)
        return normal.sample(key, *jnp.split(out, 2, axis=-1))

    def mean(self, out: Array) -> Array:
        """Of p(z1 given y, z2)."""
        return out[:, : self.model.num_inputs]
