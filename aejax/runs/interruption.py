"""Ctrl-C and SIGTERM: the first asks the run to stop at the next logging interval, the second stops it at once."""

import contextlib
import signal
from collections.abc import Callable, Iterator
from typing import Any

# Gives the number of the signal that asked the run to stop, None where none did.
Signalled = Callable[[], int | None]
AT_ONCE = 'stopped at once; the last checkpoint stays'


class Interrupted(Exception):  # noqa: N818 (no error: somebody asked for it)
    """The run was asked to stop; `signal_number` says how."""

    def __init__(self, signal_number: int, message: str):
        super().__init__(message)
        self.signal_number = signal_number


def raise_at_once(number: int) -> None:
    """What a process does that goes on when a run is stopped, such as a notebook's."""
    raise Interrupted(number, AT_ONCE)


@contextlib.contextmanager
def listening(say: Callable[[str], None], at_once: Callable[[int], None] = raise_at_once) -> Iterator[Signalled]:
    """Within the block, the first signal is noted instead of raised, and any further one calls `at_once` with its number."""
    noted: list[int] = []

    def note(number: int, frame: Any) -> None:
        if noted:
            at_once(number)
            return
        noted.append(number)
        # The signal may have come in the middle of a print, which cannot be entered twice.
        with contextlib.suppress(RuntimeError, OSError):
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
