"""A member of the MNIST family in miniature: same files, same code, incompressible pixels, ready in a moment."""

import dataclasses
import gzip
import hashlib

import numpy as np
import pytest

from aejax.data import idx


@pytest.fixture(autouse=True)
def _no_folders_from_outside(monkeypatch):
    for variable in ('AEJAX_DATA_DIR', 'AEJAX_DOWNLOAD_DIR', 'TFDS_DATA_DIR'):
        monkeypatch.delenv(variable, raising=False)


@dataclasses.dataclass
class Tiny:
    """Stands in for 'kmnist': 600 training and 480 test images."""

    folder: object
    files: dict
    arrays: dict

    def configure(self, url='http://127.0.0.1:9/'):
        idx.IDX_CONFIGS['kmnist'] = dataclasses.replace(idx.IDX_CONFIGS['kmnist'], url=url, files=self.files)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    folder = tmp_path / 'raw'
    folder.mkdir()
    random = np.random.default_rng(0)
    arrays, files = {}, {}
    for images, labels, num in ((idx.TRAIN_IMAGES, idx.TRAIN_LABELS, 600), (idx.TEST_IMAGES, idx.TEST_LABELS, 480)):
        arrays[images] = random.integers(256, size=(num, 28, 28, 1), dtype=np.uint8)
        arrays[labels] = random.integers(10, size=num, dtype=np.uint8)
        for file, header in ((images, 16), (labels, 8)):
            content = gzip.compress(bytes(header) + arrays[file].tobytes())
            (folder / file).write_bytes(content)
            files[file] = (len(content), hashlib.sha256(content).hexdigest())
    monkeypatch.setitem(idx.IDX_CONFIGS, 'kmnist', idx.IDX_CONFIGS['kmnist'])
    tiny = Tiny(folder, files, arrays)
    tiny.configure()
    return tiny


@pytest.fixture
def tiny_process(tiny):
    """The start of a program in which 'kmnist' is the miniature, for tests that need a process of their own."""
    return (
        'import dataclasses\n'
        'from aejax.data import idx, load, prepared\n'
        f'idx.IDX_CONFIGS["kmnist"] = dataclasses.replace(idx.IDX_CONFIGS["kmnist"], files={tiny.files!r})\n'
    )
