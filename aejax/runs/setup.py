"""From a config to the things a run needs: data, method, source."""

import contextlib
import dataclasses
import math
import os
from collections.abc import Iterator
from typing import Any

import jax
from ml_collections import ConfigDict

from aejax import data, methods
from aejax.data import Dataset
from aejax.data.labels import stream_sizes, training_data
from aejax.files import flatten
from aejax.runs.likelihood import num_importance_samples
from aejax.runs.sampling import sample_counts
from aejax.settings import check_seed
from aejax.training import loop
from aejax.training.parallel import make_placement
from aejax.training.sources import Resident, Source, stream_of
from aejax.types import DataSpec, Method, UserError


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where data is: raw downloads and prepared sets; None means the environment's or the library's default."""

    data_dir: str | os.PathLike[str] | None = None
    download_dir: str | os.PathLike[str] | None = None


@contextlib.contextmanager
def complete(config: ConfigDict) -> Iterator[None]:
    """Raises UserError where the block asks `config` for a key that it does not have, or finds a value in a section's place."""
    try:
        yield
    except AttributeError as error:
        if any(error.obj is value for value in flatten(config.to_dict()).values()):
            message = f'the config holds {error.obj!r} where a section with the key {error.name!r} belongs'
            raise UserError(message) from None
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
        if not _holds_finite_numbers(value):
            raise UserError(f'{name}={value} must be finite')
    for name in ('log_every', 'checkpoint_every'):
        if not 0 < getattr(config, name) <= 1e9:
            raise UserError(f'{name}={getattr(config, name)} must be a positive number of epochs')
    label_seed = config.data.get('label_seed', 0)
    for name, seed in (('seed', config.seed), ('data.seed', config.data.seed), ('data.label_seed', label_seed)):
        check_seed(seed, name)
    if config.test_checkpoint not in ('last', 'best'):
        raise UserError(f"test_checkpoint is {config.test_checkpoint!r}; choose 'last' or 'best'")
    num_importance_samples(config)
    sample_counts(config)
    make_placement(config.parallel, config.batch_size, stream_sizes=sizes_of(config))


def sizes_of(config: ConfigDict) -> dict[str, int]:
    """`stream_sizes` of a config's `data` section."""
    section = config.data
    return stream_sizes(section.get('labelled_batch_size', 0), config.batch_size, section.get('num_labelled', 0))


def _holds_finite_numbers(value: Any) -> bool:
    """Whether a setting is, or holds in its tuples, no float that is infinite or nan."""
    if isinstance(value, list | tuple):
        return all(map(_holds_finite_numbers, value))
    return not isinstance(value, float) or math.isfinite(value)


def load_data(config: ConfigDict, folders: Folders = Folders()) -> Dataset:
    """The data set of a config's `data` section; static binarisation and synthetic samples are drawn with `data.seed`."""
    section = config.data
    return data.load(
        section.name,
        preprocessing=section.preprocessing,
        seed=section.seed,
        patch_size=section.patch_size,
        num_train=section.get('num_train', 0),
        data_dir=folders.data_dir,
        download_dir=folders.download_dir,
    )


def make_source(config: ConfigDict, dataset: Dataset) -> Source:
    """The training split as the loop takes it: flat, or with `data.num_labelled` labels in two streams.

    Raises:
        UserError: where the data has not so many labels, or is to be streamed.
    """
    num_labelled = config.data.get('num_labelled', 0)
    if not config.data.streaming:
        data = training_data(dataset, num_labelled, config.data.get('label_seed', 0))
        return Resident(data, config.batch_size, stream_sizes=sizes_of(config))
    if num_labelled:
        raise UserError('data.num_labelled makes two streams of data in memory: set data.streaming=False')
    return stream_of(dataset.split('train'), config.batch_size, config.seed)


def build(config: ConfigDict, dataset: Dataset) -> Method:
    """The method of a config, for this data set.

    Raises:
        UserError: from the method, where the config lacks what the method needs (it is that of another), or where training it
            needs more memory than there is.
    """
    with complete(config):
        method = methods.build(config, dataset.spec)
    if config.data.get('num_labelled', 0) and not hasattr(method, 'streams'):
        raise UserError(f'data.num_labelled is for semi-supervised methods, and {config.method} is none: set data.num_labelled=0')
    check_memory(method, make_source(config, dataset), dataset.spec)
    return method


def check_memory(method: Method, source: Source, spec: DataSpec) -> None:
    """Raises UserError where parameters, their gradients and the optimiser's state are larger than the memory of this machine.

    Only their shapes are computed. Else the system ends the process without a word.
    """
    state = jax.eval_shape(lambda: loop.initial_state(method, source, spec, 0).replace(key=None))
    size = num_bytes(state) + num_bytes(state.params)
    if size > (there := machine_memory()):
        path, largest = max(jax.tree.leaves_with_path({**state.params, **state.mutables}), key=lambda leaf: leaf[1].size)
        name = jax.tree_util.keystr(path, simple=True, separator='/')
        settings = {'chain': 'num_chains', 'discriminator': 'discriminator.hidden'}
        setting = next((settings[word] for word in settings if word in name), 'model.hidden or model.latents')
        raise UserError(
            f'training needs {size / 2**30:,.0f} GiB, the largest array is {name} {list(largest.shape)}, and this machine has '
            f'{there / 2**30:,.0f} GiB: make {setting} smaller'
        )


def machine_memory() -> int:
    """Bytes of main memory."""
    return os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')


def num_bytes(tree: Any) -> int:
    """Of all arrays in `tree`, or of their shapes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
