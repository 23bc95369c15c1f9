"""The diagonal Gaussian, given by its mean and log-variance: N(x; mu, diag(sigma^2)) with log_variance = log sigma^2.

All arguments are [B, ...] of one shape; all results are in nats per example, [B], summed over all axes but the first.
"""

import math

import chex
import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array, Key


def log_prob(x: Array, mean: Array, log_variance: Array) -> Array:
    """Log-density, log N(x; mu, sigma^2) = -1/2 sum((x - mu)^2 / sigma^2 + log sigma^2 + log(2 pi)).

    Args:
        x: [B, ...].
        mean: mu, [B, ...].
        log_variance: log sigma^2, [B, ...].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([x, mean, log_variance])
    scaled_square = jnp.square(x - mean) * jnp.exp(-log_variance)
    return -0.5 * sum_per_example(scaled_square + log_variance + math.log(2 * math.pi))


def entropy(log_variance: Array) -> Array:
    """Differential entropy, 1/2 sum(log sigma^2 + log(2 pi e)).

    Args:
        log_variance: log sigma^2, [B, ...].

    Returns:
        [B], in nats.
    """
    return 0.5 * sum_per_example(log_variance + math.log(2 * math.pi) + 1)


def kl_standard(mean: Array, log_variance: Array) -> Array:
    """KL(N(mu, sigma^2), N(0, I)) = 1/2 sum(sigma^2 + mu^2 - log sigma^2 - 1).

    It is smallest, and zero, at mu = 0 and sigma = 1. Two slips are common in lecture notes: the sum without its factor of a
    half, and the minimum placed at sigma = 0, where the divergence is infinite.

    Source: Kingma and Welling 2014, appendix B, https://arxiv.org/abs/1312.6114.

    Args:
        mean: mu, [B, ...].
        log_variance: log sigma^2, [B, ...].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: the shapes differ.
    """
    return sum_per_example(kl_standard_by_dimension(mean, log_variance))


def kl_standard_by_dimension(mean: Array, log_variance: Array) -> Array:
    """The terms of `kl_standard`, 1/2 (sigma^2 + mu^2 - log sigma^2 - 1) of each dimension, in nats: [B, d]."""
    chex.assert_equal_shape([mean, log_variance])
    # expm1(v) - v keeps its digits where sigma is near 1; exp(v) - v - 1 loses them.
    return 0.5 * (jnp.square(mean) + jnp.expm1(log_variance) - log_variance)


def kl(mean_q: Array, log_variance_q: Array, mean_p: Array, log_variance_p: Array) -> Array:
    """KL(q, p) of two diagonal Gaussians, 1/2 sum(r + (mu_q - mu_p)^2 / sigma_p^2 - log r - 1) with r = sigma_q^2 / sigma_p^2.

    Args:
        mean_q: [B, ...].
        log_variance_q: [B, ...].
        mean_p: [B, ...].
        log_variance_p: [B, ...].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([mean_q, log_variance_q, mean_p, log_variance_p])
    log_ratio = log_variance_q - log_variance_p
    scaled_square = jnp.square(mean_q - mean_p) * jnp.exp(-log_variance_p)
    return 0.5 * sum_per_example(scaled_square + jnp.expm1(log_ratio) - log_ratio)


def sample(key: Key, mean: Array, log_variance: Array) -> Array:
    """One reparameterised draw, z = mu + sigma * eps with eps ~ N(0, I), through which gradients reach mu and sigma.

    The noise is scaled by the standard deviation, sigma = exp(log_variance / 2). Some notes write mu + sigma^2 * eps, a slip:
    such a draw has variance sigma^4.

    Source: Kingma and Welling 2014, section 2.4, https://arxiv.org/abs/1312.6114.

    Args:
        key: consumed.
        mean: mu, [B, ...] (or any shape).
        log_variance: log sigma^2, of the same shape.

    Returns:
        Of the shape and type of `mean`.

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([mean, log_variance])
    noise = jax.random.normal(key, jnp.shape(mean), jnp.result_type(mean, log_variance))
    return mean + jnp.exp(0.5 * log_variance) * noise


def propose(key: Key, mean: Array, log_variance: Array, num: int) -> tuple[Array, Array]:
    """`num` reparameterised draws of each example, with their log-densities.

    Args:
        key: consumed.
        mean: mu, [B, d].
        log_variance: log sigma^2, [B, d].
        num: of draws.

    Returns:
        z [num, B, d], and log N(z; mu, sigma^2) [num, B], in nats.

    Raises:
        AssertionError: the shapes differ.
    """
    mean, log_variance = (jnp.broadcast_to(leaf[None], (num, *leaf.shape)) for leaf in (mean, log_variance))
    z = sample(key, mean, log_variance)
    return z, jax.vmap(log_prob)(z, mean, log_variance)
