"""`load`: every data set by its name."""

import difflib
import os
from pathlib import Path

from aejax.data.attributes import split_name, with_attribute
from aejax.data.dataset import Dataset
from aejax.data.embedded import load_digits, load_patches
from aejax.data.idx import IDX_CONFIGS
from aejax.data.mnist_variants import MNIST_VARIANTS, load_mnist_variant
from aejax.data.prepared import load_idx
from aejax.data.subset import with_training_examples
from aejax.data.synthetic import MANIFOLDS, load_manifold
from aejax.settings import check_seed
from aejax.types import UserError

NAMES = ('digits', *IDX_CONFIGS, *MNIST_VARIANTS, *MANIFOLDS, 'patches')
"""All data sets but those of the form 'tfds:NAME', and those with an attribute, 'NAME:thickness' or 'NAME:rotation'."""


def load(
    name: str,
    *,
    preprocessing: str | None = None,
    seed: int = 0,
    data_dir: str | os.PathLike[str] | None = None,
    download_dir: str | os.PathLike[str] | None = None,
    patch_size: int = 12,
    num_train: int = 0,
) -> Dataset:
    """Loads a data set, preparing it on disk where it is not yet.

    Args:
        name: one of `NAMES`, or 'tfds:NAME' for images that TensorFlow Datasets has already prepared as array_record; with
            ':thickness' or ':rotation' behind it, images with that ordered attribute, see `aejax.data.attributes`.
        preprocessing: one of `aejax.types.PREPROCESSING`; by default 'scale' for images and 'standardise' for the rest.
        seed: draws static binarisation, synthetic samples, patches, rotations and backgrounds. The splits of fixed data sets do
            not depend on it.
        data_dir: prepared data; by default $AEJAX_DATA_DIR, then TFDS's own ($TFDS_DATA_DIR or ~/tensorflow_datasets).
        download_dir: raw files, or a folder with a sub-folder of them by name; by default $AEJAX_DOWNLOAD_DIR. Without it they
            are downloaded.
        patch_size: side of the patches in 'patches'.
        num_train: training examples to keep, chosen by `seed`; 0 keeps all.

    Raises:
        UserError: no such data set, a preprocessing that does not suit it, files that are missing, damaged or cannot be written.
    """
    if not name:
        raise UserError(f'the data set has no name: data.name must be one of {", ".join(NAMES)} or tfds:NAME')
    check_seed(seed, 'the seed of the data')
    prepared = _folder(data_dir, 'AEJAX_DATA_DIR') or _folder(None, 'TFDS_DATA_DIR') or Path('~/tensorflow_datasets').expanduser()
    base, attribute = split_name(name)
    dataset = _load(base, preprocessing, seed, prepared, _folder(download_dir, 'AEJAX_DOWNLOAD_DIR'), patch_size)
    if attribute:
        dataset = with_attribute(dataset, attribute)
    return with_training_examples(dataset, num_train, seed) if num_train else dataset


def _load(name: str, preprocessing: str | None, seed: int, prepared: Path, raw: Path | None, patch_size: int) -> Dataset:
    """All of the data set of this name, from what lies in the folder `prepared`, or is made there of the files in `raw`."""
    if name == 'digits':
        return load_digits(preprocessing, seed)
    if name == 'patches':
        return load_patches(preprocessing, seed, patch_size)
    if name in MANIFOLDS:
        return load_manifold(name, preprocessing, seed)
    if name in IDX_CONFIGS:
        return load_idx(name, preprocessing, seed, prepared, raw)
    if name in MNIST_VARIANTS:
        return load_mnist_variant(name, preprocessing, seed, prepared, raw)
    if name.startswith('tfds:'):
        from aejax.data.tfds_images import load_tfds

        return load_tfds(name, preprocessing, seed, prepared)
    nearest = difflib.get_close_matches(name, NAMES, n=1)
    hint = f', did you mean {nearest[0]!r}? There' if nearest else ': there'
    raise UserError(
        f'unknown data set {name!r}{hint} are {", ".join(NAMES)} and tfds:NAME, and of images NAME:thickness and NAME:rotation'
    )


def _folder(given: str | os.PathLike[str] | None, variable: str) -> Path | None:
    value = given or os.environ.get(variable)
    return Path(value).expanduser() if value else None
