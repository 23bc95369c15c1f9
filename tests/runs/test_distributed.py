"""Two processes of one run, on this machine: the bytes of one process with two devices, written once."""

import socket

import aejax
from tests.commands import Strike
from tests.running import read, state
from tests.support import assert_equal_bytes

# That of `whole`.
CONFIG = ('--config=configs/vae.py', '--config.epochs=3', '--config.log_every=1.0', '--config.checkpoint_every=1.0')


def pair(commands, *arguments, strikes=((), ())):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        address = f'localhost:{free.getsockname()[1]}'
    # Compiled as `whole` was.
    together = {'pictures': 'none', 'optimised': False, 'JAX_COORDINATOR_ADDRESS': address, 'JAX_NUM_PROCESSES': '2'}
    started = [
        commands.start(*arguments, '--distributed', strike=strikes[index], JAX_PROCESS_ID=str(index), **together)
        for index in range(2)
    ]
    return started, [command.wait() for command in started]


def errors(command):
    """Lines on stderr of aejax's own."""
    return [line for line in command.err.splitlines() if line.startswith(('error: ', 'Traceback'))]


def test_two_processes_are_one_run(commands, whole, tmp_path):
    double = tmp_path / 'double'
    # Stopped by a signal that only one of them gets, they stop together and go on together.
    strike = Strike('aejax.runs.train:folders.append_rows', 1, (15,))
    (first, second), codes = pair(commands, *CONFIG, f'--workdir={double}', strikes=((), strike))
    assert codes == [143, 143], first.err + second.err
    assert aejax.load(double).checkpoint == 12
    (first, second), codes = pair(commands, *CONFIG, f'--workdir={double}')
    assert codes == [0, 0], first.err + second.err
    assert f'resuming {double} at step 12 of 36' in first.out
    assert 'epoch' not in second.out
    assert_equal_bytes(state(double), state(whole))
    assert {path.name for path in double.iterdir()} == {path.name for path in whole.iterdir()}
    assert read(double, 'summary')['metrics'] == read(whole, 'summary')['metrics']
    assert read(double, 'provenance')['device'].startswith('cpu x2')
    # What one of them cannot begin, none begins.
    (first, second), codes = pair(commands, *CONFIG, '--config.seed=1', f'--workdir={double}')
    assert codes == [1, 1]
    assert 'seed: 0 -> 1' in errors(first)[0]
    assert 'another process could not begin' in errors(second)[0]
