import json
import os

import pytest

from aejax import files


def test_a_failed_rename_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = files.write_bytes(tmp_path / 'new' / 'a.png', b'old')

    def fail(*_):
        raise OSError('disk full')

    monkeypatch.setattr(os, 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        files.write_bytes(path, b'new')
    assert path.read_bytes() == b'old'
    assert list(path.parent.iterdir()) == [path]


def test_a_power_cut_finds_the_old_file_or_the_whole_new_one(tmp_path, monkeypatch):
    path, calls = files.write_text(tmp_path / 'a.txt', 'old'), []
    fsync, replace = os.fsync, os.replace

    def synced(handle):
        calls.append(('sync', os.path.basename(os.readlink(f'/proc/self/fd/{handle}'))))
        fsync(handle)

    monkeypatch.setattr(os, 'fsync', synced)
    monkeypatch.setattr(os, 'replace', lambda *names: (calls.append('rename'), replace(*names)))
    files.write_text(path, 'new')
    assert calls == [('sync', '.a.txt.part'), 'rename', ('sync', tmp_path.name)]
    assert path.read_text() == 'new'


def test_a_writer_that_dies_half_way_leaves_the_old_file(tmp_path):
    path = files.write_text(tmp_path / 'a.txt', 'old')

    def half() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text('ne')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_json_has_null_for_what_is_not_finite(tmp_path):
    path = files.write_json(tmp_path / 'a.json', {'a': [float('nan'), 1.5], 'b': (float('-inf'),), 'c': 'nan'})
    assert json.loads(path.read_text()) == {'a': [None, 1.5], 'b': [None], 'c': 'nan'}
