"""Total variation of images: what speckles cost and flat areas do not."""

import chex
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array


def total_variation(x: Array) -> Array:
    """sum |x_{i+1, j} - x_{i, j}| + sum |x_{i, j+1} - x_{i, j}|, over neighbouring pixels and channels (the anisotropic form).

    Source: Rudin, Osher & Fatemi 1992, https://doi.org/10.1016/0167-2789(92)90242-F, for the idea.

    Args:
        x: [B, h, w, c].

    Returns:
        [B], in units of x.

    Raises:
        AssertionError: the rank is not 4.
    """
    chex.assert_rank(x, 4)
    down, right = x[:, 1:] - x[:, :-1], x[:, :, 1:] - x[:, :, :-1]
    return sum_per_example(jnp.abs(down)) + sum_per_example(jnp.abs(right))
