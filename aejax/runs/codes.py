"""What a method's codes look like over a split: how sparse, how many units dead or saturated, how far they move with x."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax import preprocessing
from aejax.data import Dataset
from aejax.evaluation.activations import activation_statistics
from aejax.evaluation.active_units import active_units
from aejax.evaluation.importance_sampling import proposal
from aejax.evaluation.jacobian import CHUNK, frobenius_norms
from aejax.evaluation.summary import summarise
from aejax.spread import spread
from aejax.types import Array, Key, Method, Mutables, Params, TrainState

BATCH_SIZE = 500
NUM_SAMPLES = 50
"""Of each half, where the mean of the posterior is known by its samples only."""
NUM_JACOBIANS = 100
"""Examples: one costs as many passes as the smaller of input and code has numbers."""
LARGEST_CHUNK = 25_000_000
"""Numbers of the Jacobians that are held at once, 100 MB."""


def encode_split(method: Any, dataset: Dataset, state: TrainState, split: str) -> np.ndarray:
    """Codes [n, d] of every example of a split."""
    return over_split(lambda state, x, key: method.encode(state.params, state.mutables, x), dataset, state, split)


def over_split(
    function: Callable[[TrainState, Array, Key], Array], dataset: Dataset, state: TrainState, split: str
) -> np.ndarray:
    """`function` of the inputs of a whole split in model space, [n, ...]; its key is another for every batch."""
    x = dataset.split(split)['x']

    def apply(state: TrainState, x: Array, start: Array) -> Array:
        inputs = preprocessing.to_model_space(x, dataset.spec, jax.random.fold_in(jax.random.key(0), start))
        return function(state, inputs, jax.random.fold_in(jax.random.key(1), start))

    compiled, state = jax.jit(apply), state.replace(optimizer_states={})
    return np.concatenate([compiled(state, x[start : start + BATCH_SIZE], start) for start in range(0, len(x), BATCH_SIZE)])


def code_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'mean', 'standard_error', 'n'} of each of the `activation_statistics`; {} of a method without an encoder.

    A unit counts as active above the method's `active_above`, one half for a sigmoid, without it where it is not 0. Where codes
    have a posterior there is 'active_latents' too, the share of `active_units`; 'jacobian_norm' is that of `jacobian_norms`.
    """
    if not hasattr(method, 'encode'):
        return {}
    codes = encode_split(method, dataset, state, split)
    found = activation_statistics(codes, threshold=getattr(method, 'active_above', 0.0)).summary()
    found['jacobian_norm'] = summarise(jacobian_norms(method, dataset, state, split))
    if hasattr(method, 'posterior'):
        return {'active_latents': summarise(active_units(codes)), **found}
    if hasattr(method, 'propose'):
        return {'active_latents': summarise(active_units(*_sampled_means(method, dataset, state, split))), **found}
    return found


def jacobian_norms(method: Any, dataset: Dataset, state: TrainState, split: str) -> np.ndarray:
    """norm(J_h(x))_F of the encoder at examples from all over a split, [NUM_JACOBIANS] or all of a split that has fewer."""
    x = dataset.split(split)['x']
    inputs = preprocessing.to_model_space(jnp.asarray(x[spread(len(x), NUM_JACOBIANS)]), dataset.spec, jax.random.key(2))

    def norms(params: Params, mutables: Mutables, x: Array) -> Array:
        def encode(x: Array) -> Array:
            return method.encode(params, mutables, x)

        size = x[0].size * jax.eval_shape(encode, x[:1]).size
        return frobenius_norms(encode, x, chunk=max(1, min(CHUNK, LARGEST_CHUNK // size)))

    return np.asarray(jax.jit(norms)(state.params, state.mutables, inputs))


def _sampled_means(method: Any, dataset: Dataset, state: TrainState, split: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean of q(z given x) of every example, [n, d], estimated twice from samples of their own."""

    def means(state: TrainState, x: Array, key: Key) -> Array:
        z, _ = method.propose(state.params, state.mutables, key, x, 2 * NUM_SAMPLES)
        return jnp.stack([jnp.mean(z[:NUM_SAMPLES], axis=0), jnp.mean(z[NUM_SAMPLES:], axis=0)], axis=1)

    both = over_split(means, dataset, state, split)
    return both[:, 0], both[:, 1]


def draw_codes(method: Any, dataset: Dataset, state: TrainState, split: str) -> np.ndarray:
    """One code of every example of a split, [n, d], drawn from q(z given x): together, a sample of the aggregated posterior.

    It is the method's `draw_code`, `propose` or `posterior`, whichever there is first; without a random posterior it is `encode`.
    """

    def codes(state: TrainState, x: Array, key: Key) -> Array:
        if hasattr(method, 'draw_code'):
            return method.draw_code(state.params, state.mutables, key, x)
        if hasattr(method, 'propose') or hasattr(method, 'posterior'):
            return proposal(method, state.params, state.mutables, x)(key, 1)[0][0]
        return method.encode(state.params, state.mutables, x)

    return over_split(codes, dataset, state, split)
