"""Several processes, one run: process 0 alone writes in the run's folder, all see it, and all take the same decisions.

The others work in a folder of their own that goes with them, so that nothing else has to know how many there are.
"""

import contextlib
import pathlib
import tempfile
from collections.abc import Iterator

import jax
import numpy as np

from aejax.types import UserError


def is_first() -> bool:
    """Whether this process is the one that writes; true where there is but one."""
    return jax.process_index() == 0


@contextlib.contextmanager
def own_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """`folder` in process 0, a temporary one in the others."""
    if is_first():
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield pathlib.Path(scratch)


def shared(value: int) -> list[int]:
    """The values of all processes, in order; every process has to call it, and waits for the others."""
    if jax.process_count() == 1:
        return [value]
    from jax.experimental import multihost_utils

    return [int(item) for item in np.ravel(multihost_utils.process_allgather(np.int32(value)))]


def of_first(value: int) -> int:
    """The value of process 0."""
    return shared(value)[0]


@contextlib.contextmanager
def failing_together() -> Iterator[None]:
    """Where the block fails in one process, it fails in all of them, and none waits for it in vain."""
    try:
        yield
    except BaseException:
        shared(1)
        raise
    if any(shared(0)):
        raise UserError('another process could not begin; its own message says why')
