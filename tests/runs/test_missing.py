"""A run that had finished and of which something is gone or damaged: it is told in a line, and that alone is made again."""

import os
import pathlib
import shutil

import pytest

import aejax
from aejax.runs import provenance
from aejax.runs.missing import missing
from aejax.runs.train import train
from aejax.types import UserError
from experiments.configs import ae, vae
from tests.running import Heard, config, no_pictures, read, rows, state, validation_times
from tests.support import assert_equal_bytes


@pytest.fixture(autouse=True)
def _no_pictures():
    with no_pictures():
        yield


@pytest.fixture
def finished(whole, tmp_path):
    """A copy of the whole run."""
    return shutil.copytree(whole, tmp_path / 'run')


@pytest.fixture(scope='module')
def overshot(tmp_path_factory):
    """A run whose last epoch is worse than the one before: (folder, config)."""
    settings = config(ae, epochs=3, test_checkpoint='best')
    folder = tmp_path_factory.mktemp('overshot') / 'run'
    with no_pictures(), validation_times(2.0, 1.0, 3.0):
        assert train(settings, folder)['best']['step'] == 24
    return folder, settings


def again(folder, settings=None):
    heard = Heard()
    train(settings or config(vae, epochs=3, tensorboard=True), folder, console=heard)
    return heard


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def flip_largest(folder):
    flip(max((path for path in folder.rglob('*') if path.is_file()), key=lambda path: path.stat().st_size))


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('damage', [flip_largest, shutil.rmtree])
def test_the_last_checkpoint(whole, finished, damage):
    damage(finished / 'checkpoints' / '36')
    for checkpoint in ('configured', 'last'):
        with pytest.raises(UserError, match=r'36.* is (gone|damaged)'):
            aejax.load(finished, checkpoint)
    heard = again(finished)
    assert 'had finished, but checkpoint' in heard.warnings[0]
    assert any('at step 24 of 36' in line for line in heard.lines)
    assert_equal_bytes(state(finished), state(whole))
    assert rows(finished) == rows(whole)
    assert read(finished, 'summary')['metrics'] == read(whole, 'summary')['metrics']
    assert missing(finished, read(finished, 'summary')) == {}


def test_the_best_checkpoint(overshot, tmp_path):
    folder, settings = shutil.copytree(overshot[0], tmp_path / 'run'), overshot[1]
    shutil.rmtree(folder / 'checkpoints' / '24')
    for checkpoint in ('configured', 'best'):
        with pytest.raises(
            UserError, match=r'the best checkpoint of this finished run, .*24, is gone; .* or choose one of \[36\]'
        ):
            aejax.load(folder, checkpoint)
    heard = again(folder, settings)
    assert 'checkpoint' in heard.warnings[0]
    assert 'the best checkpoint, of step 24, is lost: the best of those left takes its place' in heard.warnings[1]
    assert read(folder, 'summary')['best']['step'] == aejax.load(folder).checkpoint == 36
    assert read(folder, 'summary')['metrics'] != read(overshot[0], 'summary')['metrics']
    assert 'nothing to do' in again(folder, settings).lines[-1]


def test_all_the_checkpoints_of_a_run_that_was_stopped(whole, finished):
    shutil.rmtree(finished / 'checkpoints')
    (finished / 'summary.json').unlink()
    assert again(finished).warnings == [f'warning: {finished} holds no checkpoint: training begins again']
    assert rows(finished) == rows(whole)


def test_a_checkpoint_that_is_neither(finished):
    flip_largest(finished / 'checkpoints' / '24')
    assert any('24 is damaged' in line and line.endswith('it is removed') for line in again(finished).warnings)
    assert [path.name for path in (finished / 'checkpoints').iterdir() if path.is_dir()] == ['36']
    assert 'nothing to do' in again(finished).lines[-1]


@pytest.mark.parametrize('content', [None, '\x00', '{}', '{"data": {"name": "digits"}}'])
def test_the_provenance(whole, finished, content):
    path = finished / 'provenance.json'
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(UserError, match=r'provenance.json is lost, or .* the command that trained it writes it again'):
        aejax.load(finished)
    before = contents(finished)
    assert 'provenance.json is gone or damaged: what is missing is made again' in again(finished).warnings[0]
    assert 'went on at step 36' in read(finished, 'provenance')['note']
    assert aejax.load(finished).spec == aejax.load(whole).spec
    after = contents(finished)
    assert {str(name) for name in after if after[name] != before.get(name)} == {'provenance.json', 'report.html'}
    assert 'nothing to do' in again(finished).lines[-1]


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ('name', 'damage', 'word'),
    [
        ('figures', shutil.rmtree, 'figures/nothing.png is gone or damaged'),
        ('figures/nothing.png', cut, 'figures/nothing.png is gone or damaged'),
        ('report.html', pathlib.Path.unlink, 'report.html is gone'),
        ('report.html', cut, 'report.html is damaged'),
    ],
)
def test_figures_and_report(whole, finished, name, damage, word):
    damage(finished / name)
    (warning,) = again(finished).warnings
    assert f'had finished, but {word}: what is missing is made again' in warning
    before, after = contents(whole), contents(finished)
    assert set(after) == set(before)
    assert {str(name) for name in after if after[name] != before[name]} == {'provenance.json', 'report.html'}
    assert len(read(finished, 'provenance')['resumed']) == 1


def test_rows_do_not_come_back_without_training(finished):
    (finished / 'metrics.jsonl').unlink()
    before = contents(finished)
    (line,) = again(finished).lines
    assert 'nothing to do (but metrics.jsonl lacks its last rows, which --overwrite alone brings back)' in line
    assert contents(finished) == before


def test_one_row_of_an_interval(finished):
    path = finished / 'metrics.jsonl'
    lines = path.read_text().splitlines(keepends=True)
    path.write_text(''.join(line for i, line in enumerate(lines) if i != 1))
    assert 'nothing to do (but metrics.jsonl lacks some of its rows, ' in again(finished).lines[-1]


def test_later_starts_are_in_the_provenance(finished, monkeypatch):
    before = read(finished, 'provenance')
    (finished / 'report.html').unlink()
    monkeypatch.setattr(provenance, 'versions', lambda: {**before['versions'], 'jax': '0.0.1'})
    monkeypatch.setattr(provenance, 'git_state', lambda: {'commit': 'f' * 40, 'dirty': False})
    monkeypatch.setenv('XLA_FLAGS', '--new')
    drift = again(finished).warnings[1]
    commit = str(before['git'].get('commit'))[:7]
    assert f'jax {before["versions"]["jax"]} -> 0.0.1, commit {commit} -> fffffff' in drift
    after = read(finished, 'provenance')
    (entry,) = after.pop('resumed')
    assert after == before
    assert (entry['step'], entry['git']['commit']) == (36, 'f' * 40)
    assert entry['versions'] == {'jax': '0.0.1'}
    assert entry['environment'] == {'XLA_FLAGS': '--new'}
    assert entry['started'] >= before['started']
