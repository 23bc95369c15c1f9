"""Checkpoints: the bytes that were saved, which are kept, and what damage does."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.training.checkpoint import Checkpoints, file_digests, from_host, read_digests, stored_steps, to_host
from aejax.types import TrainState, UserError
from tests.support import assert_equal_bytes

ROOT = pathlib.Path(__file__).parents[2]


def make_state(step: int) -> TrainState:
    params = {'encoder': {'kernel': jnp.arange(6.0).reshape(2, 3) + step}, 'empty': {}}
    optimizer = optax.inject_hyperparams(optax.adam)(learning_rate=0.1)
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        mutables={'count': jnp.asarray([step, 2], jnp.int32)},
        optimizer_states={'only': optimizer.init({'encoder': params['encoder']})},
        hparams={'beta': jnp.asarray(0.5)},
        key=jax.random.key(step),
    )


def fill(directory: pathlib.Path, errors=(3.0, 1.0, 2.0, 4.0), mode='min') -> Checkpoints:
    """A checkpoint at 10, 20, ... for each of `errors`, written to the end."""
    checkpoints = Checkpoints(directory, ('error', mode))
    for index, error in enumerate(errors, 1):
        checkpoints.save(make_state(10 * index), {'error': error, 'other': 0.0})
    checkpoints.close()
    return Checkpoints(directory, ('error', mode))


@pytest.fixture(scope='module')
def filled(tmp_path_factory):
    """A folder as `fill` leaves it, written once; a test that damages it damages a copy."""
    folder = tmp_path_factory.mktemp('filled')
    fill(folder).close()
    return folder


@pytest.fixture
def copied(filled, tmp_path):
    """`tmp_path` with the checkpoints of `filled`."""
    return shutil.copytree(filled, tmp_path, dirs_exist_ok=True)


def restore_last(checkpoints: Checkpoints):
    """(state, warnings)."""
    warnings: list[str] = []
    return checkpoints.restore_last(lambda step: make_state(0), warnings.append), warnings


def test_bytes_come_back(tmp_path):
    checkpoints = fill(tmp_path / 'run', [1.0])
    state = checkpoints.restore(10, make_state(0))
    assert_equal_bytes(to_host(state), to_host(make_state(10)))
    assert jax.random.key_data(state.key).tolist() == jax.random.key_data(jax.random.key(10)).tolist()
    checkpoints.close()


def test_to_host_owns_its_arrays():
    state = make_state(3)
    fields = to_host(state)
    assert all(isinstance(leaf, np.ndarray) and leaf.flags.owndata for leaf in jax.tree.leaves(fields))
    assert_equal_bytes(to_host(from_host(fields)), fields)
    assert jnp.issubdtype(from_host(fields).key.dtype, jax.dtypes.prng_key)


def test_a_checkpoint_is_safe_from_the_next_call(tmp_path):
    checkpoints, step = (
        Checkpoints(tmp_path, ('error', 'min')),
        jax.jit(lambda state: state.replace(step=state.step + 1), donate_argnums=0),
    )
    state = make_state(1)
    checkpoints.save(state, {'error': 1.0})
    state = step(state)
    checkpoints.save(state, {'error': 2.0})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    assert [int(checkpoints.restore(number, make_state(0)).step) for number in checkpoints.steps()] == [1, 2]
    checkpoints.close()


@pytest.mark.parametrize(
    ('errors', 'mode', 'steps', 'best'),
    [
        ((3.0, 1.0, 2.0, 4.0), 'min', [20, 30, 40], 20),
        ((3.0, 1.0, 2.0, 4.0), 'max', [30, 40], 40),
        ((5.0, 1.0, 2.0, 4.0), 'max', [10, 30, 40], 10),
        ((3.0, 4.0, 2.0, 1.0), 'min', [30, 40], 40),
    ],
)
def test_the_last_two_and_the_best_are_kept(tmp_path, errors, mode, steps, best):
    checkpoints = fill(tmp_path, errors, mode)
    assert checkpoints.steps() == steps
    assert checkpoints.best_step() == best
    assert set(json.loads((tmp_path / 'digests.json').read_text())) == {str(step) for step in steps}
    checkpoints.close()


def test_one_without_metrics_is_there_to_go_on_from_and_never_the_best(tmp_path):
    checkpoints = fill(tmp_path, [1.0, 2.0])
    checkpoints.save(make_state(30), None)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    assert checkpoints.steps() == [10, 20, 30]
    assert checkpoints.best_step() == 10
    assert int(restore_last(checkpoints)[0].step) == 30
    checkpoints.close()


def test_what_a_process_left_that_ended_too_early_goes(tmp_path):
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    # It ends when a checkpoint is committed and the one that has to go for it is still there.
    checkpoints._manager._checkpoint_deleter.delete_steps = lambda steps: None
    for step, error in ((10, 2.0), (20, 1.0), (30, 2.0), (40, None), (50, None)):
        checkpoints.save(make_state(step), error and {'error': error})
    checkpoints._manager.wait_until_finished()
    assert stored_steps(tmp_path) == [10, 20, 30, 40, 50]
    checkpoints = Checkpoints(tmp_path, ('error', 'min'), read_only=True)
    checkpoints.close()
    assert stored_steps(tmp_path) == [10, 20, 30, 40, 50]
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    checkpoints.close()
    assert checkpoints.steps() == stored_steps(tmp_path) == [20, 40, 50]
    assert set(read_digests(tmp_path)) == {'20', '40', '50'}


def test_the_metrics_that_a_checkpoint_was_saved_with(tmp_path):
    checkpoints = fill(tmp_path, [0.1 + 0.2])
    checkpoints.save(make_state(20), None)
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, ('error', 'min'), read_only=True)
    assert [checkpoints.metrics(step) for step in checkpoints.steps()] == [{'error': 0.1 + 0.2, 'other': 0.0}, {}]
    checkpoints.close()


def test_nothing_there(tmp_path):
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    assert restore_last(checkpoints) == (None, [])
    assert checkpoints.steps() == []
    assert checkpoints.best_step() is None
    checkpoints.close()


def test_digests_are_those_of_the_files(tmp_path):
    fill(tmp_path, [1.0, 2.0]).close()
    stored = json.loads((tmp_path / 'digests.json').read_text())
    assert stored == {str(step): file_digests(tmp_path / str(step)) for step in (10, 20)}
    assert all(len(digest) == 64 for files in stored.values() for digest in files.values())
    assert len(stored['10']) > 3


def flip(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: pathlib.Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


DAMAGE = {'flip': flip, 'truncate': truncate, 'delete': pathlib.Path.unlink}


def files_of(folder: pathlib.Path) -> list[pathlib.Path]:
    return [path for path in sorted(folder.rglob('*')) if path.is_file() and path.stat().st_size]


@pytest.mark.parametrize('kind', DAMAGE)
@pytest.mark.parametrize('which', ['largest', 'smallest', 'metrics', 'checkpoint_metadata'])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(copied, kind, which):
    files = sorted(files_of(copied / '40'), key=lambda path: path.stat().st_size)
    named = [path for path in files if which in str(path.relative_to(copied)).lower()]
    DAMAGE[kind]({'largest': files[-1], 'smallest': files[0]}.get(which) or named[0])
    checkpoints = Checkpoints(copied, ('error', 'min'))
    state, warnings = restore_last(checkpoints)
    assert_equal_bytes(to_host(state), to_host(make_state(30)))
    assert len(warnings) == 1
    assert f'{copied / "40"} is damaged' in warnings[0]
    assert '\n' not in warnings[0]
    assert not (copied / '40').exists()
    assert checkpoints.steps() == [20, 30]
    assert checkpoints.best_step() == 20
    # The same step is then reached again, and its new checkpoint is judged by its own digests.
    checkpoints.save(make_state(40), {'error': 0.5})
    checkpoints.close()
    again = Checkpoints(copied, ('error', 'min'))
    assert restore_last(again)[1] == []
    assert again.best_step() == 40
    again.close()


@pytest.mark.parametrize('kind', DAMAGE)
def test_metrics_alone_lose_no_state(copied, kind):
    for step in (20, 30):
        flip(files_of(copied / str(step) / 'state')[-1])
    DAMAGE[kind](copied / '40' / 'metrics' / 'metrics')
    checkpoints = Checkpoints(copied, ('error', 'min'))
    state, warnings = restore_last(checkpoints)
    assert_equal_bytes(to_host(state), to_host(make_state(40)))
    assert warnings[-1].endswith('40, damaged in its metrics alone, has to do')
    assert (checkpoints.steps(), checkpoints.best_step(), checkpoints.metrics(40)) == ([40], None, {})
    checkpoints.save(make_state(50), {'error': 0.5})
    checkpoints.close()
    again = Checkpoints(copied, ('error', 'min'))
    assert restore_last(again)[1] == []
    assert (again.steps(), again.best_step()) == ([40, 50], 50)
    again.close()


def test_a_config_that_does_not_fit_costs_no_metrics(copied):
    before, checkpoints = file_digests(copied), Checkpoints(copied, ('error', 'min'))
    misfit = make_state(0)
    misfit = misfit.replace(params={'other': jnp.zeros(7)})
    with pytest.raises(UserError, match='can be read'):
        checkpoints.restore_last(lambda step: misfit, lambda text: None)
    checkpoints.close()
    assert file_digests(copied) == before


def test_damage_without_digests_is_found_by_reading(copied):
    (copied / 'digests.json').write_text('{')
    for path in files_of(copied / '40' / 'state'):
        truncate(path)
    checkpoints = Checkpoints(copied, ('error', 'min'))
    state, warnings = restore_last(checkpoints)
    assert int(state.step) == 30
    assert len(warnings) == 1
    assert 'cannot be read' in warnings[0]
    checkpoints.close()


def test_all_damaged_is_an_error_of_one_line(copied):
    for step in (20, 30, 40):
        flip(files_of(copied / str(step))[-1])
    checkpoints, warnings = Checkpoints(copied, ('error', 'min')), []
    with pytest.raises(UserError, match=r'no checkpoint in .* can be read; start again with --overwrite') as caught:
        checkpoints.restore_last(lambda step: make_state(0), warnings.append)
    assert '\n' not in str(caught.value)
    assert len(warnings) == 3
    # None is thrown away where none is left to go on from.
    assert stored_steps(copied) == [20, 30, 40]
    checkpoints.close()


def test_a_damaged_one_that_is_not_the_newest_goes(copied):
    flip(files_of(copied / '20')[-1])
    checkpoints = Checkpoints(copied, ('error', 'min'))
    state, (warning,) = restore_last(checkpoints)
    assert int(state.step) == 40
    assert warning.endswith('20 is damaged: its bytes are not those that were saved; it is removed')
    assert checkpoints.steps() == stored_steps(copied) == [30, 40]
    checkpoints.close()


SPOKEN = """
import pathlib, sys
from tests.training.test_checkpoint import Checkpoints, files_of, fill, flip, restore_last
folder = pathlib.Path(sys.argv[1])
fill(folder).close()
flip(files_of(folder / '40')[-1])
checkpoints = Checkpoints(folder, ('error', 'min'))
assert len(restore_last(checkpoints)[1]) == 1
checkpoints.close()
"""


def in_a_process(program: str, *arguments: str) -> subprocess.CompletedProcess:
    """A process of its own: pytest takes the log before it can reach the standard error."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    command = [sys.executable, '-c', program, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_nothing_is_said_on_the_standard_streams(tmp_path):
    done = in_a_process(SPOKEN, str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, '', '')


def test_reading_changes_nothing(copied):
    (copied / '50.orbax-checkpoint-tmp').mkdir()
    before = file_digests(copied)
    reader = Checkpoints(copied, ('error', 'min'), read_only=True)
    assert reader.steps() == [20, 30, 40]
    assert int(reader.restore(reader.best_step(), make_state(0)).step) == 20
    reader.close()
    assert file_digests(copied) == before
    assert (copied / '50.orbax-checkpoint-tmp').exists()


def test_reading_a_run_with_damaged_metrics_is_an_error_of_one_line(copied):
    truncate(copied / '40' / 'metrics' / 'metrics')
    with pytest.raises(UserError, match=r'40 is damaged: its metrics cannot be read; the command that trained it mends that'):
        Checkpoints(copied, ('error', 'min'), read_only=True)
    assert (copied / '40').exists()


KILLED = """
import os, pathlib, signal, sys
from tests.training.test_checkpoint import Checkpoints, make_state
checkpoints = Checkpoints(pathlib.Path(sys.argv[1]), ('error', 'min'))
checkpoints.save(make_state(10), {'error': 1.0})
checkpoints._seal()
# From here on no checkpoint is committed: the process dies where its folder would get its name.
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
os.rename = os.replace = pathlib.Path.rename = pathlib.Path.replace = die
checkpoints.save(make_state(20), {'error': 1.0})
checkpoints.close()
"""


def test_a_kill_while_writing_leaves_the_older_ones(tmp_path):
    done = in_a_process(KILLED, str(tmp_path))
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [path.name for path in tmp_path.iterdir() if 'tmp' in path.name]
    assert left
    checkpoints = Checkpoints(tmp_path, ('error', 'min'))
    state, warnings = restore_last(checkpoints)
    assert_equal_bytes(to_host(state), to_host(make_state(10)))
    assert not warnings
    # Orbax cleans up in the background, and waits for it before it writes again.
    checkpoints.save(make_state(30), {'error': 0.5})
    checkpoints.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['10', '30', 'digests.json']
