"""The one training loop: stages, calls of the compiled program, and what comes back at each logging interval."""

import dataclasses
import functools
import itertools
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from aejax import preprocessing
from aejax.training import state as states
from aejax.training.parallel import Placement, make_placement
from aejax.training.program import Prepare, Program
from aejax.training.sources import Source
from aejax.types import Batch, DataSpec, Key, Method, Stage, TrainState, UserError

Call = Callable[[TrainState, int, int], tuple[TrainState, dict[str, Any], float]]
"""(state, step, target) -> (state at `target`, means of the metrics, time at which the first call was on its way)."""

# Folded into the base key for the inputs of a stage; see `program` for the other streams.
_INPUTS = 2**30 + 2


class NonFiniteError(UserError):
    """A metric became NaN or infinite; the message names stage, phase, metric and step, `row` holds what was measured."""

    def __init__(self, message: str, row: Mapping[str, Any]):
        super().__init__(message)
        self.row = row


@dataclasses.dataclass(frozen=True)
class Interval:
    """What training did between two looks at it.

    Attributes:
        state: on its devices; valid until the iterator moves on, which gives its buffers to the next call.
        step: global step reached.
        epoch: passes over the training split, counted through all stages.
        stage: name of the stage.
        metrics: 'phase/metric' -> mean over the interval's steps; a float, or [members] in an ensemble.
        seconds: of the interval, compilation included.
        examples: trained on, in the interval (by each member).
        seconds_to_call: where the program was compiled in this interval (then `seconds` is no measure of speed), how long it took
            until the first call was on its way; else None.
    """

    state: TrainState
    step: int
    epoch: float
    stage: str
    metrics: Mapping[str, Any]
    seconds: float
    examples: int
    seconds_to_call: float | None


def check_finite(metrics: Mapping[str, Any], stage: str, step: int) -> None:
    """Raises NonFiniteError on the first metric that is not finite, the losses first."""
    for name in sorted(metrics, key=lambda name: not name.endswith('/loss')):
        if not np.all(np.isfinite(metrics[name])):
            phase, metric = name.split('/', 1)
            raise NonFiniteError(
                f'{metric} of phase {phase!r} in stage {stage!r} is {metrics[name]} in the interval that ends at step {step}: '
                'training stopped; checkpoints from before stay. Try a lower learning_rate, or clip_norm=1, of the optimizer '
                '(optimizers.PHASE where phases have their own)',
                row={'step': step, 'stage': stage, **metrics},
            )


def initial_state(method: Method, source: Source, spec: DataSpec, seed: int | jax.Array) -> TrainState:
    """The state at step 0 of the run with this seed."""
    batch = preprocessing.prepare(jax.tree.map(jnp.asarray, source.example()), spec, jax.random.key(0))
    # The key is an argument, so that the compilation cache knows the program again whatever the seed.
    return jax.jit(lambda key, batch: states.create(method, key, batch))(jax.random.key(seed), batch)


def stage_index(stages: Sequence[Stage], step: int) -> int:
    """The stage whose optimiser states a state holds that was stored at `step`: at a boundary, the one that ends there."""
    return next((index for index, (_, end, _) in enumerate(spans(stages)) if step <= end), len(stages) - 1)


def spans(stages: Sequence[Stage]) -> list[tuple[int, int, Stage]]:
    """(first step, step at its end, stage) of every stage."""
    ends = itertools.accumulate(stage.num_steps for stage in stages)
    return [(end - stage.num_steps, end, stage) for end, stage in zip(ends, stages, strict=True)]


def interval_ends(start: int, end: int, steps_per_epoch: int, log_every: float) -> list[int]:
    """The steps at which a stage that takes the steps from `start` to `end` yields; `log_every` in epochs."""
    every = max(1, round(log_every * steps_per_epoch))
    return [*range(start + every, end, every), end]


def train(
    method: Method,
    source: Source,
    spec: DataSpec,
    *,
    batch_size: int,
    seed: int = 0,
    state: TrainState | None = None,
    log_every: float = 1.0,
    parallel: str = 'jit',
    devices: Sequence[Any] | None = None,
    members: bool = False,
) -> Iterator[Interval]:
    """Trains `method` from `state` to the end of its last stage; yields at every logging interval and at the end of every stage.

    Args:
        method: what to train.
        source: the training data, see `aejax.training.sources`.
        spec: of the data.
        batch_size: examples a step, over all devices.
        seed: of parameters, order and noise, when no state is given.
        state: where to go on from; stacked along a first axis of members if `members`.
        log_every: epochs (or a part of one) between two yields. Nothing comes back to the host in between.
        parallel: 'jit' or 'pmap', see `aejax.training.parallel`.
        devices: to use; default all.
        members: `state` is an ensemble, see `aejax.training.ensemble`.

    Raises:
        UserError: on a batch size or a parallel mode that cannot be.
        NonFiniteError: at the first interval in which a metric is not finite.
    """
    if source.steps_per_epoch < 1:
        raise UserError(f'the training split does not fill one batch of {batch_size} examples')
    placement = make_placement(parallel, batch_size, members, devices, source.stream_sizes)
    state = initial_state(method, source, spec, seed) if state is None else state
    begin = jax.vmap(states.begin_stage, in_axes=(0, None)) if members else states.begin_stage
    first = int(np.ravel(state.step)[0])
    for index, (start, end, stage) in enumerate(spans(method.stages)):
        if max(first, start) < end:
            # Of the first stage the optimisers' states were made, in one program, with the rest.
            state = begin(state, stage) if index and first <= start else state
            call = _open_stage(stage, start, state, source, spec, placement, batch_size, members)
            targets = interval_ends(start, end, source.steps_per_epoch, log_every)
            state = yield from _train_stage(call, stage, state, max(first, start), targets, source, placement, batch_size)


def _train_stage(
    call: Call,
    stage: Stage,
    state: TrainState,
    first: int,
    targets: Sequence[int],
    source: Source,
    placement: Placement,
    batch_size: int,
) -> Generator[Interval, None, TrainState]:
    """Trains from step `first` on, yields at each of `targets` that lies beyond, returns the last state."""
    state, step = placement.place(state), first
    for target in targets:
        if target <= first:
            continue
        began = time.perf_counter()
        state, metrics, called = call(state, step, target)
        check_finite(metrics, stage.name, target)
        yield Interval(
            state=placement.collect(state),
            step=target,
            epoch=target / source.steps_per_epoch,
            stage=stage.name,
            metrics=metrics,
            seconds=time.perf_counter() - began,
            examples=(target - step) * batch_size,
            seconds_to_call=called - began if step == first else None,
        )
        step = target
    return placement.collect(state)


def _open_stage(
    stage: Stage,
    start: int,
    state: TrainState,
    source: Source,
    spec: DataSpec,
    placement: Placement,
    batch_size: int,
    members: bool,
) -> Call:
    """`_run_interval` for the stage that begins at step `start`: its data mapped, its program ready to compile."""
    if members and stage.inputs is not None:
        raise UserError(f'stage {stage.name!r} maps its inputs, to other codes for every member: train the members one by one')
    staged, prepare = source.mapped(stage, state.params, _preparation(spec), inputs_key(state, start, members))
    program = placement.compile(stage, batch_size, prepare, staged)
    return functools.partial(_run_interval, program, _placed_once(placement), staged, start)


@functools.cache
def _preparation(spec: DataSpec) -> Prepare:
    return lambda batch, key: preprocessing.prepare(batch, spec, key)


def inputs_key(state: TrainState, start: int, members: bool) -> Key:
    """The key of the noise in the inputs of the stage that begins at step `start`; an ensemble has no such inputs."""
    base = jax.random.key(0) if members else jax.random.fold_in(state.key, _INPUTS)
    return jax.random.fold_in(base, start)


def _placed_once(placement: Placement) -> Callable[[Batch], Batch]:
    """Places a batch on the devices, and remembers the last: resident data is the same object at every call."""
    last: list[Batch] = []

    def place(batch: Batch) -> Batch:
        if not (last and last[0] is batch):
            last[:] = [batch, placement.place(batch)]
        return last[1]

    return place


def _run_interval(
    program: Program, place: Callable[[Batch], Batch], source: Source, start: int, state: TrainState, step: int, target: int
) -> tuple[TrainState, dict[str, Any], float]:
    """Calls `program` until `target`; nothing is waited for before the means of the metrics are fetched at the end.

    Returns the state, the means, and the time at which the first call was on its way.
    """
    sums, first, called = None, step, 0.0
    while step < target:
        chunk, num = source.next(step - start, target - step)
        state, new = program(state, place(chunk), np.int32(start), np.int32(num))
        called = called or time.perf_counter()
        sums = new if sums is None else jax.tree.map(jnp.add, sums, new)
        step += num
    metrics = {name: np.asarray(value, np.float64) / (target - first) for name, value in jax.device_get(sums).items()}
    return state, {name: float(value) if value.ndim == 0 else value for name, value in metrics.items()}, called
