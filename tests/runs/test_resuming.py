"""A run that is stopped, killed or damaged ends with the very bytes of one that was left in peace: real processes."""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

import aejax
from tests.commands import PATIENCE, ROOT, Strike
from tests.running import read, rows, state
from tests.support import assert_equal_bytes

# Noise in the loss and in the data, and checkpoints (at the steps 24, 48 and 72) less often than rows.
CONFIG = (
    '--config=configs/vae.py',
    '--config.epochs=6',
    '--config.log_every=1.0',
    '--config.checkpoint_every=2.0',
    '--config.test_checkpoint=best',
    '--config.evaluation.importance_samples=0',
)
ROWS = 'aejax.runs.train:folders.append_rows'


@pytest.fixture(scope='module')
def reference(commands, tmp_path_factory):
    folder = tmp_path_factory.mktemp('reference') / 'run'
    command = commands.run(*CONFIG, f'--workdir={folder}', pictures='one')
    assert 'resuming' not in command.out
    return folder


def assert_same_run(folder: pathlib.Path, reference: pathlib.Path) -> None:
    assert_equal_bytes(state(folder), state(reference))
    assert rows(folder) == rows(reference)
    summary, expected = (read(path, 'summary') for path in (folder, reference))
    assert summary['status'] == 'finished'
    for name in ('metrics', 'best', 'steps', 'epochs', 'checkpoint'):
        assert summary[name] == expected[name]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in reference.iterdir())
    (picture,) = (reference / 'figures').iterdir()
    assert (folder / 'figures' / picture.name).read_bytes() == picture.read_bytes()


def test_killed_again_and_again(commands, reference, tmp_path):
    folder = tmp_path / 'run'
    for strike in (
        Strike('aejax.files:os.replace'),  # config.json written, and not yet in its place
        Strike('aejax.training.checkpoint:Checkpoints.save', 1, after=True),  # rows there, the first checkpoint on its way
        Strike(ROWS, 3),  # inside an interval between checkpoints
        Strike('aejax.training.checkpoint:write_json', 1),  # a checkpoint written, and not sealed yet
        Strike('aejax.runs.figures:save'),  # trained, and no figure
        Strike('aejax.visualization.report:write_report'),  # a summary, and no report
    ):
        command = commands.start(*CONFIG, f'--workdir={folder}', strike=strike, pictures='one')
        assert command.wait() == 128 + signal.SIGKILL, command.err
        assert command.err == ''
    commands.run(*CONFIG, f'--workdir={folder}', pictures='one')
    assert_same_run(folder, reference)
    # The start that came to nothing left no provenance; each one after the next left an entry.
    steps = [entry['step'] for entry in read(folder, 'provenance')['resumed']]
    assert len(steps) == 5
    assert steps == sorted(steps)
    assert steps[-2:] == [72, 72]


AT_ONCE = 'error: stopped at once; the last checkpoint stays'
STRUCK_TWICE = f"""
import atexit, os, runpy, signal, sys
from tests.commands import Strike
sys.argv[0] = 'experiments.run'
Strike({ROWS!r}, 1, (signal.SIGINT,)).prepare()
atexit.register(os.kill, os.getpid(), signal.SIGINT)
runpy.run_module('experiments.run', run_name='__main__', alter_sys=True)
"""


def test_signals(commands, reference, tmp_path):
    folder = tmp_path / 'run'

    def stopped(place: str, count: int, *signals: int, code: int) -> str:
        strike = Strike(place, count, signals)
        return commands.refused(*CONFIG, f'--workdir={folder}', code=code, strike=strike, pictures='one')

    assert (
        stopped('aejax.runs.opening:load_data', 1, signal.SIGINT, code=130) == 'error: interrupted; what was written before stays'
    )
    assert stopped('aejax.runs.opening:build', 1, signal.SIGTERM, code=143) == 'error: terminated; what was written before stays'
    assert stopped(ROWS, 1, signal.SIGTERM, signal.SIGTERM, code=143) == AT_ONCE
    assert rows(folder) == []
    # The second while the checkpoint that the first asked for is being written.
    strikes = Strike(ROWS, 1, (signal.SIGINT,)), Strike('aejax.training.checkpoint:Checkpoints.close', 1, (signal.SIGINT,))
    assert commands.refused(*CONFIG, f'--workdir={folder}', code=130, strike=strikes) == AT_ONCE
    shutil.rmtree(folder)
    # After the first interval, where no checkpoint falls due; the second, while Python itself ends, is the system's to answer.
    done = subprocess.run(
        [sys.executable, '-c', STRUCK_TWICE, *CONFIG, f'--workdir={folder}'],
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'XLA_FLAGS': '', 'JAX_COMPILATION_CACHE_DIR': commands.cache},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == 'error: stopped at step 12 of 72; the same command goes on from there\n'
    assert aejax.load(folder, 'last').checkpoint == 12
    assert rows(folder) == rows(reference)[:2]
    assert 'stopped at step 60 of 72' in stopped(ROWS, 4, signal.SIGINT, code=130)
    assert aejax.load(folder, 'last').checkpoint == 60
    # In the last interval of all: nothing is left to do but the end.
    assert 'stopped at step 72 of 72' in stopped('aejax.runs.train:loop.check_finite', 1, signal.SIGTERM, code=143)
    assert not (folder / 'summary.json').exists()
    assert 'interrupted' in stopped('aejax.runs.ending:write_figures', 1, signal.SIGINT, code=130)
    command = commands.run(*CONFIG, f'--workdir={folder}', pictures='one')
    assert 'resuming' in command.out
    assert 'at step 72 of 72' in command.out
    assert_same_run(folder, reference)


@pytest.mark.skipif(not pathlib.Path('/proc/self/maps').exists(), reason='needs /proc to see how far an import is')
@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_libraries_are_imported(tmp_path, number):
    command = [sys.executable, '-m', 'experiments.run', *CONFIG, f'--workdir={tmp_path / "run"}']
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        until = time.monotonic() + PATIENCE
        while 'numpy' not in pathlib.Path(f'/proc/{process.pid}/maps').read_text():
            assert time.monotonic() < until
            time.sleep(0.005)
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 128 + number
    assert (out, err) == ('', 'error: stopped before anything began\n')
    assert not (tmp_path / 'run').exists()
