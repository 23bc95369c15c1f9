"""Commands as processes of their own, forked from a server that has imported the libraries already: a start costs little."""

import dataclasses
import multiprocessing
import multiprocessing.context
import os
import pathlib
import runpy
import signal
import sys
import time
from collections.abc import Mapping, Sequence

ROOT = pathlib.Path(__file__).parents[2]
PRELOADED = ('aejax', 'orbax.checkpoint', 'orbax.checkpoint.checkpoint_managers', 'tensorboardX', 'matplotlib.figure')
PATIENCE = 120.0


def _execute(module: str, arguments: Sequence[str], folder: str, environment: Mapping[str, str], terminal: str | None) -> None:
    """What the child does: `python -m module arguments`, in `folder`."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    os.dup2(os.open(terminal, os.O_RDWR) if terminal else os.open(f'{folder}/stdout', flags, 0o644), 1)
    os.dup2(os.open(f'{folder}/stderr', flags, 0o644), 2)
    for name, value in environment.items():
        os.environ[name] = value
    os.chdir(environment.get('CWD', ROOT))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if 'FILE_SIZE' in environment:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (int(environment['FILE_SIZE']),) * 2)
    sys.argv = ['experiments/run.py', *arguments]
    sys.stdout = open(1, 'w', closefd=False)  # noqa: SIM115
    sys.stderr = open(2, 'w', closefd=False)  # noqa: SIM115
    runpy.run_module(module, run_name='__main__', alter_sys=True)


def server() -> multiprocessing.context.ForkServerContext:
    """A fork server with the heavy imports done."""
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(list(PRELOADED))
    return context


@dataclasses.dataclass(frozen=True)
class Command:
    """A command that was started."""

    process: multiprocessing.context.ForkServerProcess
    folder: pathlib.Path

    @property
    def out(self) -> str:
        return (self.folder / 'stdout').read_text() if (self.folder / 'stdout').exists() else ''

    @property
    def err(self) -> str:
        return (self.folder / 'stderr').read_text() if (self.folder / 'stderr').exists() else ''

    def wait(self) -> int:
        """The exit code, as a shell tells it."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            raise TimeoutError(f'still at work after {PATIENCE} s:\n{self.out}\n{self.err}')
        code = self.process.exitcode
        return code if code >= 0 else 128 - code

    def wait_for(self, text: str) -> None:
        """Until `text` stands in the output."""
        until = time.monotonic() + PATIENCE
        while text not in self.out:
            if not self.process.is_alive() or time.monotonic() > until:
                raise AssertionError(f'{text!r} never came:\n{self.out}\n{self.err}')
            time.sleep(0.002)

    def send(self, number: int) -> None:
        os.kill(self.process.pid, number)
