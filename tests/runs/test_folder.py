"""What lies in a run's folder, who may write in it, and whether a config may go on there."""

import json

import pytest
from ml_collections import ConfigDict

import aejax
from aejax.files import write_json
from aejax.runs import folder as folders
from aejax.types import UserError

CONFIG = {'method': 'ae', 'model': {'hidden': [8, 4], 'tied': False}, 'epochs': 3}


def begun(folder, config=CONFIG):
    """A folder in which a run has trained."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / 'config.json', config)
    (folder / 'metrics.jsonl').write_text('{"step": 12, "epoch": 1.0}\n')
    return folder


def test_config_as_json_holds_it():
    config = ConfigDict({'model': {'hidden': (8, 4)}, 'rate': 1e-3})
    assert folders.plain(config) == {'model': {'hidden': [8, 4]}, 'rate': 0.001}
    assert folders.flatten(folders.plain(config)) == {'model.hidden': [8, 4], 'rate': 0.001}


def test_differences_name_every_key():
    other = {'method': 'ae', 'model': {'hidden': [8], 'tied': False}, 'epochs': 3, 'seed': 1}
    assert folders.differences(CONFIG, CONFIG) == []
    assert folders.differences(CONFIG, other) == ['model.hidden: [8, 4] -> [8]', "seed: 'absent' -> 1"]
    # What follows from another method comes after it.
    assert folders.differences(CONFIG, {**other, 'epochs': 4, 'method': 'vae'})[0] == "method: 'ae' -> 'vae'"


def test_another_config_is_refused(tmp_path):
    folder = begun(tmp_path)
    folders.check_free(folder, CONFIG, overwrite=False)
    other = {**CONFIG, 'epochs': 4}
    with pytest.raises(UserError, match=r'epochs: 3 -> 4.*--overwrite'):
        folders.check_free(folder, other, overwrite=False)
    folders.check_free(folder, other, overwrite=True)


def test_many_differences_are_counted(tmp_path):
    with pytest.raises(UserError, match='and 3 more'):
        folders.check_free(begun(tmp_path), dict.fromkeys('abc', 0) | {'epochs': 3, 'method': 'ae', 'x': 1}, overwrite=False)


def test_a_run_that_lost_its_config_is_told_a_way_back(tmp_path):
    folder = begun(tmp_path)
    write_json(folder / 'provenance.json', {})
    (folder / 'config.json').unlink()
    for look in (lambda: folders.check_free(folder, CONFIG, overwrite=False), lambda: folders.read_config(folder)):
        with pytest.raises(UserError, match=r'lost its config.json; copy .* --overwrite'):
            look()
    folders.check_free(folder, CONFIG, overwrite=True)
    folders.claim(folder, CONFIG, overwrite=True)
    assert [path.name for path in folder.iterdir()] == ['config.json']


def test_a_file_that_is_no_runs_is_never_overwritten(tmp_path):
    folder = begun(tmp_path)
    write_json(folder / 'provenance.json', {})
    (folder / 'config.json').unlink()
    (folder / 'thesis.tex').write_text('')
    with pytest.raises(UserError, match=r'holds no run \(there is '):
        folders.check_free(folder, CONFIG, overwrite=True)


def test_a_run_that_has_not_begun_blocks_nothing(tmp_path):
    write_json(tmp_path / 'config.json', CONFIG)
    (tmp_path / 'checkpoints' / '12.orbax-checkpoint-tmp').mkdir(parents=True)
    (tmp_path / 'metrics.jsonl').write_text('')
    other = {**CONFIG, 'epochs': 4}
    folders.check_free(tmp_path, other, overwrite=False)
    folders.claim(tmp_path, other, overwrite=False)
    assert folders.read_config(tmp_path) == other
    assert [path.name for path in tmp_path.iterdir()] == ['config.json']


@pytest.mark.parametrize('left', ['checkpoints/12/state', 'summary.json'])
def test_a_checkpoint_or_a_summary_alone_is_something_to_lose(tmp_path, left):
    write_json(tmp_path / 'config.json', CONFIG)
    write_json(tmp_path / left, {'status': 'finished'})
    with pytest.raises(UserError, match='epochs'):
        folders.check_free(tmp_path, {**CONFIG, 'epochs': 4}, overwrite=False)


@pytest.mark.parametrize('overwrite', [False, True])
def test_foreign_files_stay_untouched(tmp_path, overwrite):
    (tmp_path / 'thesis.tex').write_text('years')
    with pytest.raises(UserError, match=r"'thesis.tex'"), folders.locked(tmp_path):
        pytest.fail('the folder was taken')
    with pytest.raises(UserError, match='choose another --workdir'):
        folders.check_free(tmp_path, CONFIG, overwrite)
    assert [path.name for path in tmp_path.iterdir()] == ['thesis.tex']


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / 'file'
    path.write_text('')
    for workdir in (path, path / 'below'):
        with pytest.raises(UserError, match='file'), folders.locked(workdir):
            pytest.fail('it was taken')


@pytest.mark.parametrize('name', ['checkpoints', 'figures', 'tensorboard', 'samples', 'checkpoints/12'])
def test_a_file_in_the_place_of_a_folder(tmp_path, name):
    path = begun(tmp_path / 'run') / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('')
    for act in (lambda: folders.locked(tmp_path / 'run').__enter__(), lambda: aejax.load(tmp_path / 'run')):
        with pytest.raises(UserError, match=f'{path} is a file, and a run has a folder there; move it away'):
            act()
    assert path.exists()


@pytest.mark.parametrize('name', ['config.json', '.lock', 'report.html', 'evaluation-test.json', 'checkpoints/digests.json'])
def test_a_folder_in_the_place_of_a_file(tmp_path, name):
    path = begun(tmp_path / 'run') / name
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)
    for act in (lambda: folders.locked(tmp_path / 'run').__enter__(), lambda: aejax.load(tmp_path / 'run')):
        with pytest.raises(UserError, match=f'{path} is a folder, and a run has a file there; move it away'):
            act()
    assert path.is_dir()


def test_the_lock_holds_one_process(tmp_path):
    first = folders.locked(tmp_path / 'run')
    with first, pytest.raises(UserError, match='another process'), folders.locked(tmp_path / 'run'):
        pytest.fail('both are in')
    with folders.locked(tmp_path / 'run'):
        pass


def test_leftovers_of_killed_writers_go(tmp_path):
    for name in ('.config.json.part', '.summary.json.part'):
        (tmp_path / name).write_text('{')
    with folders.locked(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == ['.lock']
    folder = begun(tmp_path)
    (folder / 'figures').mkdir()
    (folder / 'figures' / '.samples.png.part').write_text('')
    with folders.locked(folder):
        assert not list((folder / 'figures').iterdir())


def test_a_run_that_diverged_before_its_first_checkpoint_blocks_nothing(tmp_path):
    folder, other = begun(tmp_path), {**CONFIG, 'epochs': 4}
    write_json(folder / 'summary.json', {'status': 'stopped: loss is nan', 'steps': 12})
    folders.check_free(folder, other, overwrite=False)
    (folder / 'checkpoints' / '12').mkdir(parents=True)
    with pytest.raises(UserError, match=r'epochs: 3 -> 4.*--overwrite'):
        folders.check_free(folder, other, overwrite=False)


def test_overwriting_empties_a_folder_on_another_disk(tmp_path):
    folder, disk = begun(tmp_path / 'run'), tmp_path / 'disk'
    (disk / '12').mkdir(parents=True)
    (folder / 'checkpoints').symlink_to(disk)
    folders.claim(folder, {'epochs': 4}, overwrite=True)
    assert (folder / 'checkpoints').resolve() == disk
    assert not list(disk.iterdir())


def test_overwriting_removes_what_a_run_writes_and_no_more(tmp_path):
    folder = begun(tmp_path)
    for name in ('checkpoints', 'figures', 'tensorboard', 'samples', 'notes'):
        (folder / name).mkdir()
        (folder / name / 'file').write_text('')
    for name in ('provenance.json', 'summary.json', 'report.html', 'evaluation-test.json', 'notes.md', 'my-summary.json'):
        (folder / name).write_text('{}')
    folders.claim(folder, {'epochs': 4}, overwrite=True)
    assert sorted(path.name for path in folder.iterdir()) == ['config.json', 'my-summary.json', 'notes', 'notes.md']
    assert (folder / 'notes' / 'file').exists()
    assert folders.read_config(folder) == {'epochs': 4}


@pytest.mark.parametrize('content', ['{"method": "a', '[1]', '\x00\x00'])
def test_a_damaged_config(tmp_path, content):
    folder = begun(tmp_path)
    (folder / 'config.json').write_text(content)
    with pytest.raises(UserError, match=r'config\.json.*--overwrite'):
        folders.check_free(folder, CONFIG, overwrite=False)
    folders.check_free(folder, CONFIG, overwrite=True)


def test_no_run(tmp_path):
    with pytest.raises(UserError, match='train first'):
        folders.read_config(tmp_path / 'nothing')
    assert folders.read_object(tmp_path / 'nothing') == {}


ROWS = [{'step': 12, 'loss': 1.0}, {'step': 24, 'loss': 0.5}, {'step': 36, 'loss': 0.25}]


@pytest.mark.parametrize(
    'tail', [b'', b'{"step": 48, "lo', b'{"step": 48', b'\x00\x00\xff\xfe', b'\n', b'48\n', b'[]\n', b'{}\n']
)
def test_a_torn_last_line_is_no_row(tmp_path, tail):
    path = tmp_path / 'metrics.jsonl'
    folders.append_rows(path, ROWS)
    path.write_bytes(path.read_bytes() + tail)
    assert folders.read_rows(path) == ROWS
    assert folders.keep_rows(path, 24) == ROWS[:2]
    assert [json.loads(line) for line in path.read_text().splitlines()] == ROWS[:2]


def test_rows_of_nothing(tmp_path):
    assert folders.read_rows(tmp_path / 'metrics.jsonl') == []
    assert folders.keep_rows(tmp_path / 'metrics.jsonl', 12) == []
