"""A method's own metrics on every example of a split: exact with a short last batch, in one compiled call."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax import preprocessing
from aejax.same import NUM_PROGRAMS, Same
from aejax.types import Array, Batch, Context, DataSpec, Key, Method, TrainState

# Folded into the seed's key: training with the same seed must not draw the same numbers.
_EVALUATION = 2**30 + 3

Evaluate = Callable[[TrainState], dict[str, np.ndarray]]


def padded_batches(split: Batch, batch_size: int) -> Batch:
    """[n, ...] -> [ceil(n / B), B, ...]; what the last batch lacks is filled with the first rows, to be cut off again."""

    def pad(leaf: Array) -> Array:
        num = -len(leaf) % batch_size
        rows = np.concatenate([np.arange(len(leaf)), np.arange(num) % len(leaf)])
        return jnp.asarray(leaf[rows]).reshape(-1, batch_size, *leaf.shape[1:])

    return jax.tree.map(pad, split)


def evaluation_key(seed: int) -> Key:
    """The key of an evaluation with this seed."""
    return jax.random.fold_in(jax.random.key(seed), _EVALUATION)


def batch_keys(key: Key, index: Array | int) -> Key:
    """Two keys of a batch: of its dynamic binarisation, so that all who evaluate see the same pixels, and of all else."""
    return jax.random.split(jax.random.fold_in(key, index))


def evaluate_batches(method: Method, spec: DataSpec, state: TrainState, batches: Batch, key: Key) -> Mapping[str, Array]:
    """Per-example metrics [batches * B] of prepared `batches` [batches, B, ...]; batch i draws from fold_in(key, i)."""

    def one(indexed: tuple[Array, Batch]) -> Mapping[str, Array]:
        index, batch = indexed
        prepare_key, evaluate_key = batch_keys(key, index)
        context = Context(key=evaluate_key, step=state.step, hparams=state.hparams, train=False)
        return method.evaluate(state.params, state.mutables, preprocessing.prepare(batch, spec, prepare_key), context)

    num = jax.tree.leaves(batches)[0].shape[0]
    metrics = jax.lax.map(one, (jnp.arange(num), batches))
    return jax.tree.map(lambda leaf: leaf.reshape(-1), metrics)


def make_evaluator(
    method: Method, spec: DataSpec, split: Batch, batch_size: int = 500, seed: int = 0, members: bool = False
) -> Evaluate:
    """evaluate(state) -> {metric: values [n], one for each example in order}; [members, n] for an ensemble.

    The noise of the evaluation (dynamic binarisation, samples of z) depends on `seed` alone, so two states are compared on the
    same draws. The data goes to the device once.
    """
    count = len(jax.tree.leaves(split)[0])
    batches = padded_batches(split, min(batch_size, count))

    compiled = _program(Same(method), spec, seed, members)

    def evaluate(state: TrainState) -> dict[str, np.ndarray]:
        # Optimiser states stay behind: nothing here needs them.
        values = jax.device_get(compiled(state.replace(optimizer_states={}), batches))
        return {name: value[..., :count] for name, value in values.items()}

    return evaluate


@functools.lru_cache(maxsize=NUM_PROGRAMS)
def _program(method: Same[Method], spec: DataSpec, seed: int, members: bool) -> Callable[[TrainState, Batch], Any]:
    """`evaluate_batches`, and as it is for every member of an ensemble."""

    def run(state: TrainState, batches: Batch) -> Mapping[str, Array]:
        return evaluate_batches(method.value, spec, state, batches, evaluation_key(seed))

    return jax.jit(jax.vmap(run, in_axes=(0, None)) if members else run)
