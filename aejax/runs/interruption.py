"""Ctrl-C and SIGTERM: the first asks the run to stop at the next logging interval, the second stops it at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any


class Interrupted(Exception):  # noqa: N818 (no error: somebody asked for it)
    """The run was asked to stop; `signal_number` says how."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(message)
        self.signal_number = signal_number


@contextlib.contextmanager
def listening(say: Callable[[str], None]) -> Iterator[Callable[[], int | None]]:
    """Within the block, signals are noted instead of raised; what it yields returns the number of the one noted, or None."""
    noted: list[int] = []

    def note(number: int, frame: Any) -> None:
        if noted:
            raise Interrupted(number, 'stopped at once; the last checkpoint stays')
        noted.append(number)
        # The signal may have come in the middle of a print, which cannot be entered twice.
        with contextlib.suppress(RuntimeError):
            say('stopping at the end of this logging interval; once more stops at once')

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread (a notebook's executor, say): signals stay with who has them
        before = {}
    try:
        yield lambda: noted[0] if noted else None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
