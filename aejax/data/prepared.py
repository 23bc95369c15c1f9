"""Prepared data on disk: TFDS array_records, made once under a lock, and beside them the same arrays for a quick start."""

import contextlib
import fcntl
import io
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aejax.data import idx
from aejax.data.dataset import Dataset, make_dataset
from aejax.data.download import raw_files
from aejax.data.preprocessing import IMAGE_PREPROCESSING, choose_preprocessing, preprocess_images
from aejax.files import write_bytes
from aejax.types import UserError

BUILDER, VERSION = 'aejax_idx', '1.0.0'
ARRAYS = ('train_image', 'train_label', 'test_image', 'test_label')

Arrays = dict[str, np.ndarray]


def load_idx(name: str, preprocessing: str | None, seed: int, data_dir: Path, download_dir: Path | None) -> Dataset:
    """A member of the MNIST family, prepared in `data_dir` when it is not yet. 50,000/10,000/10,000 examples [28, 28, 1].

    The validation split is a sixth of the training files, drawn once and for all; both keep the files' order.

    Raises:
        UserError: as `raw_files`, or the data folder cannot be written to or holds damaged data.
    """
    preprocessing = choose_preprocessing(name, preprocessing, IMAGE_PREPROCESSING)
    arrays = prepared_arrays(name, data_dir, download_dir)
    train, validation = hold_out(len(arrays['train_label']))
    images, label = arrays['train_image'], arrays['train_label'].astype(np.int32)
    splits = {
        'train': {'x': images[train], 'label': label[train]},
        'validation': {'x': images[validation], 'label': label[validation]},
        'test': {'x': arrays['test_image'], 'label': arrays['test_label'].astype(np.int32)},
    }
    stored, statistics = preprocess_images(splits, preprocessing, seed)
    config = idx.IDX_CONFIGS[name]
    return make_dataset(
        name, preprocessing, stored, source=config.url, seed=seed, num_classes=config.num_classes, statistics=statistics
    )


def hold_out(num: int) -> tuple[np.ndarray, np.ndarray]:
    """Sorted indices of training and validation examples: one in six is held out, always the same ones."""
    # RandomState's streams are frozen for good (NumPy's NEP 19), and the seed is not the user's: splits never move.
    permutation = np.random.RandomState(0).permutation(num)
    return np.sort(permutation[num // 6 :]), np.sort(permutation[: num // 6])


def prepared_arrays(name: str, data_dir: Path, download_dir: Path | None) -> Arrays:
    """The images and labels of both files, uint8, read from `data_dir` and prepared there first if need be.

    Any number of processes may call this at once: one prepares, the others wait for it. One that dies leaves nothing that
    the next would take for finished.
    """
    folder = data_dir / BUILDER / name / VERSION
    arrays = _read_arrays(folder / 'arrays.npz')
    if arrays is not None:
        return arrays
    with _explain_failures(data_dir), _locked(data_dir / BUILDER):
        arrays = _read_arrays(folder / 'arrays.npz')
        if arrays is None:
            if not folder.exists():
                _prepare(name, data_dir, raw_files(name, download_dir, data_dir / 'downloads' / BUILDER / name))
            arrays = _read_records(name, data_dir)
            _write_arrays(folder / 'arrays.npz', arrays)
    return arrays


def make_builder(name: str, data_dir: Path) -> Any:
    """The TFDS builder of `name`, reading and writing below `data_dir`."""
    from aejax.data.idx_builder import AejaxIdx

    return AejaxIdx(config=name, data_dir=data_dir, file_format='array_record')


def _prepare(name: str, data_dir: Path, raw: Path) -> None:
    import tensorflow_datasets as tfds

    for leftover in (data_dir / BUILDER / name).glob('incomplete.*'):
        shutil.rmtree(leftover)
    builder = make_builder(name, data_dir)
    with tempfile.TemporaryDirectory() as scratch, quietly():
        config = tfds.download.DownloadConfig(manual_dir=raw, try_download_gcs=False)
        builder.download_and_prepare(download_dir=scratch, download_config=config)


def _read_records(name: str, data_dir: Path) -> Arrays:
    arrays = {}
    with explain_damage(data_dir / BUILDER / name / VERSION):
        builder = make_builder(name, data_dir)
        for split in ('train', 'test'):
            source = builder.as_data_source(split)
            examples = source.__getitems__(range(len(source)))
            arrays[f'{split}_image'] = np.stack([example['image'] for example in examples])
            arrays[f'{split}_label'] = np.array([example['label'] for example in examples], np.uint8)
    return arrays


@contextlib.contextmanager
def explain_damage(folder: Path) -> Iterator[None]:
    """Turns what goes wrong while prepared records are read into a `UserError` that names their folder."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:  # array_record, protobuf and json each have errors of their own for bytes they cannot read
        raise UserError(f'the prepared data in {folder} are damaged: delete that folder and prepare it again') from error


def _read_arrays(path: Path) -> Arrays | None:
    """The arrays, whose checksums the zip format carries, or None where the file is missing or damaged."""
    try:
        with path.open('rb') as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in ARRAYS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None


def _write_arrays(path: Path, arrays: Arrays) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    # This copy only saves time: on a full disk the records are enough.
    with contextlib.suppress(OSError):
        write_bytes(path, buffer.getvalue())


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Keeps TFDS from announcing its work on the terminal, which belongs to the run; errors still come through."""
    import tensorflow_datasets as tfds
    from absl import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds an exclusive lock on `folder`; the system frees it when the process ends, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / '.lock', os.O_CREAT | os.O_RDWR, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _explain_failures(data_dir: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError) as error:  # array_record reports a full disk as a RuntimeError
        reason = getattr(error, 'strerror', None) or str(error).splitlines()[0].split(';')[0]
        raise UserError(f'cannot prepare data in {data_dir} ({reason}): make room or choose another with --data_dir') from error
