"""Reconstruction losses that weigh what was corrupted apart from what was not: 'emphasis'.

With L_i the loss of input i and C the corrupted inputs, L = alpha sum_{i in C} L_i + beta sum_{i not in C} L_i. At
alpha = beta = 1 it is the plain loss of `aejax.losses.reconstruction`. Inputs are [B, ...], D numbers an example; losses of each
input are rows, [B, D], on which XLA's loops are fast (see `aejax.distributions.bernoulli.log_prob`).

Source: Vincent et al. 2010, Stacked denoising autoencoders, "full" (beta = 0) and "double" (beta = alpha / 2) emphasis,
https://jmlr.org/papers/v11/vincent10a.html.
"""

import chex
import jax.numpy as jnp

from aejax.distributions.bernoulli import softplus
from aejax.distributions.reduction import rows, sum_per_example
from aejax.types import Array


def emphasised(losses: Array, corrupted: Array, alpha: float | Array, beta: float | Array) -> Array:
    """alpha times the sum over corrupted inputs, plus beta times the sum over the others.

    Args:
        losses: of each input, [B, D].
        corrupted: bool, [B, ...].
        alpha: weight of corrupted inputs.
        beta: weight of the others.

    Returns:
        [B].

    Raises:
        AssertionError: the shapes differ.
    """
    losses, corrupted = rows(losses), rows(corrupted)
    chex.assert_equal_shape([losses, corrupted])
    return sum_per_example(jnp.where(corrupted, alpha, beta) * losses)


def squared_errors(x: Array, mean: Array) -> Array:
    """(x_i - mean_i)^2 of each input: both [B, ...] -> [B, D]."""
    chex.assert_equal_shape([x, mean])
    return jnp.square(rows(x) - rows(mean))


def cross_entropies(x: Array, logits: Array) -> Array:
    """-x_i log p_i - (1 - x_i) log(1 - p_i) of each input with p = sigmoid(logits), nats; finite at saturation: -> [B, D]."""
    chex.assert_equal_shape([x, logits])
    return softplus(rows(logits)) - rows(x) * rows(logits)
