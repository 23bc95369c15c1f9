"""A bound on log p(x) from bounds on log p(x, y), with a discrete y summed out."""

import chex
import jax
import jax.numpy as jnp

from aejax.types import Array


def marginal_bound(bounds: Array, logits: Array) -> Array:
    """sum_y q(y given x) bound(x, y) + H(q(y given x)), where q = softmax(logits) and bound(x, y) <= log p(x, y).

    It is at most log sum_y exp(bound(x, y)), and equal to that at logits = bounds: what q loses is KL(q, softmax(bounds)).

    Source: Kingma et al. 2014, equation 7, https://arxiv.org/abs/1406.5298 (there with the other sign, -U(x)).

    Args:
        bounds: of every class, [B, classes], nats.
        logits: of q, [B, classes].

    Returns:
        [B], nats.

    Raises:
        AssertionError: the shapes differ.
    """
    chex.assert_equal_shape([bounds, logits])
    log_q = jax.nn.log_softmax(logits)
    return jnp.sum(jnp.exp(log_q) * (bounds - log_q), axis=-1)
