"""Two fake devices, and JAX at its strictest: rank promotion raises, reused keys are caught, warnings are errors."""

import gc
import os
import pathlib
from collections.abc import Iterator

from tests.flags import QUICK, TWO_DEVICES

os.environ['XLA_FLAGS'] = f'{os.environ.get("XLA_FLAGS", "")} {TWO_DEVICES} {QUICK}'
os.environ.setdefault('JAX_PLATFORMS', 'cpu')

import jax
import pytest

jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_debug_key_reuse', True)


def pytest_collection_finish() -> None:
    """What is imported by now lives to the end: if no collection looks through it, tests take an eighth less time."""
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)


@pytest.fixture(scope='session')
def programs(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of compiled programs, one for all workers and the commands that they start."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / 'programs'
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope='session', autouse=True)
def _programs_are_kept(programs: pathlib.Path) -> Iterator[None]:
    from tests.support import compilation_cache_in

    with compilation_cache_in(str(programs), optimised=False):
        yield


def _mnist_raw_dir() -> pathlib.Path | None:
    given = os.environ.get('AEJAX_DOWNLOAD_DIR')
    folder = pathlib.Path(given) if given else pathlib.Path(__file__).parents[2] / 'shared' / 'data' / 'mnist'
    return folder if folder.is_dir() else None


MNIST_FILES = _mnist_raw_dir()


@pytest.fixture(scope='session', autouse=True)
def _nothing_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test finds data that was prepared before, or fetches any: what is not embedded has to be asked for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('AEJAX_DATA_DIR', str(tmp_path_factory.mktemp('no_data')))
        patch.setenv('AEJAX_DOWNLOAD_DIR', str(tmp_path_factory.mktemp('no_files')))
        yield


@pytest.fixture(scope='session')
def mnist_raw_dir() -> pathlib.Path:
    """The folder of MNIST's four original files; a test that asks for it is skipped where they are not at hand."""
    if MNIST_FILES is None:
        pytest.skip('no MNIST files: set AEJAX_DOWNLOAD_DIR to a folder with the four files of MNIST')
    return MNIST_FILES


@pytest.fixture(scope='session')
def mnist_data_dir(mnist_raw_dir: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A data folder in which 'mnist' is prepared, once in a test session."""
    from aejax import data

    folder = tmp_path_factory.mktemp('data')
    data.load('mnist', data_dir=folder, download_dir=mnist_raw_dir)
    return folder
