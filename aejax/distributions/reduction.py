"""How batches are laid out as rows, and the one reduction that turns values per dimension into values per example."""

import jax.numpy as jnp

from aejax.types import Array


def sum_per_example(values: Array) -> Array:
    """Sums over all axes but the first, the batch axis: [B, ...] -> [B].

    Likelihoods, divergences and losses are sums over dimensions. A mean over pixels beside a summed KL would be a hidden beta as
    large as the number of pixels.

    Raises:
        ValueError: `values` is a scalar and so has no batch axis.
    """
    if jnp.ndim(values) == 0:
        raise ValueError('sum_per_example needs a batch axis, got a scalar')
    return jnp.sum(values, axis=tuple(range(1, jnp.ndim(values))))


def repeat(values: Array, num: int) -> Array:
    """[B, ...] -> [num * B, ...], the whole batch `num` times: row i B + b is row b."""
    return jnp.broadcast_to(values[None], (num, *values.shape)).reshape(-1, *values.shape[1:])


def rows(values: Array) -> Array:
    """[B, ...] -> [B, D]: on the last axes of an image, one channel at a time, XLA's loops on a CPU are five times as slow."""
    return values.reshape(values.shape[0], -1)
