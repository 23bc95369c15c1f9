"""The energy score: how well samples of a model forecast data, one number an example, without a likelihood."""

import chex
import jax.numpy as jnp

from aejax.types import Array

_SMALLEST = 1e-12


def _distances(x: Array, y: Array) -> Array:
    """norm(x_i - y_j) of the rows of x [n, D] and y [m, D], [n, m]; from one matrix product, of data moved to y's mean."""
    centre = jnp.mean(y, axis=0, keepdims=True)
    x, y = x - centre, y - centre
    squares = jnp.sum(jnp.square(x), axis=1)[:, None] + jnp.sum(jnp.square(y), axis=1)[None]
    return jnp.sqrt(jnp.maximum(squares - 2 * jnp.matmul(x, y.T, precision='highest'), _SMALLEST))


def energy_score(x: Array, samples: Array) -> Array:
    """mean_j norm(x - g_j) - 1/2 mean_{j != k} norm(g_j - g_k) over samples g of a model.

    A strictly proper scoring rule: its mean over data is smallest where the model's distribution is that of the data, and
    exceeds that minimum by half the energy distance between the two. Neither blurred means, nor a part of the data produced over
    and over, reach it. Unbiased for any number of samples.

    Source: Gneiting & Raftery 2007, Strictly proper scoring rules, prediction, and estimation, section 4.3,
    https://doi.org/10.1198/016214506000001437.

    Args:
        x: data, [B, ...].
        samples: [m, ...], m > 1.

    Returns:
        [B], in units of x.

    Raises:
        AssertionError: the shapes of an example differ, or there are fewer than two samples.
    """
    chex.assert_equal_shape_suffix([x, samples], x.ndim - 1)
    num = samples.shape[0]
    chex.assert_scalar_in(num, 2, float('inf'))
    flat = samples.reshape(num, -1)
    # A sample's distance to itself is not exactly zero here, and has no part in the mean.
    within = jnp.sum(jnp.where(jnp.eye(num, dtype=bool), 0.0, _distances(flat, flat))) / (num * (num - 1))
    return jnp.mean(_distances(x.reshape(x.shape[0], -1), flat), axis=1) - 0.5 * within
