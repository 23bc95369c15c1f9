import functools
import http.server
import shutil
import socket
import threading
import time
import urllib.request

import pytest

from aejax import data
from aejax.data import download, idx
from aejax.types import UserError


class _Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


class _CutShort(_Handler):
    """Announces more than it sends, as a connection that breaks off does."""

    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '1000')
        self.end_headers()
        self.wfile.write(b'only this')


@pytest.fixture
def serve(tiny):
    servers = []

    def start(handler=_Handler):
        server = http.server.HTTPServer(('127.0.0.1', 0), functools.partial(handler, directory=tiny.folder))
        threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01}, daemon=True).start()
        servers.append(server)
        tiny.configure(f'http://127.0.0.1:{server.server_port}/')

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def failure(tmp_path, **arguments):
    """The message of a load that must fail, after which no raw or prepared file may be left in the data folder."""
    with pytest.raises(UserError) as caught:
        data.load('kmnist', data_dir=tmp_path / 'data', **arguments)
    assert '\n' not in str(caught.value)
    left = [path.name for path in (tmp_path / 'data').rglob('*') if path.is_file()]
    assert left in ([], ['.lock'])
    return str(caught.value)


def test_files_are_downloaded_once_checked_and_kept(serve, tiny, tmp_path):
    serve()
    downloaded = data.load('kmnist', data_dir=tmp_path / 'data')
    kept = tmp_path / 'data' / 'downloads' / 'aejax_idx' / 'kmnist'
    assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
        path.name: path.read_bytes() for path in tiny.folder.iterdir()
    }
    shutil.rmtree(tmp_path / 'data' / 'aejax_idx')
    tiny.configure('http://127.0.0.1:9/')
    assert data.load('kmnist', data_dir=tmp_path / 'data').fingerprint == downloaded.fingerprint


@pytest.mark.usefixtures('tiny')
def test_no_network_says_how_to_give_the_files(tmp_path):
    message = failure(tmp_path)
    assert 'cannot download http://127.0.0.1:9/train-images-idx3-ubyte.gz ([Errno 111] Connection refused)' in message
    assert '--download_dir' in message


@pytest.mark.parametrize('stuck', ['connection', 'name lookup'])
def test_a_network_that_never_answers_is_given_up(stuck, tiny, tmp_path, monkeypatch):
    assert download.SECONDS_TO_CONNECT <= 15
    monkeypatch.setattr(download, 'SECONDS_TO_CONNECT', 0.2)
    release = threading.Event()
    if stuck == 'name lookup':
        monkeypatch.setattr(urllib.request, 'urlopen', lambda *_, **__: release.wait(30))
    with socket.create_server(('127.0.0.1', 0)) as silent:
        tiny.configure(f'http://127.0.0.1:{silent.getsockname()[1]}/')
        start = time.monotonic()
        message = failure(tmp_path)
    release.set()
    assert time.monotonic() - start < 5
    assert '--download_dir' in message


def test_a_missing_file_on_the_server(serve, tiny, tmp_path):
    serve()
    (tiny.folder / idx.TRAIN_IMAGES).unlink()
    assert '(File not found)' in failure(tmp_path) or '(Not Found)' in failure(tmp_path)


def test_a_connection_that_breaks_off(serve, tmp_path):
    serve(_CutShort)
    assert 'cannot download' in failure(tmp_path)


def test_a_wrong_file_on_the_server(serve, tiny, tmp_path):
    serve()
    (tiny.folder / idx.TRAIN_IMAGES).write_bytes(bytes(10**6))
    assert f'{idx.TRAIN_IMAGES} has the wrong checksum' in failure(tmp_path)


def test_a_damaged_file_in_the_download_cache_is_fetched_again(serve, tiny, tmp_path):
    kept = tmp_path / 'data' / 'downloads' / 'aejax_idx' / 'kmnist'
    kept.mkdir(parents=True)
    (kept / idx.TRAIN_IMAGES).write_bytes(b'half a fi')
    serve()
    data.load('kmnist', data_dir=tmp_path / 'data')
    assert (kept / idx.TRAIN_IMAGES).read_bytes() == (tiny.folder / idx.TRAIN_IMAGES).read_bytes()


def test_a_download_folder_may_hold_several_data_sets_by_name(tiny, tmp_path):
    (tmp_path / 'several').mkdir()
    shutil.copytree(tiny.folder, tmp_path / 'several' / 'kmnist')
    flat = data.load('kmnist', data_dir=tmp_path / 'flat', download_dir=tiny.folder)
    assert data.load('kmnist', data_dir=tmp_path / 'data', download_dir=tmp_path / 'several').fingerprint == flat.fingerprint


def test_an_explicit_folder_wins_over_the_environment(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv('AEJAX_DOWNLOAD_DIR', str(tmp_path / 'nowhere'))
    monkeypatch.setenv('AEJAX_DATA_DIR', str(tmp_path / 'from_environment'))
    assert 'nowhere does not exist' in failure(tmp_path)
    data.load('kmnist', download_dir=tiny.folder)
    assert (tmp_path / 'from_environment' / 'aejax_idx' / 'kmnist').is_dir()
    assert not (tmp_path / 'data' / 'aejax_idx' / 'kmnist').exists()


def test_a_file_cut_short(tiny, tmp_path):
    path = tiny.folder / idx.TRAIN_IMAGES
    path.write_bytes(path.read_bytes()[:1000])
    assert f'is cut short (1000 of {tiny.files[idx.TRAIN_IMAGES][0]} bytes)' in failure(tmp_path, download_dir=tiny.folder)


def test_a_file_with_one_wrong_bit(tiny, tmp_path):
    path = tiny.folder / idx.TEST_LABELS
    content = bytearray(path.read_bytes())
    content[20] ^= 1
    path.write_bytes(content)
    assert f'{idx.TEST_LABELS} has the wrong checksum' in failure(tmp_path, download_dir=tiny.folder)


def test_a_file_of_another_member_of_the_family(tiny, tmp_path):
    with pytest.raises(UserError, match='belongs to kmnist, not to mnist: keep the files of each in a sub-folder'):
        data.load('mnist', data_dir=tmp_path / 'data', download_dir=tiny.folder)


def test_a_missing_file(tiny, tmp_path):
    (tiny.folder / idx.TEST_LABELS).unlink()
    message = failure(tmp_path, download_dir=tiny.folder)
    assert f'{idx.TEST_LABELS} (No such file or directory): the download folder of kmnist must hold' in message


def test_addresses_and_checksums_are_those_of_tfds():
    from tensorflow_datasets.core.download import checksums

    table = checksums.get_all_url_infos()
    for config in idx.IDX_CONFIGS.values():
        for file, (size, checksum) in config.files.items():
            assert (table[config.url + file].size, table[config.url + file].checksum) == (size, checksum)
