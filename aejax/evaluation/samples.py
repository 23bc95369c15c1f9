"""Many samples of a method, drawn a batch at a time: what figures about its samples begin with."""

from typing import Any

import jax
import numpy as np

from aejax.types import TrainState, UserError

BATCH_SIZE = 500


def draw(method: Any, state: TrainState, num: int, seed: int, batch_size: int = BATCH_SIZE) -> np.ndarray:
    """`num` samples of a method, [num, ...], as its `sample` gives them: means of p(x given z), in model space.

    One program is compiled, whatever `num`; batch i draws from fold_in(key(seed), i).

    Raises:
        UserError: the method cannot sample, or not one sample is asked for.
    """
    if not hasattr(method, 'sample'):
        raise UserError(f'{type(method).__name__} cannot sample: figures of samples need a method that can')
    if num < 1:
        raise UserError(f'{num} samples are none: ask for at least 1')
    size, key = min(num, batch_size), jax.random.key(seed)
    compiled = jax.jit(lambda state, key: method.sample(state.params, state.mutables, key, size))
    state = state.replace(optimizer_states={})
    batches = [np.asarray(compiled(state, jax.random.fold_in(key, index))) for index in range(-(-num // size))]
    return np.concatenate(batches)[:num]
