"""What a method's codes look like over a whole split: how sparse, how many units dead, how many saturated."""

from typing import Any

import jax
import numpy as np

from aejax import preprocessing
from aejax.data import Dataset
from aejax.evaluation.activations import activation_statistics
from aejax.types import Array, Method, TrainState

BATCH_SIZE = 500


def encode_split(method: Any, dataset: Dataset, state: TrainState, split: str) -> np.ndarray:
    """Codes [n, d] of every example of a split."""
    x = dataset.split(split)['x']

    def encode(state: TrainState, x: Array, start: Array) -> Array:
        inputs = preprocessing.to_model_space(x, dataset.spec, jax.random.fold_in(jax.random.key(0), start))
        return method.encode(state.params, state.mutables, inputs)

    compiled, state = jax.jit(encode), state.replace(optimizer_states={})
    return np.concatenate([compiled(state, x[start : start + BATCH_SIZE], start) for start in range(0, len(x), BATCH_SIZE)])


def code_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'mean', 'standard_error', 'n'} of each of the `activation_statistics`; {} of a method without an encoder.

    A unit of a code in (0, 1), that of a sigmoid, counts as active above one half, any other where it is not 0.
    """
    if not hasattr(method, 'encode'):
        return {}
    codes = encode_split(method, dataset, state, split)
    # Units that are exactly 0 were cut off, by a ReLU or for sparsity: no sigmoid of a trained encoder is.
    is_sigmoid = codes.max() <= 1 and np.mean(codes <= 0) < 1e-3
    return activation_statistics(codes, threshold=0.5 if is_sigmoid else 0.0).summary()
