"""What a person sees while a run works: a progress bar on a terminal, plain lines when piped; nothing in a notebook's `fit`."""

import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from aejax.rows import SPEED

ERRORS = ('error', 'cross_entropy', 'nll')
"""How the names of errors end."""


class Console(Protocol):
    """Where a run speaks."""

    def __enter__(self) -> Self:
        """Opens what has to be closed."""
        ...

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Closes it."""
        ...

    def say(self, text: str) -> None:
        """One line."""
        ...

    def begin(self, total_steps: int, step: int) -> None:
        """Training begins, at `step` of `total_steps`."""
        ...

    def interval(self, row: Mapping[str, Any], validation: Mapping[str, Any], total_steps: int) -> None:
        """A logging interval ended with this row of training; `validation` holds what is shown of the other."""
        ...


def telling(selection: str, row: Mapping[str, Any], validation: Mapping[str, Any]) -> dict[str, Any]:
    """Of the validation metrics the two that a stage is watched by: what chooses the best, then the error that is trained on.

    Args:
        selection: the metric of `Method.selection`.
        row: of training; a metric in it, 'phase/metric', belongs to the stage.
        validation: the metrics, or their row.
    """
    trained = {name.rpartition('/')[2] for name in row if '/' in name}
    errors = [name for name in validation if name in trained and name.endswith(ERRORS)]
    return {name: validation[name] for name in list(dict.fromkeys([selection, *errors]))[:2] if name in validation}


def summary_of(row: Mapping[str, Any], validation: Mapping[str, Any]) -> str:
    """'reconstruction/loss 21.88  | validation squared_error 2.53  | 31,000 examples/s'."""
    losses = [f'{name} {value:.5g}' for name, value in row.items() if name.endswith('/loss')]
    checks = [f'{name} {value:.5g}' for name, value in validation.items()]
    text = '  '.join(losses)
    if checks:
        text += f'  | validation {"  ".join(checks)}'
    if SPEED in row:
        text += f'  | {row[SPEED]:,.0f} examples/s'
    return text


class Quiet:
    """Says nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None

    def say(self, text: str) -> None:
        """Nothing."""

    def begin(self, total_steps: int, step: int) -> None:
        """Nothing."""

    def interval(self, row: Mapping[str, Any], validation: Mapping[str, Any], total_steps: int) -> None:
        """Nothing."""


class Lines(Quiet):
    """Plain lines, one a logging interval, flushed as they come."""

    def say(self, text: str) -> None:
        """One line on stdout."""
        print(text, flush=True)

    def interval(self, row: Mapping[str, Any], validation: Mapping[str, Any], total_steps: int) -> None:
        """One line on stdout."""
        epoch, stage = row['epoch'], row['stage']
        self.say(f'{stage}  epoch {epoch:g}  step {row["step"]}/{total_steps}  {summary_of(row, validation)}')


class Bar(Quiet):
    """A progress bar with stage, epoch, losses, speed and time left."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn('[bold]{task.description}'),
            BarColumn(bar_width=24),
            TextColumn('{task.percentage:>3.0f} %'),
            TextColumn('{task.fields[status]}'),
            TimeElapsedColumn(),
            TextColumn('left'),
            TimeRemainingColumn(),
        )
        self._task: Any = None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """One line above the bar."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def begin(self, total_steps: int, step: int) -> None:
        """Shows the bar."""
        self._task = self._progress.add_task('compiling', total=total_steps, completed=step, status='')
        self._progress.start()

    def interval(self, row: Mapping[str, Any], validation: Mapping[str, Any], total_steps: int) -> None:
        """Moves the bar."""
        self._progress.update(
            self._task,
            completed=row['step'],
            description=f'{row["stage"]} epoch {row["epoch"]:g}',
            status=summary_of(row, validation),
        )


def console() -> Console:
    """A bar on a terminal, lines elsewhere."""
    return Bar() if sys.stdout.isatty() else Lines()


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, aligned: the first to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        return '  '.join(
            str(cell).ljust(w) if i == 0 else str(cell).rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        )

    return '\n'.join((line(head), '  '.join('-' * width for width in widths), *(line(row) for row in rows)))


def metrics_table(title: str, metrics: dict[str, dict[str, Any]]) -> str:
    """Mean, standard error and n of every metric."""
    rows = [[name, f'{value["mean"]:.5g}', f'{value["standard_error"]:.2g}', str(value['n'])] for name, value in metrics.items()]
    return table([title, 'mean', 'standard error', 'n'], rows)
