"""Activations by the name that a config gives them."""

from collections.abc import Callable

import jax

from aejax.types import Array, UserError

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    'identity': lambda x: x,
    'relu': jax.nn.relu,
    'leaky_relu': jax.nn.leaky_relu,
    'elu': jax.nn.elu,
    'gelu': jax.nn.gelu,
    'silu': jax.nn.silu,
    'softplus': jax.nn.softplus,
    'sigmoid': jax.nn.sigmoid,
    'tanh': jax.numpy.tanh,
}


def activation(name: str) -> Callable[[Array], Array]:
    """The elementwise function called `name`.

    Raises:
        UserError: naming the choices, if there is none of that name.
    """
    if name not in ACTIVATIONS:
        raise UserError(f'there is no activation {name!r}; choose one of {", ".join(ACTIVATIONS)}')
    return ACTIVATIONS[name]
