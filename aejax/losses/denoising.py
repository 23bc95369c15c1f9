"""Reconstruction losses that weigh what was corrupted apart from what was not: 'emphasis'.

With L_i the loss of input i and C the corrupted inputs, L = alpha sum_{i in C} L_i + beta sum_{i not in C} L_i. At
alpha = beta = 1 it is the plain loss of `aejax.losses.reconstruction`. Results are [B], summed over all axes but the first.

Source: Vincent et al. 2010, Stacked denoising autoencoders, "full" (beta = 0) and "double" (beta = alpha / 2) emphasis,
https://jmlr.org/papers/v11/vincent10a.html.
"""

import chex
import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array


def emphasised(losses: Array, corrupted: Array, alpha: float | Array, beta: float | Array) -> Array:
    """alpha times the sum over corrupted inputs, plus beta times the sum over the others.

    Args:
        losses: of each input, [B, ...].
        corrupted: bool, [B, ...].
        alpha: weight of corrupted inputs.
        beta: weight of the others.

    Returns:
        [B].

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([losses, corrupted])
    return sum_per_example(jnp.where(corrupted, alpha, beta) * losses)


def squared_errors(x: Array, mean: Array) -> Array:
    """(x_i - mean_i)^2 of each input, of the shape of x."""
    chex.assert_equal_shape([x, mean])
    return jnp.square(x - mean)


def cross_entropies(x: Array, logits: Array) -> Array:
    """-x_i log p_i - (1 - x_i) log(1 - p_i) of each input with p = sigmoid(logits), nats; finite at saturation."""
    chex.assert_equal_shape([x, logits])
    return jax.nn.softplus(logits) - x * logits
