"""Penalties on parameters."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax.types import Array


def weight_decay(params: Mapping[str, Any]) -> Array:
    """Half the sum of squares of every weight, 1/2 sum(W^2), the penalty of the AE + weight decay baseline.

    Weights are the leaves that Flax (linen) names 'kernel'; biases and scales are left alone: decaying them shifts
    activations without making the map any smoother.

    Args:
        params: a tree of parameters.

    Returns:
        A scalar; 0 without any kernel.
    """
    leaves = jax.tree_util.tree_leaves_with_path(params)
    kernels = [leaf for path, leaf in leaves if getattr(path[-1], 'key', None) == 'kernel']
    return 0.5 * sum((jnp.sum(jnp.square(kernel)) for kernel in kernels), start=jnp.zeros(()))
