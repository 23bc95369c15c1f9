"""Ordered attributes of images that no one had to label: how thick the strokes are, and by how much they were turned.

A data set called 'NAME:thickness' or 'NAME:rotation' is NAME with one more array, 'attribute' [n] int32: the level of the
attribute, from 0 up to `NUM_LEVELS` - 1. Thickness is measured, and its levels hold equal shares of the training split.
Rotation is applied: every image is turned by one of `ANGLES`, which is recorded.
"""

from collections.abc import Callable, Mapping

import numpy as np

from aejax.data.dataset import SPLITS, Dataset, Split, make_dataset
from aejax.spread import spread
from aejax.types import UserError

ATTRIBUTES = ('thickness', 'rotation')
NUM_LEVELS = 5
ANGLES = (-40.0, -20.0, 0.0, 20.0, 40.0)
"""Degrees, anticlockwise: one for each level."""
NUM_REMEMBERED = 10_000


def split_name(name: str) -> tuple[str, str]:
    """('mnist', 'thickness') of 'mnist:thickness'; ('mnist', '') of a data set without an attribute."""
    base, _, attribute = name.rpartition(':')
    return (base, attribute) if attribute in ATTRIBUTES and base not in ('', 'tfds') else (name, '')


def thickness(x: np.ndarray) -> np.ndarray:
    """The mean width of strokes, 2 area / perimeter, in pixels: images [n, h, w, c] of bright strokes on black -> [n].

    Of a straight stroke of length L and width w, 2 L w / (2 L + 2 w) is near w. Grey images need no threshold: the mean over
    thresholds of the perimeter is the total variation, the sum of norm(grad x), by the co-area formula, and that of the area the
    sum of x. So the measure does not change with the brightness, and hardly with a blur. The ground around an image is black; a
    black image has no strokes: 0.

    Source: the co-area formula is Fleming & Rishel 1960, https://doi.org/10.1007/BF01236935; the idea of measuring strokes by
    morphology is that of Castro et al. 2019, Morpho-MNIST, https://arxiv.org/abs/1809.01756 (there by skeletons).
    """
    values = np.asarray(x, np.float32).mean(axis=-1)
    padded = np.pad(values, ((0, 0), (1, 1), (1, 1)))
    down, right = np.diff(padded, axis=1)[:, :, :-1], np.diff(padded, axis=2)[:, :-1]
    perimeter = np.sqrt(down**2 + right**2).sum(axis=(1, 2))
    area = values.sum(axis=(1, 2))
    return np.divide(2 * area, perimeter, out=np.zeros_like(area), where=perimeter > 0)


def turned(x: np.ndarray, degrees: np.ndarray) -> np.ndarray:
    """Each image [n, h, w, c] turned anticlockwise about its centre by its angle [n], interpolated bilinearly; of x's type."""
    from scipy import ndimage

    images = [
        ndimage.rotate(image, angle, reshape=False, order=1, output=np.float32) for image, angle in zip(x, degrees, strict=True)
    ]
    found = np.stack(images)
    return np.rint(found).astype(x.dtype) if x.dtype == np.uint8 else found.astype(x.dtype)


def with_attribute(dataset: Dataset, attribute: str) -> Dataset:
    """`dataset` with the array 'attribute' in every split, see the module.

    Raises:
        UserError: no such attribute, data that are no images with values in [0, 1], or images to turn that were binarised once.
    """
    spec = dataset.spec
    if attribute not in ATTRIBUTES:
        raise UserError(f'there is no attribute {attribute!r}; choose one of {", ".join(ATTRIBUTES)}')
    if not (spec.is_image and spec.is_unit_interval):
        raise UserError(f"{attribute} is measured of images in [0, 1]: {spec.name} needs data.preprocessing='scale'")
    if attribute == 'rotation' and spec.preprocessing == 'static_binarisation':
        raise UserError("turned images are grey: set data.preprocessing='dynamic_binarisation'")
    make = _with_thickness if attribute == 'thickness' else _with_rotation
    splits, levels = make(dataset)
    return make_dataset(
        f'{spec.name}:{attribute}',
        spec.preprocessing,
        splits,
        source=f'{dataset.source}; {attribute} by aejax',
        seed=dataset.seed,
        num_classes=spec.num_classes,
        statistics={**dataset.statistics, 'levels': levels},
        num_levels=NUM_LEVELS,
    )


def _with_thickness(dataset: Dataset) -> tuple[dict[str, Split], np.ndarray]:
    """Splits, and the boundaries [levels - 1] between levels in pixels."""
    measured = {name: thickness(dataset.split(name)['x']) for name in SPLITS}
    edges = np.quantile(measured['train'], np.arange(1, NUM_LEVELS) / NUM_LEVELS)
    levels = {name: np.searchsorted(edges, values).astype(np.int32) for name, values in measured.items()}
    return {name: {**dataset.split(name), 'attribute': levels[name]} for name in SPLITS}, edges.astype(np.float32)


def _with_rotation(dataset: Dataset) -> tuple[dict[str, Split], np.ndarray]:
    """Splits of turned images, and the angles [levels] in degrees."""
    splits: dict[str, Split] = {}
    for number, name in enumerate(SPLITS):
        split = dataset.split(name)
        # The third word keeps these draws apart from those of binarisation and of MNIST's variants.
        level = np.random.RandomState([dataset.seed, number, 2]).randint(NUM_LEVELS, size=len(split['x'])).astype(np.int32)
        splits[name] = {**split, 'x': turned(split['x'], np.asarray(ANGLES)[level]), 'attribute': level}
    return splits, np.asarray(ANGLES, np.float32)


def make_measure(attribute: str, train: Mapping[str, np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """images [n, h, w, c] in the space of train's 'x' -> the attribute [n]: pixels of thickness, or degrees.

    Thickness is `thickness`. The angle of an image is the mean of those of its five nearest neighbours in `train`, which has 'x'
    [m, h, w, c] and 'attribute' [m]: where a digit can be read either way it is uncertain, and drawn to the middle.
    """
    if attribute == 'thickness':
        return thickness
    from sklearn.neighbors import KNeighborsRegressor

    rows = spread(len(train['x']), NUM_REMEMBERED)
    known = KNeighborsRegressor(min(5, len(rows))).fit(_flat(train['x'][rows]), np.asarray(ANGLES)[train['attribute'][rows]])
    return lambda x: known.predict(_flat(x))


def _flat(x: np.ndarray) -> np.ndarray:
    return np.asarray(x, np.float32).reshape(len(x), -1)
