"""Ctrl-C and SIGTERM while the libraries are still being imported, which takes seconds: one line, no traceback."""

import os
import signal


def stop_quietly() -> None:
    """Until `experiments.cli.run` takes over, both signals end the process at once: nothing has been written yet."""

    def stop(number: int, frame: object) -> None:
        # Neither print nor an exception: both would run on through a half-imported library.
        os.write(2, b'error: stopped before anything began\n')
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
