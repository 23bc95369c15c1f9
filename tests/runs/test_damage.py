"""Files that were damaged between two starts of a run: what can be made again is, the rest is told in one line."""

import errno
import pathlib
import shutil

import pytest

import aejax
from aejax.runs.train import train
from aejax.training.checkpoint import writing
from aejax.types import UserError
from experiments.configs import vae
from tests.running import Heard, no_pictures, read, rows, state
from tests.running import config as short
from tests.support import assert_equal_bytes


@pytest.fixture(autouse=True)
def _no_pictures():
    with no_pictures():
        yield


def config():
    """That of `whole`."""
    return short(vae, epochs=3, tensorboard=True)


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the whole run."""
    return shutil.copytree(whole, tmp_path / 'run')


@pytest.fixture
def unfinished(finished):
    """A copy of the whole run without its end."""
    (finished / 'summary.json').unlink()
    return finished


def assert_same(folder, whole):
    assert_equal_bytes(state(folder), state(whole))
    assert rows(folder) == rows(whole)
    for name in ('metrics', 'best'):
        assert read(folder, 'summary')[name] == read(whole, 'summary')[name]


def largest(folder: pathlib.Path) -> pathlib.Path:
    return max((path for path in folder.rglob('*') if path.is_file()), key=lambda path: path.stat().st_size)


def flip(folder):
    content = bytearray(largest(folder).read_bytes())
    content[len(content) // 2] ^= 1
    largest(folder).write_bytes(content)


def truncate(folder):
    path = largest(folder)
    path.write_bytes(path.read_bytes()[:-9])


def delete(folder):
    largest(folder).unlink()


def empty(folder):
    shutil.rmtree(folder)
    folder.mkdir()


@pytest.mark.parametrize('damage', [flip, empty])
def test_a_damaged_checkpoint(whole, unfinished, damage):
    damage(unfinished / 'checkpoints' / '36')
    heard = Heard()
    train(config(), unfinished, console=heard)
    (warning,) = heard.warnings
    assert 'falling back to the one before' in warning
    assert '\n' not in warning
    assert any('at step 24 of 36' in line for line in heard.lines)
    assert_same(unfinished, whole)


def test_no_checkpoint_that_can_be_read(unfinished):
    for step in (24, 36):
        flip(unfinished / 'checkpoints' / str(step))
    with pytest.raises(UserError, match=r'no checkpoint in .* can be read; start again with --overwrite'):
        train(config(), unfinished)


@pytest.mark.parametrize('damage', [flip, truncate, delete])
def test_a_damaged_checkpoint_is_not_loaded(unfinished, damage):
    damage(unfinished / 'checkpoints' / '36')
    with pytest.raises(UserError, match='36 is damaged'):
        aejax.load(unfinished)
    assert aejax.load(unfinished, 24).checkpoint == 24


def test_damaged_files_around_the_checkpoints(whole, unfinished):
    metrics = unfinished / 'metrics.jsonl'
    metrics.write_bytes(metrics.read_bytes() + b'{"step": 48, "epo')
    (unfinished / 'summary.json').write_text('{"status": "fini')
    (unfinished / 'provenance.json').write_text('\x00')
    (unfinished / 'checkpoints' / 'digests.json').write_text('{"36"')
    heard = Heard()
    train(config(), unfinished, console=heard)
    for name, warning in zip(('summary.json', 'digests.json', 'provenance.json'), heard.warnings, strict=True):
        assert f'{name} is' in warning
    assert_same(unfinished, whole)
    assert read(unfinished, 'provenance')['data'] == read(whole, 'provenance')['data']
    assert 'went on at step 36' in read(unfinished, 'provenance')['note']


@pytest.mark.parametrize(('kept', 'step'), [(0, 36), (2, 24)])
def test_lost_rows_are_told_and_the_best_is_known_without_them(whole, unfinished, kept, step):
    path = unfinished / 'metrics.jsonl'
    path.write_text(''.join(path.read_text().splitlines(keepends=True)[:kept]))
    if step == 24:
        shutil.rmtree(unfinished / 'checkpoints' / '36')
    heard = Heard()
    summary = train(config(), unfinished, console=heard)
    (warning,) = heard.warnings
    assert f'metrics.jsonl lacks {(step // 12) - kept // 2} of its intervals up to step {step}' in warning
    assert rows(unfinished) == rows(whole)[:kept] + rows(whole)[step // 6 :]
    assert (summary['status'], summary['epochs']) == ('finished', 3)
    assert summary['best'] == read(whole, 'summary')['best']


def test_data_that_changed_is_told(unfinished):
    path = unfinished / 'provenance.json'
    path.write_text(path.read_text().replace('"fingerprint": "', '"fingerprint": "0'))
    heard = Heard()
    train(config(), unfinished, console=heard)
    assert any(line.startswith('warning: the digits data is not what this run began with') for line in heard.lines)


def test_no_room_is_told_before_anything_is_half_written(unfinished, monkeypatch):
    shutil.rmtree(unfinished / 'checkpoints' / '36')
    monkeypatch.setattr('aejax.training.checkpoint.shutil.disk_usage', lambda path: shutil._ntuple_diskusage(0, 0, 2**20))
    with pytest.raises(OSError, match='No space left') as caught:
        train(config(), unfinished)
    assert caught.value.errno == errno.ENOSPC
    assert sorted(path.name for path in (unfinished / 'checkpoints').iterdir()) == ['24', 'digests.json']


def test_what_tensorstore_raises_is_an_error_of_the_system(tmp_path):
    with pytest.raises(OSError, match='File too large') as caught, writing(tmp_path):
        raise ValueError("OUT_OF_RANGE: Failed to write 167006 bytes: File too large [os_error_code='27']")
    assert caught.value.errno == errno.EFBIG
    with pytest.raises(ValueError, match='a bug'), writing(tmp_path):
        raise ValueError('a bug')
