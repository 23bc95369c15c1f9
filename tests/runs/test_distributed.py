"""Two processes of one run, on this machine: the bytes of one process with two devices, written once."""

import json
import socket

import jax

import aejax
from tests.commands import Strike
from tests.support import assert_equal_bytes

CONFIG = ('--config=configs/vae.py', '--config.epochs=2', '--config.log_every=1.0', '--config.checkpoint_every=1.0')


def pair(commands, *arguments, strikes=(None, None)):
    with socket.socket() as free:
        free.bind(('localhost', 0))
        address = f'localhost:{free.getsockname()[1]}'
    together = {'JAX_COORDINATOR_ADDRESS': address, 'JAX_NUM_PROCESSES': '2'}
    started = [
        commands.start(*arguments, '--distributed', strike=strikes[index], JAX_PROCESS_ID=str(index), **together)
        for index in range(2)
    ]
    return started, [command.wait() for command in started]


def state(folder, checkpoint='last'):
    stored = aejax.load(folder, checkpoint).state
    return jax.tree.map(jax.numpy.asarray, stored.replace(key=jax.random.key_data(stored.key)))


def errors(command):
    """Lines on stderr of aejax's own."""
    return [line for line in command.err.splitlines() if line.startswith(('error: ', 'Traceback'))]


def test_two_processes_are_one_run(commands, tmp_path):
    single, double = tmp_path / 'single', tmp_path / 'double'
    commands.run(*CONFIG, f'--workdir={single}', XLA_FLAGS='--xla_force_host_platform_device_count=2')
    # Stopped by a signal that only one of them gets, they stop together and go on together.
    strike = Strike('aejax.runs.train:folders.append_rows', 1, (15,))
    (first, second), codes = pair(commands, *CONFIG, f'--workdir={double}', strikes=(None, strike))
    assert codes == [143, 143], first.err + second.err
    assert aejax.load(double).checkpoint == 12
    (first, second), codes = pair(commands, *CONFIG, f'--workdir={double}')
    assert codes == [0, 0], first.err + second.err
    assert f'resuming {double} at step 12 of 24' in first.out
    assert 'epoch' not in second.out
    assert_equal_bytes(state(double), state(single))
    assert {path.name for path in double.iterdir()} == {path.name for path in single.iterdir()}
    summaries = [json.loads((folder / 'summary.json').read_text()) for folder in (single, double)]
    assert summaries[0]['metrics'] == summaries[1]['metrics']
    assert json.loads((double / 'provenance.json').read_text())['device'].startswith('cpu x2')
    # What one of them cannot begin, none begins.
    (first, second), codes = pair(commands, *CONFIG, '--config.seed=1', f'--workdir={double}')
    assert codes == [1, 1]
    assert 'seed: 0 -> 1' in errors(first)[0]
    assert 'another process could not begin' in errors(second)[0]
