"""From a config to the things a run needs: data, method, source."""

import dataclasses
import os

from ml_collections import ConfigDict

from aejax import data, methods
from aejax.data import Dataset
from aejax.training.sources import Resident, Source, stream_of
from aejax.types import Method


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where data is: raw downloads and prepared sets; None means the environment's or the library's default."""

    data_dir: str | os.PathLike[str] | None = None
    download_dir: str | os.PathLike[str] | None = None


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
    """The method of a config, for this data set."""
    return methods.build(config, dataset.spec)
