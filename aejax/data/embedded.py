"""Real images that come with scikit-learn and need no download: 8x8 digits, and patches of two photographs."""

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.preprocessing import (
    IMAGE_PREPROCESSING,
    PATCH_PREPROCESSING,
    Arrays,
    apply,
    choose_preprocessing,
    normalise_contrast,
    preprocess_images,
    remove_means,
    whiten,
    whiten_low_pass,
)
from aejax.types import UserError

PATCH_SIZES = {'train': 20_000, 'validation': 2_000, 'test': 2_000}
# Shares of the photographs' width. A patch lies wholly within its split's strip, so no pixel is shared between splits.
PATCH_STRIPS = {'train': (0.0, 0.7), 'validation': (0.7, 0.85), 'test': (0.85, 1.0)}


def load_digits(preprocessing: str | None, seed: int) -> Dataset:
    """1,797 handwritten digits [8, 8, 1], split 1297/200/300 with equal shares of the classes, the same for every seed.

    Alpaydin and Kaynak 1998, https://doi.org/10.24432/C50P49.
    """
    preprocessing = choose_preprocessing('digits', preprocessing, IMAGE_PREPROCESSING)
    from sklearn import datasets, model_selection

    bunch = datasets.load_digits()
    x = np.round(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    label = bunch.target.astype(np.int32)
    rest, test = model_selection.train_test_split(np.arange(len(x)), test_size=300, stratify=label, random_state=0)
    train, validation = model_selection.train_test_split(rest, test_size=200, stratify=label[rest], random_state=0)
    indices = {'train': np.sort(train), 'validation': np.sort(validation), 'test': np.sort(test)}
    splits = {name: {'x': x[index], 'label': label[index]} for name, index in indices.items()}
    stored, statistics = preprocess_images(splits, preprocessing, seed)
    source = 'embedded in scikit-learn (load_digits)'
    return make_dataset('digits', preprocessing, stored, source=source, seed=seed, num_classes=10, statistics=statistics)


def load_patches(preprocessing: str | None, seed: int, patch_size: int) -> Dataset:
    """Grey patches [size, size, 1] at random places of two photographs; each split has a strip of the photographs to itself.

    'scale' stores grey values as uint8, as for all images. 'standardise' is contrast normalisation: each patch loses its own
    mean, then all are divided by the standard deviation that is left in the training patches. 'whiten' removes each patch's
    mean, then does ZCA. 'whiten_low_pass' divides each patch by its own contrast as well, then whitens all but the finest
    details, see `aejax.data.preprocessing`: for filters to look at.

    Raises:
        UserError: patches of this size do not fit into the strips, or have nothing left without their mean.
    """
    preprocessing = choose_preprocessing('patches', preprocessing, PATCH_PREPROCESSING)
    if patch_size == 1 and preprocessing != 'scale':
        raise UserError(
            f'nothing is left of patches of one pixel without their mean: {preprocessing!r} needs a larger patch_size'
        )
    from sklearn import datasets

    photographs = [np.asarray(image, np.float32).mean(axis=-1) / 255 for image in datasets.load_sample_images().images]
    random = np.random.RandomState(seed)
    splits: Arrays = {
        name: {
            'x': _draw_patches(random, [_strip(photograph, PATCH_STRIPS[name]) for photograph in photographs], num, patch_size)
        }
        for name, num in PATCH_SIZES.items()
    }
    statistics: dict[str, np.ndarray] = {}
    if preprocessing == 'scale':
        splits = {name: {'x': np.round(255 * split['x']).astype(np.uint8)} for name, split in splits.items()}
    if preprocessing in ('standardise', 'whiten'):
        splits = remove_means(splits)
    if preprocessing == 'standardise':
        scale = splits['train']['x'].std(dtype=np.float64).astype(np.float32)
        splits, statistics = apply(splits, lambda x: x / scale), {'scale': scale}
    if preprocessing == 'whiten':
        splits, statistics = whiten(splits)
    if preprocessing == 'whiten_low_pass':
        splits, contrast = normalise_contrast(splits)
        splits, statistics = whiten_low_pass(splits)
        statistics['contrast'] = contrast['scale']
    source = 'patches of two photographs embedded in scikit-learn (load_sample_images)'
    return make_dataset('patches', preprocessing, splits, source=source, seed=seed, statistics=statistics)


def _strip(photograph: np.ndarray, bounds: tuple[float, float]) -> np.ndarray:
    low, high = (round(bound * photograph.shape[1]) for bound in bounds)
    return photograph[:, low:high]


def _draw_patches(random: np.random.RandomState, strips: list[np.ndarray], num: int, size: int) -> np.ndarray:
    """`num` patches [num, size, size, 1], each from a strip and a place drawn uniformly."""
    largest = min(min(strip.shape) for strip in strips)
    if not 1 <= size <= largest:
        raise UserError(f'patch_size {size} does not fit into the photographs: choose 1 to {largest}')
    windows = [np.lib.stride_tricks.sliding_window_view(strip, (size, size)) for strip in strips]
    patches = np.empty((num, size, size, 1), np.float32)
    for index, which in enumerate(random.randint(len(windows), size=num)):
        rows, columns = windows[which].shape[:2]
        patches[index, ..., 0] = windows[which][random.randint(rows), random.randint(columns)]
    return patches
