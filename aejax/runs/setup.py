"""From a config to the things a run needs: data, method, source."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator

from ml_collections import ConfigDict

from aejax import data, methods
from aejax.data import Dataset
from aejax.runs.folder import flatten
from aejax.training.parallel import make_placement
from aejax.training.sources import Resident, Source, stream_of
from aejax.types import Method, UserError


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where data is: raw downloads and prepared sets; None means the environment's or the library's default."""

    data_dir: str | os.PathLike[str] | None = None
    download_dir: str | os.PathLike[str] | None = None


@contextlib.contextmanager
def complete(config: ConfigDict) -> Iterator[None]:
    """Raises UserError where the block asks `config` for a key that it does not have."""
    try:
        yield
    except AttributeError as error:
        # A ConfigDict tells of a missing key by an AttributeError around a KeyError; any other is a bug.
        if not (error.args and isinstance(error.args[0], KeyError)):
            raise
        key = str(error.args[0]).strip('"')
        raise UserError(f'the config lacks {key}, which a run of method {config.get("method")!r} needs') from None


def check(config: ConfigDict) -> None:
    """Looks at the settings of the run itself, before it touches anything; method and data look at their own.

    Raises:
        UserError: on the first that cannot be.
    """
    for name, value in flatten(config.to_dict()).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise UserError(f'{name}={value} must be a finite number')
    for name in ('log_every', 'checkpoint_every'):
        if not 0 < getattr(config, name) <= 1e9:
            raise UserError(f'{name}={getattr(config, name)} must be a positive number of epochs')
    for name, seed in (('seed', config.seed), ('data.seed', config.data.seed)):
        if not 0 <= seed < 2**32:
            raise UserError(f'{name}={seed} must lie between 0 and {2**32 - 1}')
    if config.test_checkpoint not in ('last', 'best'):
        raise UserError(f"test_checkpoint is {config.test_checkpoint!r}; choose 'last' or 'best'")
    make_placement(config.parallel, config.batch_size)


def load_data(config: ConfigDict, folders: Folders = Folders()) -> Dataset:
    """The data set of a config's `data` section; static binarisation and synthetic samples are drawn with `data.seed`."""
    section = config.data
    return data.load(
        section.name,
        preprocessing=section.preprocessing,
        seed=section.seed,
        patch_size=section.patch_size,
        data_dir=folders.data_dir,
        download_dir=folders.download_dir,
    )


def make_source(config: ConfigDict, dataset: Dataset) -> Source:
    """The training split as the loop takes it."""
    split = dataset.split('train')
    if config.data.streaming:
        return stream_of(split, config.batch_size, config.seed)
    return Resident(split, config.batch_size)


def build(config: ConfigDict, dataset: Dataset) -> Method:
    """The method of a config, for this data set.

    Raises:
        UserError: from the method, or where the config lacks what the method needs (it is that of another).
    """
    with complete(config):
        return methods.build(config, dataset.spec)
