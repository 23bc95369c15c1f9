"""What a method's codes look like over a whole split: how sparse, how many units dead, saturated, or without a word to say."""

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
from aejax.evaluation.summary import summarise
from aejax.types import Array, Key, Method, TrainState

BATCH_SIZE = 500
NUM_SAMPLES = 50
"""Of each half, where the mean of the posterior is known by its samples only."""


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

    A unit of a code in (0, 1), that of a sigmoid, counts as active above one half, any other where it is not 0. Where codes have
    a posterior there is 'active_latents' too, the share of `active_units`.
    """
    if not hasattr(method, 'encode'):
        return {}
    codes = encode_split(method, dataset, state, split)
    # Units that are exactly 0 were cut off, by a ReLU or for sparsity: no sigmoid of a trained encoder is.
    is_sigmoid = codes.max() <= 1 and np.mean(codes <= 0) < 1e-3
    found = activation_statistics(codes, threshold=0.5 if is_sigmoid else 0.0).summary()
    if hasattr(method, 'posterior'):
        return {'active_latents': summarise(active_units(codes)), **found}
    if hasattr(method, 'propose'):
        return {'active_latents': summarise(active_units(*_sampled_means(method, dataset, state, split))), **found}
    return found


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
