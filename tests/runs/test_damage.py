"""Files that were damaged between two starts of a run: what can be made again is, the rest is told in one line."""

import errno
import importlib
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest

import aejax
from aejax.runs.console import Quiet
from aejax.runs.train import train
from aejax.training.checkpoint import writing
from aejax.types import UserError
from experiments.configs import vae
from tests.support import assert_equal_bytes

TRAIN = importlib.import_module('aejax.runs.train')  # by its name alone it is the function


class Heard(Quiet):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


def config():
    settings = vae.get_config('')
    settings.epochs, settings.log_every, settings.checkpoint_every, settings.tensorboard = 3, 1.0, 1.0, False
    return settings


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp('whole') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TRAIN, 'write_figures', lambda *arguments: [])
        train(config(), folder)
    return folder


@pytest.fixture
def unfinished(whole, tmp_path, monkeypatch):
    """A copy of the whole run without its end."""
    monkeypatch.setattr(TRAIN, 'write_figures', lambda *arguments: [])
    shutil.copytree(whole, tmp_path / 'run')
    (tmp_path / 'run' / 'summary.json').unlink()
    return tmp_path / 'run'


def state(folder):
    stored = aejax.load(folder, 'last').state
    return jax.tree.map(np.asarray, stored.replace(key=jax.random.key_data(stored.key)))


def rows(folder):
    lines = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    return [{name: line[name] for name in line if name not in ('seconds', 'examples_per_second')} for line in lines]


def assert_same(folder, whole):
    assert_equal_bytes(state(folder), state(whole))
    assert rows(folder) == rows(whole)
    assert (
        json.loads((folder / 'summary.json').read_text())['metrics']
        == json.loads((whole / 'summary.json').read_text())['metrics']
    )


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
    warnings = [line for line in heard.lines if line.startswith('warning: ')]
    assert len(warnings) == 1
    assert 'falling back to the one before' in warnings[0]
    assert '\n' not in warnings[0]
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
    train(config(), unfinished)
    assert_same(unfinished, whole)
    provenance, expected = (json.loads((folder / 'provenance.json').read_text()) for folder in (unfinished, whole))
    assert provenance['data'] == expected['data']


def test_lost_metrics_do_not_stop_the_end(unfinished):
    (unfinished / 'metrics.jsonl').unlink()
    summary = train(config(), unfinished)
    assert summary['status'] == 'finished'
    assert summary['epochs'] == 3


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
