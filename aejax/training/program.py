"""Many training steps in one compiled call, over data that lives on the device.

The order of the data is a function of the base key and the step alone: epoch e visits a permutation drawn from the key and e's
first step, and leaves out what does not fill a batch (other examples every epoch). The number of steps a call takes is an
argument of the program, not part of it, so one compilation serves a stage, and a run that is cut into other calls executes the
same code.
"""

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from aejax.training.step import Metrics, make_step
from aejax.types import Array, Batch, Key, Stage, TrainState

Prepare = Callable[[Batch, Key], Batch]
Program = Callable[[TrainState, Batch, ArrayLike, ArrayLike], tuple[TrainState, Metrics]]

# Folded into keys where phases fold in their index, so far from any index that the streams never meet.
_ORDER, _PREPARE = 2**30, 2**30 + 1


def streams(data: Batch) -> dict[str, Batch]:
    """The streams of a nested batch ('labelled', 'unlabelled'), each of a length of its own; a flat batch is one, called ''."""
    nested = all(isinstance(value, Mapping) for value in data.values())
    return dict(data) if nested else {'': data}


def num_examples(data: Batch) -> int:
    """The length of the data: of its leading axis, and where there are several streams, of the longest."""
    return max(int(jax.tree.leaves(stream)[0].shape[0]) for stream in streams(data).values())


def epoch_order(key: Key, first_step: Array, num: int, stream: int = 0) -> Array:
    """The permutation [num] of the epoch that begins at global step `first_step`; each of several streams has its own."""
    return jax.random.permutation(jax.random.fold_in(jax.random.fold_in(key, _ORDER - stream), first_step), num)


def _orders(data: Batch, key: Key, epoch_start: Array | None) -> dict[str, Array]:
    """The rows of every stream in the order of use: that of the epoch that begins there, or as they come where it is None."""
    lengths = sorted((name, num_examples(stream)) for name, stream in streams(data).items())
    if epoch_start is None:
        return {name: jnp.arange(num) for name, num in lengths}
    return {name: epoch_order(key, epoch_start, num, i) for i, (name, num) in enumerate(lengths)}


def make_program(
    stage: Stage,
    batch_size: int,
    prepare: Prepare,
    axis_name: str | None = None,
    shards: int = 1,
    constrain: Callable[[Batch], Batch] = lambda batch: batch,
    ordered: bool = False,
    stream_sizes: Mapping[str, int] = {},
) -> Program:
    """run(state, data, stage_start, num_steps) -> (state, sums of the metrics over the steps).

    A call must not cross the end of an epoch; the loop sees to it. Each step gathers its batch, brings it into model space and
    updates, all inside one `fori_loop`.

    Args:
        stage: what a step does.
        batch_size: over all devices.
        prepare: (batch as stored, key) -> batch in model space.
        axis_name: of the devices under pmap, where each takes its own slice of every batch.
        shards: the number of those devices.
        constrain: places a batch on devices (a sharding constraint under jit).
        ordered: take `data` in the order it comes, from its first row (a chunk of a stream), instead of shuffling it.
        stream_sizes: examples a step of the streams that do not give `batch_size`, over all devices.
    """
    step = make_step(stage, axis_name)

    def batch_at(data: Batch, orders: Mapping[str, Array], position: Array, state: TrainState) -> Batch:
        index: Array | int = 0
        key = jax.random.fold_in(jax.random.fold_in(state.key, _PREPARE), state.step)
        if axis_name is not None:
            index = jax.lax.axis_index(axis_name)
            key = jax.random.fold_in(key, index)

        def rows_of(name: str, stream: Batch) -> Batch:
            size = stream_sizes.get(name, batch_size)
            start, local = position * size + index * (size // shards), size // shards
            # A stream that is shorter than the longest goes round and round within the epoch.
            rows = orders[name][(start + jnp.arange(local)) % len(orders[name])]
            return jax.tree.map(lambda leaf: leaf[rows], stream)

        taken = {name: rows_of(name, stream) for name, stream in streams(data).items()}
        return constrain(prepare(taken.get('', taken), key))

    def run(state: TrainState, data: Batch, stage_start: ArrayLike, num_steps: ArrayLike) -> tuple[TrainState, Metrics]:
        per_epoch = num_examples(data) // batch_size
        position = jnp.zeros((), jnp.int32) if ordered else (state.step - stage_start) % per_epoch
        orders = _orders(data, state.key, None if ordered else state.step - position)

        def body(i: Array, carry: tuple[TrainState, Metrics]) -> tuple[TrainState, Metrics]:
            state, sums = carry
            state, metrics = step(state, batch_at(data, orders, position + i, state))
            return state, jax.tree.map(jnp.add, sums, metrics)

        shapes = jax.eval_shape(lambda: step(state, batch_at(data, orders, position, state))[1])
        zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        return jax.lax.fori_loop(0, num_steps, body, (state, zeros))

    return run
