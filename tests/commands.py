"""Commands as processes of their own, forked from a server that has imported the libraries already, so that a start costs little.

Each runs `python -m MODULE` with everything that belongs to a process: its signals, its limits, its streams, its exit code.
"""

import dataclasses
import functools
import importlib
import itertools
import multiprocessing.context
import os
import pathlib
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.flags import QUICK
from tests.running import draw_nothing, draw_one

ROOT = pathlib.Path(__file__).parents[1]
PRELOADED = (
    'aejax',
    'orbax.checkpoint',
    'tensorboardX',
    'matplotlib.backends.backend_agg',
    'rich.progress',
    'sklearn.datasets',
    'aejax.visualization.report',
    'tests.commands',
)
# Far above what anything takes: a machine may stand still for half a minute.
PATIENCE = 150.0


@dataclasses.dataclass(frozen=True)
class Strike:
    """A signal that the process gets from itself at one exact moment: as the n-th call of a function begins, or ends.

    `place` is 'module:name' or 'module:Class.name', where the function is looked up as it is called.
    """

    place: str
    number: int = 1
    signals: tuple[int, ...] = (signal.SIGKILL,)
    after: bool = False

    def prepare(self) -> None:
        module, _, path = self.place.partition(':')
        *owners, name = path.split('.')
        owner = functools.reduce(getattr, owners, importlib.import_module(module))
        function, count = getattr(owner, name), itertools.count(1)

        def struck(*arguments: Any, **options: Any) -> Any:
            now = next(count) == self.number
            if now and not self.after:
                self.strike()
            result = function(*arguments, **options)
            if now and self.after:
                self.strike()
            return result

        setattr(owner, name, struck)

    def strike(self) -> None:
        for number in self.signals:
            os.kill(os.getpid(), number)


def _execute(
    module: str, arguments: tuple[str, ...], streams: pathlib.Path, folder: str, environment: Mapping[str, str],
    terminal: str | None, strikes: Sequence[Strike], file_size: int | None, pictures: str, optimised: bool,
) -> None:  # fmt: skip
    os.environ.update(environment)
    os.chdir(folder)
    out = os.open(terminal, os.O_RDWR) if terminal else os.open(streams / 'stdout', os.O_WRONLY | os.O_CREAT)
    os.dup2(out, 1)
    os.dup2(os.open(streams / 'stderr', os.O_WRONLY | os.O_CREAT), 2)
    sys.stdout, sys.stderr = open(1, 'w', closefd=False), open(2, 'w', closefd=False)  # noqa: SIM115
    sys.argv = [module, *arguments]
    if file_size is not None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    # By hand, for JAX was imported, and read its environment, in the server already.
    importlib.import_module('jax').config.update('jax_disable_most_optimizations', not optimised)
    if pictures != 'all':
        importlib.import_module('aejax.runs.ending').write_figures = {'none': draw_nothing, 'one': draw_one}[pictures]
    for strike in strikes:
        strike.prepare()
    runpy.run_module(module, run_name='__main__', alter_sys=True)


@dataclasses.dataclass(frozen=True)
class Command:
    """A command at work."""

    process: Any
    streams: pathlib.Path

    @property
    def out(self) -> str:
        path = self.streams / 'stdout'
        return path.read_text(encoding='utf-8') if path.exists() else ''

    @property
    def err(self) -> str:
        path = self.streams / 'stderr'
        return path.read_text(encoding='utf-8') if path.exists() else ''

    def wait(self) -> int:
        """The exit code as a shell tells it: 128 and the signal's number where a signal ended it."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f'still at work after {PATIENCE} s:\n{self.out}\n{self.err}')
        return self.process.exitcode if self.process.exitcode >= 0 else 128 - self.process.exitcode

    def wait_for(self, text: str) -> None:
        """Until `text` stands on stdout."""
        until = time.monotonic() + PATIENCE
        while text not in self.out:
            assert self.process.is_alive(), f'{text!r} never came:\n{self.out}\n{self.err}'
            assert time.monotonic() < until
            time.sleep(0.002)


class Commands:
    """Starts commands; programs that they compile are shared through one cache.

    A run of theirs draws all `pictures`, 'one' or 'none'. Where XLA need not optimise, it compiles in half the time.
    """

    def __init__(self, folder: pathlib.Path, cache: pathlib.Path, optimised: bool):
        self._context = multiprocessing.get_context('forkserver')
        self._context.set_forkserver_preload(list(PRELOADED))
        self._folder, self._number = folder, itertools.count()
        self.cache, self.optimised = str(cache), optimised

    def start(self, *arguments: str, module: str = 'experiments.run', folder: Any = ROOT, terminal: str | None = None,
              strike: Strike | Sequence[Strike] = (), file_size: int | None = None, pictures: str = 'all',
              optimised: bool | None = None, **environment: str) -> Command:  # fmt: skip
        streams = self._folder / str(next(self._number))
        streams.mkdir(parents=True)
        optimised = self.optimised if optimised is None else optimised
        # What is optimised is compiled as users compile it.
        flags = '' if optimised else QUICK
        environment = {'JAX_COMPILATION_CACHE_DIR': self.cache, 'XLA_FLAGS': flags, **environment}
        strikes = (strike,) if isinstance(strike, Strike) else tuple(strike)
        work = (module, arguments, streams, str(folder), environment, terminal, strikes, file_size, pictures, optimised)
        process = self._context.Process(target=_execute, args=work)
        process.start()
        return Command(process, streams)

    def run(self, *arguments: str, code: int = 0, **options: Any) -> Command:
        """A command that has ended with `code`."""
        command = self.start(*arguments, **options)
        ended = command.wait()
        assert ended == code, f'exit {ended}, not {code}:\n{command.out}\n{command.err}'
        assert 'Traceback' not in command.err
        assert bool(command.err) == (code != 0), command.err
        return command

    def refused(self, *arguments: str, code: int = 1, **options: Any) -> str:
        """The one line on stderr of a command that a user has to mend."""
        lines = self.run(*arguments, code=code, **options).err.splitlines()
        assert len(lines) == 1
        assert lines[0].startswith('error: ')
        return lines[0]
