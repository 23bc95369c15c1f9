"""Ctrl-C and SIGTERM on the command line: however often and whenever they come, one line and no traceback.

No handler raises: an exception may come up in the middle of a callback of Python's or of a library's, where it is printed and
lost, or ends the process with a core dump. Files are written whole or not at all, so a process may end anywhere.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_quietly() -> None:
    """Until `at_work`, both signals end the process at once.

    That is while the libraries are imported, which takes seconds; nothing has been written yet.
    """

    def stop(number: int, frame: object) -> None:
        # No print: it would run on through a half-imported library.
        os.write(2, b'error: stopped before anything began\n')
        os._exit(128 + number)

    _handle(stop)


@contextlib.contextmanager
def at_work() -> Iterator[None]:
    """Within the block both signals end the process at once, but where a run listens for them; after it, silently."""

    def stop(number: int, frame: object) -> None:
        leave(number, f'{"interrupted" if number == signal.SIGINT else "terminated"}; what was written before stays')

    _handle(stop)
    try:
        yield
    finally:
        # The system's own way: while Python ends there comes a moment when it calls no handler any more.
        _handle(signal.SIG_DFL)


def leave_at_once(number: int) -> None:
    """The end of a process that was asked twice."""
    from aejax.runs.interruption import AT_ONCE

    leave(number, AT_ONCE)


def leave(number: int, message: str) -> None:
    """Says `message` on stderr and ends the process here and now."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):  # the signal may have come in the middle of a print
            stream.flush()
    if os.isatty(1):
        os.write(1, b'\x1b[?25h\n')  # a progress bar hides the cursor
    os.write(2, f'error: {message}\n'.encode())
    os._exit(128 + number)


def _handle(handler: Callable[[int, Any], None] | signal.Handlers) -> None:
    for number in SIGNALS:
        signal.signal(number, handler)
