"""Where the steps of a stage get their data: all of it resident on the device, or a stream of chunks from the host."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import jax
import numpy as np

from aejax.training.program import num_examples, streams
from aejax.types import Batch, Key, Params, Stage, UserError

Prepare = Callable[[Batch, Key], Batch]
EXAMPLES = 256
"""Rows of `Resident.example`."""


class Source(Protocol):
    """Training data as the loop asks for it.

    Attributes:
        steps_per_epoch: full batches in one pass.
        ordered: chunks come in the order of use, and begin at the call's first step; else the program shuffles.
        data_axes: of `jax.vmap` over the data of an ensemble: None where all members have the same.
        stream_sizes: examples a step of the streams ('labelled') that do not give a whole batch; not of the longest.
    """

    @property
    def steps_per_epoch(self) -> int:
        """See the class."""
        ...

    @property
    def ordered(self) -> bool:
        """See the class."""
        ...

    @property
    def data_axes(self) -> dict[str, int | None] | None:
        """See the class."""
        ...

    @property
    def stream_sizes(self) -> Mapping[str, int]:
        """See the class."""
        ...

    def example(self) -> Batch:
        """Some rows as stored: they give the shapes, and roughly the mean of the data to methods that begin there."""
        ...

    def next(self, step: int, remaining: int) -> tuple[Batch, int]:
        """Host data for a call that begins `step` steps into the stage, and how many steps, at most `remaining`, it serves."""
        ...

    def mapped(self, stage: Stage, params: Params, prepare: Prepare, key: Key) -> tuple['Source', Prepare]:
        """The source and preparation of a stage: its `inputs` applied to all the data once, where it has them."""
        ...


@dataclasses.dataclass(frozen=True)
class Resident:
    """A whole split, [n, ...] in every leaf; [members, n, ...] in the streams that each member of an ensemble has for itself."""

    data: Batch
    batch_size: int
    ordered: bool = False
    own_streams: tuple[str, ...] = ()
    stream_sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)

    @property
    def steps_per_epoch(self) -> int:
        """Full batches in one pass."""
        return num_examples(self._of_first_member()) // self.batch_size

    def example(self) -> Batch:
        """The first EXAMPLES rows."""
        return jax.tree.map(lambda leaf: leaf[:EXAMPLES], self._of_first_member())

    @property
    def data_axes(self) -> dict[str, int | None] | None:
        """0 for the streams of `own_streams`."""
        return {name: 0 if name in self.own_streams else None for name in self.data} if self.own_streams else None

    def _of_first_member(self) -> Batch:
        own = {name: jax.tree.map(lambda leaf: leaf[0], self.data[name]) for name in self.own_streams}
        return {**self.data, **own}

    def next(self, step: int, remaining: int) -> tuple[Batch, int]:
        """All the data, up to the end of the epoch."""
        return self.data, min(remaining, self.steps_per_epoch - step % self.steps_per_epoch)

    def mapped(self, stage: Stage, params: Params, prepare: Prepare, key: Key) -> tuple['Resident', Prepare]:
        """Codes of the layers below are computed here, once a stage, and need no preparation of their own.

        Noise in their preparation (dynamic binarisation) is drawn from `key`, once for the whole stage.
        """
        inputs = stage.inputs
        if inputs is None:
            return self, prepare
        if set(streams(self.data)) != {''}:
            raise UserError(f'stage {stage.name!r} maps its inputs, which needs one stream of data')
        rows = num_examples(self.data)
        size = min(rows, 10 * self.batch_size)
        apply = jax.jit(lambda batch, key: inputs(params, prepare(batch, key)))
        chunks = []
        for start in range(0, rows, size):
            # The last chunk reaches back so that every chunk has one shape; what it repeats is cut off again.
            begin = min(start, rows - size)
            chunk = apply(jax.tree.map(lambda leaf: leaf[begin : begin + size], self.data), jax.random.fold_in(key, begin))  # noqa: B023
            chunks.append(jax.tree.map(lambda leaf: np.asarray(leaf[start - begin :]), chunk))  # noqa: B023
        data = jax.tree.map(lambda *leaves: np.concatenate(leaves), *chunks)
        return dataclasses.replace(self, data=data), _as_it_is


def _as_it_is(batch: Batch, key: Key) -> Batch:
    return batch


@dataclasses.dataclass
class Stream:
    """Chunks of batches from the host, for data larger than the device.

    Attributes:
        batches: first step -> iterator over host batches from there on, so that a resumed run sees the same ones.
        steps_per_epoch: full batches in one pass.
        chunk_steps: batches sent to the device at a time.
    """

    batches: Callable[[int], Iterator[Batch]]
    steps_per_epoch: int
    chunk_steps: int = 64
    ordered: bool = True
    data_axes: None = None
    stream_sizes: Mapping[str, int] = dataclasses.field(default_factory=dict)
    _iterator: Iterator[Batch] | None = None

    def example(self) -> Batch:
        """The first batch."""
        return next(self.batches(0))

    def next(self, step: int, remaining: int) -> tuple[Batch, int]:
        """The next `chunk_steps` batches in one; a short chunk is filled up so that all have one shape."""
        if self._iterator is None:
            self._iterator = self.batches(step)
        num = min(remaining, self.chunk_steps)
        taken = [next(self._iterator) for _ in range(num)]
        taken += taken[-1:] * (self.chunk_steps - num)
        return jax.tree.map(lambda *leaves: np.concatenate(leaves), *taken), num

    def mapped(self, stage: Stage, params: Params, prepare: Prepare, key: Key) -> tuple['Stream', Prepare]:
        """A fresh stream for the stage."""
        if stage.inputs is not None:
            raise UserError(f'stage {stage.name!r} maps its inputs, which needs the data in memory: set data.streaming=False')
        return dataclasses.replace(self, _iterator=None), prepare


def stream_of(split: Batch, batch_size: int, seed: int) -> Stream:
    """A stream over a split's arrays through `aejax.data.batches`."""
    from aejax.data.streaming import batches

    return Stream(functools.partial(_from_step, batches, split, batch_size, seed), num_examples(split) // batch_size)


def _from_step(batches: Any, split: Batch, batch_size: int, seed: int, step: int) -> Iterator[Batch]:
    return iter(batches(split, batch_size, seed, start_step=step))
