"""Reconstruction losses L(x, g(h(x))), where h encodes and g decodes: [B], summed over all axes but the first."""

import chex
import jax.numpy as jnp

from aejax.distributions import bernoulli
from aejax.distributions.reduction import rows, sum_per_example
from aejax.types import Array


def squared_error(x: Array, mean: Array) -> Array:
    """Squared Euclidean distance, norm(x - mean)^2.

    It is a Gaussian log-likelihood in disguise, -log N(x; mean, I) = norm(x - mean)^2 / 2 + D / 2 log(2 pi) with D the number of
    dimensions: the same minimum, but neither the same scale nor the same zero. Where a figure is to be a log-likelihood, take
    `aejax.distributions.normal.log_prob`.

    Args:
        x: [B, ...].
        mean: the reconstruction, [B, ...].

    Returns:
        [B], in squared units of x.

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([x, mean])
    return sum_per_example(jnp.square(rows(x) - rows(mean)))


def cross_entropy(x: Array, logits: Array) -> Array:
    """Cross-entropy from logits l, -sum(x log p + (1 - x) log(1 - p)) with p = sigmoid(l); finite at saturation.

    It equals minus the Bernoulli log-likelihood where x is binary. For grey x its smallest value, at p = x, is the entropy of x
    and not zero.

    Args:
        x: [B, ...] in [0, 1].
        logits: [B, ...].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: the shapes differ.
    """
    return -bernoulli.log_prob(x, logits)
