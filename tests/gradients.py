"""Draws of a loss's gradient, for tests that compare its estimators."""

import jax
import jax.numpy as jnp
import numpy as np

from aejax.types import Context


def slopes(method, params, batch, num: int, seed: int) -> dict[str, np.ndarray]:
    """`num` draws of the slope of `method.loss` along one random direction in each leaf: {group: [num, leaves]}."""
    random = np.random.default_rng(0)
    direction = jax.tree.map(lambda leaf: jnp.asarray(random.normal(size=leaf.shape), jnp.float32), params)

    def one(key):
        context = Context(key=key, step=jnp.asarray(0), hparams=dict(method.hparams))
        gradient = jax.grad(lambda params: method.loss(params, {}, batch, context).loss)(params)
        return {name: jnp.stack(jax.tree.leaves(jax.tree.map(jnp.vdot, gradient[name], direction[name]))) for name in gradient}

    found = jax.jit(jax.vmap(one))(jax.random.split(jax.random.key(seed), num))
    return {name: np.asarray(values, np.float64) for name, values in found.items()}


def deviation(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The difference of the means of two sets of draws [num, ...], in standard errors."""
    error = np.sqrt(one.var(axis=0) / len(one) + other.var(axis=0) / len(other))
    return np.abs(one.mean(axis=0) - other.mean(axis=0)) / error
