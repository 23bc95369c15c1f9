"""The contractive penalty norm(J_h(x))_F^2: how strongly the code h(x) moves when the example x does.

Source: Rifai et al. 2011, Contractive auto-encoders, https://icml.cc/2011/papers/455_icmlpaper.pdf.

Automatic differentiation gives the penalty of any encoder (`jacobian_penalty_autodiff`), at the price of a backward pass for each
unit of the code, and of another one through all of them to train it. For a multi-layer perceptron, h_k = s_k(h_{k-1} W_k + b_k)
with h_0 = x and W_k [d_{k-1}, d_k], the Jacobian is a product of known factors,

    J = S_n W_n^T ... S_2 W_2^T S_1 W_1^T,    S_k = diag(s_k'(a_k)),    J [d_n, d_0],

and its norm has exact forms that cost far less (`jacobian_penalty`). All of them may be differentiated, in both modes:

- 'closed', one layer: sum_j s'(a_j)^2 sum_i W_ij^2. No example ever meets a matrix.
- 'forward': the product from the input's side, d_0 rows an example.
- 'reverse': the product from the code's side, d_n rows an example.
- 'gram', two layers or more: tr(A G A^T), where A [d_n, d_1] is the reverse product down to the first hidden layer and
  G = W_1^T W_1 is taken once a batch.
- 'hadamard', two layers and a linear code: s^T (G * (W_2 W_2^T)) s, where s is the diagonal of S_1 and * is elementwise. No
  product an example either.
"""

import itertools
import math
from collections.abc import Callable, Sequence

import chex
import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array, UserError

Layers = Sequence[tuple[Array, Array]]
Activation = Callable[[Array], Array]


def jacobian_penalty_reference(encode: Callable[[Array], Array], x: Array) -> Array:
    """The penalty by forward-mode differentiation: slow, short, and what every other form is held against.

    Args:
        encode: of ONE example, any shape to any shape.
        x: [B, ...].

    Returns:
        norm(J_h(x))_F^2, [B].
    """
    return sum_per_example(jnp.square(jax.vmap(jax.jacfwd(encode))(x)))


def jacobian_penalty_autodiff(encode: Callable[[Array], Array], x: Array) -> Array:
    """The penalty of any encoder, by the mode of differentiation that needs fewer passes: min(D, d) of them.

    For encoders that are no multi-layer perceptrons (convolutions, say). Memory is B D d numbers.

    Args:
        encode: of ONE example, any shape to any shape.
        x: [B, ...].

    Returns:
        norm(J_h(x))_F^2, [B].
    """
    return sum_per_example(jnp.square(jax.vmap(cheaper_jacobian(encode, x.shape[1:]))(x)))


def cheaper_jacobian(encode: Callable[[Array], Array], shape: tuple[int, ...]) -> Callable[[Array], Array]:
    """`jax.jacfwd(encode)` or `jax.jacrev(encode)`, whichever needs fewer passes for an example of this shape."""
    code = jax.eval_shape(encode, jax.ShapeDtypeStruct(shape, jnp.float32))
    return jax.jacrev(encode) if math.prod(code.shape) < math.prod(shape) else jax.jacfwd(encode)


def jacobian_penalty(layers: Layers, activations: Sequence[Activation], x: Array, form: str = 'auto') -> tuple[Array, Array]:
    """The exact penalty of a multi-layer perceptron, and its code, so that the forward pass is not done twice.

    Args:
        layers: (W_k [d_{k-1}, d_k], b_k [d_k]) from the input on.
        activations: s_k, one a layer. Elementwise: an output may depend on its own input only. Softmax and layer normalisation
            are not, and would be given a wrong penalty without a warning. Derivatives are taken exactly, by `jax.jvp`.
        x: [B, d_0].
        form: 'closed', 'forward', 'reverse', 'gram' or 'hadamard', or 'auto' for the cheapest (`choose_form`).

    Returns:
        norm(J_h(x))_F^2 [B], and h(x) [B, d_n].

    Raises:
        UserError: there is no such form for these layers.
        ValueError: there are not as many activations as layers.
        AssertionError: shapes do not fit together.
    """
    chex.assert_rank(x, 2)
    slopes, code = [], x
    for (weight, bias), activation in zip(layers, activations, strict=True):
        chex.assert_shape([weight, bias], [(code.shape[1], bias.size), (bias.size,)])
        code, slope = value_and_slope(activation, code @ weight + bias[None])
        slopes.append(slope)
    weights = [weight for weight, _ in layers]
    sizes = (x.shape[1], *(weight.shape[1] for weight in weights))
    counts = count_multiply_adds(sizes, x.shape[0], is_identity(activations[-1]))
    if form != 'auto' and form not in counts:
        raise UserError(f'penalty form {form!r} does not exist for layers {sizes}: choose auto or one of {", ".join(counts)}')
    chosen = min(counts, key=counts.__getitem__) if form == 'auto' else form
    return FORMS[chosen](weights, slopes), code


def choose_form(layer_sizes: Sequence[int], batch_size: int, linear_code: bool = False) -> str:
    """The form with the fewest multiply-adds for a value and its gradient; arguments as in `count_multiply_adds`."""
    counts = count_multiply_adds(layer_sizes, batch_size, linear_code)
    return min(counts, key=counts.__getitem__)


def count_multiply_adds(layer_sizes: Sequence[int], batch_size: int, linear_code: bool = False) -> dict[str, int]:
    """Multiply-adds of each form that exists, for one batch: the penalty's value and its gradient.

    A product of matrices costs m k n, and twice that again for the gradients of its factors. The quadratic form of 'gram' costs
    twice its value only, for G is symmetric and A G serves the gradient as well. Forward passes, which all forms share, are left
    out.

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
    counts = {
        'forward': 3 * batch_size * first * (hidden + sum(products[1:])),
        'reverse': 3 * batch_size * last * (hidden_last + sum(products[:-1])),
    }
    if len(products) == 1:
        return {'closed': 3 * (products[0] + batch_size * last), **counts}
    gram = 3 * products[0] * hidden
    counts['gram'] = gram + batch_size * last * (3 * hidden_last + 3 * sum(products[1:-1]) + 2 * hidden**2)
    if len(products) == 2 and linear_code:
        counts['hadamard'] = gram + 3 * products[1] * hidden + 3 * batch_size * hidden**2
    return counts


def value_and_slope(activation: Activation, a: Array) -> tuple[Array, Array]:
    """s(a) and s'(a) of an elementwise s, both of the shape of a."""
    return jax.jvp(activation, (a,), (jnp.ones_like(a),))


def is_identity(activation: Activation) -> bool:
    """Whether the function returns its argument as it is: `jax.nn.identity`, `lambda a: a` and the like."""
    with jax.disable_jit():
        traced = jax.make_jaxpr(activation)(jnp.zeros(())).jaxpr
    return traced.outvars == traced.invars


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
    """The Jacobian S_n W_n^T ... S_1 W_1^T, [B, d_n, d_0], from the left."""
    product = weights[-1].T[None] * slopes[-1][:, :, None]
    for weight, slope in zip(weights[-2::-1], slopes[-2::-1], strict=True):
        product = (product * slope[:, None, :]) @ weight.T
    return product


def _reverse(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """norm(J)^2 of the reverse product."""
    return sum_per_example(jnp.square(_reverse_product(weights, slopes)))


def _gram(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """tr(A G A^T) with A = S_n W_n^T ... W_2^T S_1 and G = W_1^T W_1."""
    product = _reverse_product(weights[1:], slopes[1:]) * slopes[0][:, None, :]
    return _quadratic_trace(product, weights[0].T @ weights[0])


def _hadamard(weights: Sequence[Array], slopes: Sequence[Array]) -> Array:
    """s^T M s with M = (W_1^T W_1) * (W_2 W_2^T), elementwise, and s the slopes of the hidden layer."""
    matrix = (weights[0].T @ weights[0]) * (weights[1] @ weights[1].T)
    return jnp.sum(slopes[0] * (slopes[0] @ matrix), axis=1)


@jax.custom_jvp
def _quadratic_trace(A: Array, G: Array) -> Array:
    """tr(A G A^T) for each A in [B, d, m] and one symmetric G [m, m]."""
    return sum_per_example(A * (A @ G))


@_quadratic_trace.defjvp
def _quadratic_trace_jvp(primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    # Written out because JAX cannot know that G is symmetric, and would multiply by it once more for the gradient of A.
    (A, G), (A_dot, G_dot) = primals, tangents
    AG = A @ G
    return sum_per_example(A * AG), 2 * sum_per_example(AG * A_dot) + sum_per_example(A * (A @ G_dot))


FORMS: dict[str, Callable[[Sequence[Array], Sequence[Array]], Array]] = {
    'closed': _closed,
    'forward': _forward,
    'reverse': _reverse,
    'gram': _gram,
    'hadamard': _hadamard,
}
"""Each maps the weights and the slopes s_k'(a_k), [B, d_k] a layer, to the penalty [B]."""
