"""Harder relatives of MNIST, made from its images: fewer training examples, digits turned round, digits on a noisy ground.

10,000 training, 2,000 validation and 50,000 test images of the 70,000, training and test files taken together. Which image is
in which split is settled once and for all, and the same for all three; angles and noise follow the seed. They are draws of our
own: figures compare with published ones up to the luck of the draw.

Source: Larochelle et al. 2007, An empirical evaluation of deep architectures on problems with many factors of variation,
https://doi.org/10.1145/1273496.1273556.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.idx import IDX_CONFIGS
from aejax.data.prepared import prepared_arrays
from aejax.data.preprocessing import IMAGE_PREPROCESSING, choose_preprocessing, preprocess_images

SIZES = {'train': 10_000, 'validation': 2_000, 'test': 50_000}


def unchanged(random: np.random.RandomState, images: np.ndarray) -> np.ndarray:
    """The digits as they are."""
    return images


def rotated(random: np.random.RandomState, images: np.ndarray) -> np.ndarray:
    """Each image turned anticlockwise about its centre by an angle uniform in [0, 2 pi), interpolated bilinearly.

    Args:
        random: gives one angle an image, in order.
        images: uint8 [n, height, width, 1].

    Returns:
        uint8 of the same shape; 62,000 images of MNIST take three seconds.
    """
    from scipy import ndimage

    centre = (np.array(images.shape[1:3]) - 1) / 2
    turned = np.empty(images.shape[:3], np.float32)
    for image, out, angle in zip(images[..., 0], turned, random.uniform(0, 2 * np.pi, len(images)), strict=True):
        cos, sin = np.cos(angle), np.sin(angle)
        matrix = np.array([[cos, sin], [-sin, cos]])
        ndimage.affine_transform(image, matrix, centre - matrix @ centre, output=out, order=1)
    return np.rint(turned).astype(np.uint8)[..., None]


def on_background(random: np.random.RandomState, images: np.ndarray) -> np.ndarray:
    """Each pixel becomes the larger of the digit's and of noise uniform in 0 .. 255, so that strokes have no dark rim.

    Args:
        random: gives one number a pixel, in order.
        images: uint8 [n, height, width, 1].

    Returns:
        uint8 of the same shape.
    """
    return np.maximum(images, random.randint(256, size=images.shape, dtype=np.uint8))


MNIST_VARIANTS: dict[str, Callable[[np.random.RandomState, np.ndarray], np.ndarray]] = {
    'mnist_basic': unchanged,
    'mnist_rotated': rotated,
    'mnist_background': on_background,
}


def load_mnist_variant(name: str, preprocessing: str | None, seed: int, data_dir: Path, download_dir: Path | None) -> Dataset:
    """A variant of MNIST, made afresh at each call from MNIST's own files, which are prepared in `data_dir` if need be.

    Raises:
        UserError: as `aejax.data.prepared.load_idx`.
    """
    preprocessing = choose_preprocessing(name, preprocessing, IMAGE_PREPROCESSING)
    arrays = prepared_arrays('mnist', data_dir, download_dir)
    images = np.concatenate([arrays['train_image'], arrays['test_image']])
    label = np.concatenate([arrays['train_label'], arrays['test_label']]).astype(np.int32)
    splits = {}
    for number, (split_name, index) in enumerate(split_indices(len(label)).items()):
        # The third word keeps these draws apart from those of static binarisation.
        random = np.random.RandomState([seed, number, 1])
        splits[split_name] = {'x': MNIST_VARIANTS[name](random, images[index]), 'label': label[index]}
    stored, statistics = preprocess_images(splits, preprocessing, seed)
    source = f'made from MNIST, {IDX_CONFIGS["mnist"].url}'
    return make_dataset(name, preprocessing, stored, source=source, seed=seed, num_classes=10, statistics=statistics)


def split_indices(num: int) -> dict[str, np.ndarray]:
    """Sorted indices of the examples of each split, of `num` in all, always the same ones."""
    permutation = np.random.RandomState(0).permutation(num)
    ends = np.cumsum(list(SIZES.values()))
    return {name: np.sort(permutation[end - size : end]) for (name, size), end in zip(SIZES.items(), ends, strict=True)}
