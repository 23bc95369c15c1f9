"""Batches of images as colours, and many images as one: the pixels under every picture."""

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError


def as_images(images: ArrayLike) -> np.ndarray:
    """Checks for [n, height, width, 1 or 3] with n > 0 and gives float64.

    Raises:
        UserError: another shape.
    """
    array = np.asarray(images, dtype=np.float64)
    if array.ndim != 4 or array.shape[-1] not in (1, 3) or array.shape[0] == 0:
        raise UserError(f'images must be [n, height, width, 1 or 3] with n > 0, got {list(array.shape)}')
    return array


def value_range(images: np.ndarray) -> tuple[float, float]:
    """What to show as black and as white: (0, 1) for images inside it, else their finite extremes (standardised data)."""
    finite = images[np.isfinite(images)]
    if finite.size == 0 or (finite.min() >= 0.0 and finite.max() <= 1.0):
        return 0.0, 1.0
    return float(finite.min()), float(finite.max())


def to_rgb(images: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Maps [n, h, w, 1 or 3] to colours [n, h, w, 3] in [0, 1]: `limits` become black and white, values beyond are clipped."""
    low, high = limits
    scaled = np.clip((images - low) / max(high - low, 1e-12), 0.0, 1.0)
    return np.broadcast_to(np.nan_to_num(scaled), (*images.shape[:-1], 3))


def signed_to_rgb(images: np.ndarray) -> np.ndarray:
    """Colours [n, h, w, 3] for weights: each image is divided by its largest absolute value, so that zero is neutral.

    Grey weights [n, h, w, 1] go through a diverging map (blue negative, white zero, red positive); colour weights
    [n, h, w, 3] become (1 + w) / 2 a channel, grey at zero.
    """
    import matplotlib

    largest = np.abs(images).max(axis=(1, 2, 3), keepdims=True)
    unit = (1.0 + images / np.where(largest > 0.0, largest, 1.0)) / 2.0
    if images.shape[-1] == 3:
        return unit
    return np.asarray(matplotlib.colormaps['RdBu_r'](unit[..., 0]))[..., :3]


def tile(images: np.ndarray, columns: int, background: float = 1.0, per_gap: int = 20) -> np.ndarray:
    """Lays [n, h, w, 3] out by rows as one image, with a thin gap of grey value `background` between neighbours.

    Small images are enlarged by a whole factor f first, to at least 40 pixels across, so that the gap g is thin beside them
    whatever their size: the result is [rows (f h + g) - g, columns (f w + g) - g, 3] with g = ceil(f w / per_gap).
    """
    factor = -(-40 // images.shape[2])
    large = images.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width, _ = large.shape
    gap, rows = -(-width // per_gap), -(-count // columns)
    sheet = np.full((rows, height + gap, columns, width + gap, 3), background)
    sheet[-1, :, count - (rows - 1) * columns :] = 1.0
    for index, image in enumerate(large):
        sheet[index // columns, :height, index % columns, :width] = image
    whole = sheet.reshape(rows * (height + gap), columns * (width + gap), 3)
    return whole[: rows * (height + gap) - gap, : columns * (width + gap) - gap]
