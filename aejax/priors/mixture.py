"""A mixture of K diagonal Gaussians as prior: p(z) = sum_k pi_k N(z; mu_k, sigma_k^2), pi = softmax(logits).

Its parameters may be learned, as those of a decoder are, or computed (see `aejax.priors.vamp`).
"""

import math
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp

from aejax.distributions import normal
from aejax.types import Array, Key


class Components(NamedTuple):
    """Parameters of the mixture: unnormalised log-weights [K], means [K, d] and log-variances [K, d]."""

    logits: Array
    mean: Array
    log_variance: Array


def init(key: Key, num_components: int, latents: int) -> Components:
    """Equal weights, means drawn from N(0, I), unit variances: near N(0, 2 I) as a whole, with no two components alike."""
    mean = jax.random.normal(key, (num_components, latents))
    return Components(jnp.zeros((num_components,)), mean, jnp.zeros_like(mean))


def log_prob(z: Array, components: Components) -> Array:
    """log sum_k pi_k N(z; mu_k, sigma_k^2), as a log-sum-exp over components.

    Args:
        z: [B, d].
        components: K of them.

    Returns:
        [B], in nats.

    Raises:
        AssertionError: shapes do not fit together.
    """
    logits, mean, log_variance = components
    chex.assert_equal_shape([mean, log_variance])
    chex.assert_shape(mean, (logits.size, z.shape[1]))
    # Squares of differences, and no expanded matrix product: narrow components far from the origin would lose all their digits.
    scaled = jnp.square(z[:, None, :] - mean[None]) * jnp.exp(-log_variance)[None]
    normaliser = jnp.sum(log_variance + math.log(2 * math.pi), axis=1)
    log_densities = -0.5 * (jnp.sum(scaled, axis=2) + normaliser[None])
    return jax.nn.logsumexp(log_densities + jax.nn.log_softmax(logits)[None], axis=1)


def sample(key: Key, components: Components, num: int) -> Array:
    """`num` draws, [num, d]: a component each, then a draw from it. No gradient reaches the logits."""
    choice_key, noise_key = jax.random.split(key)
    chosen = jax.random.categorical(choice_key, components.logits, shape=(num,))
    return normal.sample(noise_key, components.mean[chosen], components.log_variance[chosen])
