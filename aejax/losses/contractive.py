"""The contractive penalty norm(J_h(x))_F^2: how strongly the code h(x) moves when the example x does.

Automatic differentiation gives the penalty of any encoder (`jacobian_penalty_autodiff`), at the price of a backward pass for each
unit of the code, and of another one through all of them to train it. For a multi-layer perceptron the exact forms of
`aejax.losses.jacobian_forms` cost far less (`jacobian_penalty`).

Source: Rifai et al. 2011, Contractive auto-encoders, https://icml.cc/2011/papers/455_icmlpaper.pdf.
"""

import math
from collections.abc import Callable, Sequence

import chex
import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.losses.jacobian_forms import FORMS, choose_form, count_multiply_adds
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
    linear_code = is_identity(activations[-1])
    chosen = choose_form(sizes, x.shape[0], linear_code) if form == 'auto' else form
    existing = count_multiply_adds(sizes, x.shape[0], linear_code)
    if chosen not in existing:
        raise UserError(f'penalty form {form!r} does not exist for layers {sizes}: choose auto or one of {", ".join(existing)}')
    return FORMS[chosen](weights, slopes), code


def jacobian_change(layers: Layers, activations: Sequence[Activation], x: Array, moved: Array) -> Array:
    """norm(J_h(x) - J_h(x~))_F^2 of a multi-layer perceptron, the penalty of the higher-order contractive autoencoder.

    Of one layer in closed form, sum_j (s'(a_j) - s'(a~_j))^2 sum_i W_ij^2; of more, by `jacobian_change_autodiff`. Its mean over
    x~ = x + eps with eps ~ N(0, s^2 I), divided by s^2, tends to the squared norm of the Hessian of h, all d D^2 second
    derivatives, as s falls.

    Source: Rifai et al. 2011, Higher order contractive auto-encoder, https://doi.org/10.1007/978-3-642-23783-6_41.

    Args:
        layers: as in `jacobian_penalty`.
        activations: as in `jacobian_penalty`.
        x: [B, d_0].
        moved: x~, [B, d_0].

    Returns:
        [B].

    Raises:
        ValueError: there are not as many activations as layers.
        AssertionError: shapes do not fit together.
    """
    chex.assert_rank([x, moved], 2)
    chex.assert_equal_shape([x, moved])
    if len(layers) > 1:
        return jacobian_change_autodiff(lambda example: _encode(layers, activations, example), x, moved)
    [(weight, bias)], [activation] = layers, activations
    slope, moved_slope = (value_and_slope(activation, inputs @ weight + bias[None])[1] for inputs in (x, moved))
    return jnp.square(slope - moved_slope) @ jnp.sum(jnp.square(weight), axis=0)


def jacobian_change_autodiff(encode: Callable[[Array], Array], x: Array, moved: Array) -> Array:
    """norm(J_h(x) - J_h(x~))_F^2 [B] of any encoder, from both Jacobians; arguments as in `jacobian_penalty_autodiff`."""
    jacobian = jax.vmap(cheaper_jacobian(encode, x.shape[1:]))
    return sum_per_example(jnp.square(jacobian(x) - jacobian(moved)))


def _encode(layers: Layers, activations: Sequence[Activation], x: Array) -> Array:
    """h(x) of one example."""
    for (weight, bias), activation in zip(layers, activations, strict=True):
        x = activation(x @ weight + bias)
    return x


def value_and_slope(activation: Activation, a: Array) -> tuple[Array, Array]:
    """s(a) and s'(a) of an elementwise s, both of the shape of a."""
    return jax.jvp(activation, (a,), (jnp.ones_like(a),))


def is_identity(activation: Activation) -> bool:
    """Whether the function returns its argument as it is: `jax.nn.identity`, `lambda a: a` and the like."""
    with jax.disable_jit():
        traced = jax.make_jaxpr(activation)(jnp.zeros(())).jaxpr
    return traced.outvars == traced.invars
