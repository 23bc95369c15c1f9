"""The standard normal prior, p(z) = N(z; 0, I)."""

import jax
import jax.numpy as jnp

from aejax.distributions import normal
from aejax.types import Array, Key


def log_prob(z: Array) -> Array:
    """log N(z; 0, I) = -1/2 sum(z^2 + log(2 pi)): [B, d] -> [B], in nats."""
    return normal.log_prob(z, jnp.zeros_like(z), jnp.zeros_like(z))


def sample(key: Key, num: int, latents: int) -> Array:
    """`num` draws from N(0, I), [num, latents]."""
    return jax.random.normal(key, (num, latents))
