"""TensorBoard's event files, without TensorFlow."""

import contextlib
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aejax.rows import metrics_of

Board = Callable[[Mapping[str, Any]], None]


@contextlib.contextmanager
def tensorboard(folder: pathlib.Path, step: int, enabled: bool) -> Iterator[Board]:
    """Yields a function that writes a row of metrics.jsonl as scalars 'split/metric'; rows after `step` are purged first."""
    if not enabled:
        yield lambda row: None
        return
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(folder), purge_step=step + 1) as writer:

        def board(row: Mapping[str, Any]) -> None:
            for name, value in metrics_of(row).items():
                writer.add_scalar(f'{row["split"]}/{name}', value, row['step'])

        yield board
