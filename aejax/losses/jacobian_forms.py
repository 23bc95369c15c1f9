"""Exact forms of the contractive penalty of a multi-layer perceptron, and which of them is the cheapest.

With h_k = s_k(h_{k-1} W_k + b_k), h_0 = x and W_k [d_{k-1}, d_k], the encoder's Jacobian is a product of known factors,

    J = S_n W_n^T ... S_2 W_2^T S_1 W_1^T,    S_k = diag(s_k'(a_k)),    J [d_n, d_0],

and norm(J)_F^2 has several forms. Each takes the weights and the slopes s_k'(a_k), [B, d_k] a layer, and may be differentiated in
both modes:

- 'closed', one layer: sum_j s'(a_j)^2 sum_i W_ij^2. No example ever meets a matrix.
- 'forward': the product from the input's side, d_0 rows an example.
- 'reverse': the product from the code's side, d_n rows an example.
- 'gram', two layers or more: tr(A G A^T), where A [d_n, d_1] is the reverse product down to the first hidden layer and
  G = W_1^T W_1 is the same for the whole batch.
- 'hadamard', two layers and a linear code: s^T (G * (W_2 W_2^T)) s, where s is the diagonal of S_1 and * is elementwise. No
  product an example either.

Milliseconds for the penalty and its gradient, code included: batch 100, sigmoid units ('hadamard': linear code), two CPU cores.

    layers           closed   forward   reverse   gram   hadamard   jacrev   jacfwd
    784-1000              2       280         2      -          -        -      380
    784-1000-50           -      1000       200    190         35      200     1000
    784-500-20            -       430        37     21         10       29      430
    784-1000-100-20       -      2000        68     77          -       69     2000
    64-100-100-10         -         5       1.5    1.5          -      1.4        5
    784-1000-1000         -         -      4100   3500         65        -        -
"""

import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array


def choose_form(layer_sizes: Sequence[int], batch_size: int, linear_code: bool = False) -> str:
    """The form with the fewest multiply-adds for a value and its gradient; arguments as in `count_multiply_adds`."""
    counts = count_multiply_adds(layer_sizes, batch_size, linear_code)
    return min(counts, key=counts.__getitem__)


def count_multiply_adds(layer_sizes: Sequence[int], batch_size: int, linear_code: bool = False) -> dict[str, int]:
    """Multiply-adds of each form that exists, for one batch: the penalty's value and its gradient.

    A product of matrices costs m k n, and twice that again for the gradients of its factors. The quadratic form of 'gram' and G
    itself cost twice their value only, for G is symmetric and A G serves the gradient as well. The pass that gives the code,
    which all forms share, is left out.

    Args:
        layer_sizes: (d_0, ..., d_n), input size first.
        batch_size: B.
        linear_code: True where the last layer has no activation.

    Returns:
        Counts by the form's name.

    Raises:
        ValueError: fewer than two sizes.
    """
    if len(layer_sizes) < 2:
        raise ValueError(f'an encoder has an input and a code size at least, got {tuple(layer_sizes)}')
    first, hidden, hidden_last, last = layer_sizes[0], layer_sizes[1], layer_sizes[-2], layer_sizes[-1]
    products = [m * n for m, n in itertools.pairwise(layer_sizes)]
    forward = 3 * batch_size * first * (hidden + sum(products[1:]))
    if len(products) == 1:
        closed = 3 * (products[0] + batch_size * last)
        return {'closed': closed, 'forward': forward, 'reverse': closed}
    counts = {'forward': forward, 'reverse': 3 * batch_size * last * (hidden_last + sum(products[:-1]))}
    gram = products[0] * hidden
    counts['gram'] = 2 * gram + batch_size * last * (3 * hidden_last + 3 * sum(products[1:-1]) + 2 * hidden**2)
    if len(products) == 2 and linear_code:
        counts['hadamard'] = 3 * gram + 3 * products[1] * hidden + 3 * batch_size * hidden**2
    return counts


def _closed(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """sum_j s'(a_j)^2 sum_i W_ij^2."""
    return jnp.square(slopes[0]) @ jnp.sum(jnp.square(weights[0]), axis=0)


def _forward(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """norm(W_1 S_1 W_2 S_2 ...)^2, from the left."""
    product = weights[0][None] * slopes[0][:, None, :]
    for weight, slope in zip(weights[1:], slopes[1:], strict=True):
        product = (product @ weight) * slope[:, None, :]
    return sum_per_example(jnp.square(product))


def _reverse_product(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """W_n^T S_{n-1} ... S_1 W_1^T from the left, the Jacobian but for S_n: [B, d_n, d_0], or [1, d_1, d_0] of one layer."""
    product = weights[-1].T[None]
    for weight, slope in zip(weights[-2::-1], slopes[-2::-1], strict=True):
        product = (product * slope[:, None, :]) @ weight.T
    return product


def _reverse(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """sum_j s_n'(a_j)^2 norm(row j of the reverse product)^2."""
    row_norms = jnp.sum(jnp.square(_reverse_product(weights, slopes)), axis=2)
    return jnp.sum(jnp.square(slopes[-1]) * row_norms, axis=1)


def _gram(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """sum_j s_n'(a_j)^2 (A G A^T)_jj with A = W_n^T S_{n-1} ... W_2^T S_1 and G = W_1^T W_1."""
    product = _reverse_product(weights[1:], slopes[1:]) * slopes[0][:, None, :]
    row_norms = _row_norms(product.reshape(-1, product.shape[2]), weights[0]).reshape(product.shape[:2])
    return jnp.sum(jnp.square(slopes[-1]) * row_norms, axis=1)


def _hadamard(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """s^T M s with M = (W_1^T W_1) * (W_2 W_2^T), elementwise, and s the slopes of the hidden layer."""
    matrix = (weights[0].T @ weights[0]) * (weights[1] @ weights[1].T)
    return jnp.sum(slopes[0] * (slopes[0] @ matrix), axis=1)


@jax.custom_jvp
def _row_norms(A: Array, W: Array) -> Array:
    """norm(a W^T)^2 of each row a of A [N, m], with W [k, m], by way of W^T W."""
    return jnp.sum(A * (A @ (W.T @ W)), axis=1)


@_row_norms.defjvp
def _row_norms_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # Written out because JAX cannot know that W^T W is symmetric, and would need half as many products again for the gradient.
    (A, W), (A_dot, W_dot) = primals, tangents
    AG = A @ (W.T @ W)
    return jnp.sum(A * AG, axis=1), 2 * jnp.sum(AG * A_dot + A * (A @ (W.T @ W_dot)), axis=1)


FORMS: dict[str, Callable[[Sequence[Array], Sequence[Array]], Array]] = {
    'closed': _closed,
    'forward': _forward,
    'reverse': _reverse,
    'gram': _gram,
    'hadamard': _hadamard,
}
"""Each maps the weights and the slopes s_k'(a_k), [B, d_k] a layer, to the penalty [B]."""
