"""How an encoder's code moves with its input: Jacobians, their norms and spectra, saturation, contraction.

`encode` is any pure function of a batch, [B, ...] -> [B, ...], that treats its examples one by one. D is the size of an example
and d that of its code, all their axes flattened. Results are per example: the caller takes means and standard errors.

Source: Rifai et al. 2011, Contractive auto-encoders, section 5, https://icml.cc/2011/papers/455_icmlpaper.pdf.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from aejax.distributions.reduction import sum_per_example
from aejax.evaluation.summary import summarise
from aejax.losses.contractive import cheaper_jacobian
from aejax.types import Array, Key

Encode = Callable[[Array], Array]
CHUNK = 32
"""Examples differentiated at once: a 1,000-unit code of a 784-pixel image needs 100 MB for them."""


def jacobians(encode: Encode, x: ArrayLike, chunk: int = CHUNK) -> Array:
    """The Jacobian J_h(x) of each example, by the mode of differentiation that needs fewer passes.

    All of them are returned, B d D numbers; where norms or spectra suffice, the functions below never hold more than a chunk.

    Args:
        encode: [B, ...] -> [B, ...].
        x: [B, ...].
        chunk: examples differentiated at once.

    Returns:
        [B, d, D], with J[b, j, i] the derivative of h_j(x_b) with respect to x_bi.
    """
    return _map_jacobians(lambda jacobian: jacobian, encode, x, chunk)


def frobenius_norms(encode: Encode, x: ArrayLike, chunk: int = CHUNK) -> Array:
    """norm(J_h(x))_F of each example, [B]: the norm, not its square; arguments as in `jacobians`."""
    return _map_jacobians(lambda jacobian: jnp.sqrt(jnp.sum(jnp.square(jacobian))), encode, x, chunk)


def singular_values(encode: Encode, x: ArrayLike, chunk: int = CHUNK) -> Array:
    """Singular values of J_h(x), largest first; arguments as in `jacobians`.

    They come from J itself. The eigenvalues of J J^T are faster, but in float32 they lose every singular value below about 3e-4
    of the largest, and the tail is what tells encoders apart.

    Returns:
        [B, min(d, D)].
    """
    return _map_jacobians(lambda jacobian: jnp.linalg.svd(jacobian, compute_uv=False), encode, x, chunk)


def mean_spectrum(encode: Encode, x: ArrayLike) -> dict[str, np.ndarray]:
    """'mean' and 'standard_error' over the examples x [B, ...] of their singular values, each [min(d, D)], largest first."""
    return _summaries(np.asarray(singular_values(encode, x)).T)


def saturation(codes: Array, low: float = 0.05, high: float = 0.95) -> Array:
    """Share of a code's activations below `low` or above `high`, where a sigmoid is nearly flat.

    Args:
        codes: [B, ...], in [0, 1].
        low: lower threshold.
        high: upper threshold.

    Returns:
        [B], between 0 and 1.
    """
    saturated = jnp.logical_or(codes < low, codes > high)
    return sum_per_example(saturated.astype(jnp.float32)) * (len(codes) / codes.size)


def contraction_curve(
    encode: Encode, x: ArrayLike, radii: Sequence[float] | np.ndarray, key: Key, num_directions: int = 10
) -> dict[str, np.ndarray]:
    """Contraction ratio norm(h(x0) - h(x1)) / norm(x0 - x1), with x1 uniform on the sphere of each radius round each x0.

    As the radius falls, the mean square of the ratio over directions tends to norm(J_h(x0))_F^2 / D. All radii share their
    directions, so that the curve bends with the radius and not with the draw. In float32 a radius below 1e-3 of norm(x0) measures
    rounding.

    Args:
        encode: [B, ...] -> [B, ...].
        x: the centres, [B, ...].
        radii: R of them, above zero.
        key: consumed.
        num_directions: draws of x1 a centre and radius.

    Returns:
        'mean' [R] over centres and directions, and its 'standard_error' [R], which takes the centres as the independent draws.

    Raises:
        ValueError: a radius is not positive.
    """
    if np.min(radii) <= 0:
        raise ValueError(f'contraction_curve needs radii above zero, got {np.min(radii)}')
    ratios = _contraction_ratios(encode, jnp.asarray(x), jnp.asarray(radii), key, num_directions)
    return _summaries(np.asarray(ratios, np.float64).mean(axis=0))


def _summaries(rows: np.ndarray) -> dict[str, np.ndarray]:
    """Mean and standard error of each row."""
    summaries = [summarise(row) for row in rows]
    return {name: np.asarray([summary[name] for summary in summaries]) for name in ('mean', 'standard_error')}


def _contraction_ratios(encode: Encode, x: Array, radii: Array, key: Key, num_directions: int) -> Array:
    """Ratios by direction, radius and centre, [num_directions, R, B]; one batch is encoded at a time."""
    codes = encode(x)

    def along_one_direction(key: Key) -> Array:
        noise = jax.random.normal(key, x.shape)
        direction = noise / jnp.expand_dims(_norms(noise), range(1, x.ndim))
        return jax.lax.map(lambda radius: _norms(encode(x + radius * direction) - codes) / radius, radii)

    return jax.lax.map(along_one_direction, jax.random.split(key, num_directions))


def _norms(values: Array) -> Array:
    return jnp.sqrt(sum_per_example(jnp.square(values)))


def _map_jacobians(function: Callable[[Array], Array], encode: Encode, x: ArrayLike, chunk: int) -> Array:
    """`function` of each example's [d, D] Jacobian, a chunk at a time so that memory stays bounded."""

    def encode_one(example: Array) -> Array:
        return encode(example[None])[0].ravel()

    x = jnp.asarray(x)
    jacobian = cheaper_jacobian(encode_one, x.shape[1:])

    def of_one(example: Array) -> Array:
        return function(jacobian(example).reshape(-1, example.size))

    return jax.lax.map(of_one, x, batch_size=min(chunk, len(x)))
