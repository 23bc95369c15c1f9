import errno
import gzip
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from aejax import data
from aejax.data import idx, prepared
from aejax.types import UserError

SCALE_FINGERPRINT = 'b853ea3d0c2a0f8d593747a68248f8efe0e9693e9dd6f8106d8e192a9ae5c3c4'
"""As first loaded: a change means that figures of earlier runs were measured on other splits."""


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'data' / 'aejax_idx' / 'kmnist' / '1.0.0'


def load(tiny, tmp_path, **arguments):
    return data.load('kmnist', data_dir=tmp_path / 'data', download_dir=tiny.folder, **arguments)


def test_mnist_is_the_original_files_split_for_good(mnist_raw_dir, mnist_data_dir):
    start = time.monotonic()
    loaded = data.load('mnist', data_dir=mnist_data_dir, seed=5)
    assert time.monotonic() - start < 3
    assert loaded.fingerprint == SCALE_FINGERPRINT
    assert [len(split['x']) for split in loaded.splits.values()] == [50_000, 10_000, 10_000]
    raw_dir = mnist_raw_dir / 'mnist' if (mnist_raw_dir / 'mnist').is_dir() else mnist_raw_dir
    raw = {}
    for file, header in ((idx.TRAIN_IMAGES, 16), (idx.TRAIN_LABELS, 8), (idx.TEST_IMAGES, 16), (idx.TEST_LABELS, 8)):
        raw[file] = np.frombuffer(gzip.decompress((raw_dir / file).read_bytes())[header:], np.uint8)
    np.testing.assert_array_equal(loaded.split('test')['x'].ravel(), raw[idx.TEST_IMAGES])
    np.testing.assert_array_equal(loaded.split('test')['label'], raw[idx.TEST_LABELS])
    train, validation = prepared.hold_out(60_000)
    images = raw[idx.TRAIN_IMAGES].reshape(-1, 28, 28, 1)
    np.testing.assert_array_equal(loaded.split('train')['x'], images[train])
    np.testing.assert_array_equal(loaded.split('validation')['label'], raw[idx.TRAIN_LABELS][validation])


def test_hold_out_takes_a_sixth_once():
    train, validation = prepared.hold_out(601)
    assert len(validation) == 100
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(601))
    np.testing.assert_array_equal(prepared.hold_out(601)[1], validation)


def test_prepared_data_need_no_raw_files_and_no_tfds(tiny, tmp_path, monkeypatch):
    first = load(tiny, tmp_path)
    monkeypatch.setitem(sys.modules, 'tensorflow_datasets', None)
    assert data.load('kmnist', data_dir=tmp_path / 'data').fingerprint == first.fingerprint
    np.testing.assert_array_equal(first.split('test')['x'], tiny.arrays[idx.TEST_IMAGES])


@pytest.mark.parametrize('damage', ['missing', 'cut short', 'one bit'])
def test_damaged_quick_copy_is_made_again_from_the_records(damage, tiny, tmp_path, folder):
    first = load(tiny, tmp_path)
    path = folder / 'arrays.npz'
    whole = path.read_bytes()
    middle = len(whole) // 2
    damaged = {'missing': None, 'cut short': whole[:middle], 'one bit': whole[:middle] + bytes([whole[middle] ^ 1])}[damage]
    path.unlink() if damaged is None else path.write_bytes(damaged + whole[len(damaged) :] * (damage == 'one bit'))
    assert data.load('kmnist', data_dir=tmp_path / 'data').fingerprint == first.fingerprint
    assert path.read_bytes() == whole


@pytest.mark.parametrize('file', ['aejax_idx-train.array_record-00000-of-00001', 'dataset_info.json'])
def test_damaged_records_name_the_folder_to_delete(file, tiny, tmp_path, folder):
    load(tiny, tmp_path)
    (folder / 'arrays.npz').unlink()
    (folder / file).write_bytes((folder / file).read_bytes()[:100])
    with pytest.raises(UserError, match=f'the prepared data in {folder} are damaged: delete that folder'):
        load(tiny, tmp_path)


def test_data_folder_that_cannot_be_made(tiny, tmp_path):
    (tmp_path / 'data').write_text('a file')
    with pytest.raises(UserError, match=r'cannot prepare data in .* \((Not a directory|File exists)\): .*--data_dir'):
        load(tiny, tmp_path)


def test_quiet_on_both_streams(tiny, tiny_process, tmp_path):
    done = _run(
        tiny_process + f'print(load("kmnist", data_dir={str(tmp_path / "data")!r}, download_dir={str(tiny.folder)!r}).spec.name)'
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, 'kmnist\n', '')


def test_full_disk_while_records_are_written(tiny, tiny_process, tmp_path, folder):
    """A limit on the size of files stands in for the disk's: the same call fails in the same place."""
    done = _run(_limit(100_000) + tiny_process + _print_user_error(tiny, tmp_path))
    assert done.stdout.startswith(f'cannot prepare data in {tmp_path / "data"} (')
    assert 'File too large' in done.stdout
    assert not folder.exists()
    assert not list(folder.parent.glob('*'))
    load(tiny, tmp_path)


def test_full_disk_while_the_quick_copy_is_written_costs_only_time(tiny, tiny_process, tmp_path, folder):
    done = _run(_limit(700_000) + tiny_process + _print_user_error(tiny, tmp_path))
    assert done.stdout == 'loaded\n', done
    assert not [path.name for path in folder.iterdir() if 'arrays' in path.name]


def test_full_disk_elsewhere_is_one_line(tiny, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(prepared, '_prepare', full)
    with pytest.raises(UserError, match=r'cannot prepare data in .* \(No space left on device\): make room'):
        load(tiny, tmp_path)


def test_a_killed_preparation_does_not_poison_the_next(tiny, tiny_process, tmp_path, folder):
    kill = (
        'import os, signal\n'
        'die = lambda: os.kill(os.getpid(), signal.SIGKILL)\n'
        'idx.read_labels = lambda path: (die() if i == 50 else 0 for i in range(600))\n'
    )
    done = _run(tiny_process + kill + _print_user_error(tiny, tmp_path))
    assert done.returncode == -signal.SIGKILL
    assert list(folder.parent.glob('incomplete.*'))
    np.testing.assert_array_equal(load(tiny, tmp_path).split('test')['x'], tiny.arrays[idx.TEST_IMAGES])
    assert [path.name for path in folder.parent.iterdir()] == ['1.0.0']


def test_two_processes_at_once_prepare_once(tiny, tiny_process, tmp_path, folder):
    count = 'prepare = prepared._prepare\nprepared._prepare = lambda *arguments: (print("prepares"), prepare(*arguments))\n'
    ready = 'import sys; print("ready", flush=True); sys.stdin.readline()\n'
    code = tiny_process + count + ready + _print_user_error(tiny, tmp_path)
    pair = [_start(code) for _ in range(2)]
    assert [process.stdout.readline() for process in pair] == ['ready\n', 'ready\n']
    with prepared._locked(tmp_path / 'data' / 'aejax_idx'):
        for process in pair:
            process.stdin.write('\n')
            process.stdin.flush()
    printed = [process.communicate(timeout=60) for process in pair]
    assert [err for _, err in printed] == ['', '']
    assert sorted(out for out, _ in printed) == ['loaded\n', 'prepares\nloaded\n']
    assert [path.name for path in folder.parent.iterdir()] == ['1.0.0']


def _print_user_error(tiny, tmp_path):
    return (
        'from aejax.types import UserError\n'
        'try:\n'
        f'    load("kmnist", data_dir={str(tmp_path / "data")!r}, download_dir={str(tiny.folder)!r}); print("loaded")\n'
        'except UserError as error:\n'
        '    print(error)\n'
    )


def _limit(size):
    return f'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))\n'


def _start(code):
    pipes = {'stdin': subprocess.PIPE, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE}
    return subprocess.Popen([sys.executable, '-c', code], text=True, **pipes)


def _run(code):
    process = _start(code)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(code, process.returncode, out, err)
