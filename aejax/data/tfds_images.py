"""Any image data set that TensorFlow Datasets has already prepared as array_record, read without TensorFlow."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.prepared import explain_damage, hold_out, quietly
from aejax.data.preprocessing import IMAGE_PREPROCESSING, choose_preprocessing, preprocess_images
from aejax.types import UserError

HOW_TO_PREPARE = "builder.download_and_prepare(file_format='array_record')"


def load_tfds(name: str, preprocessing: str | None, seed: int, data_dir: Path) -> Dataset:
    """All splits of 'tfds:NAME' in memory; NAME may carry a configuration and a version, as in 'tfds:emnist/letters:3.1.0'.

    Without a validation split (or without a test split, for which the validation split then stands in) one training example
    in six is held out, always the same ones.

    Raises:
        UserError: not prepared in `data_dir`, not as array_record, or not uint8 images of one size.
    """
    preprocessing = choose_preprocessing(name, preprocessing, IMAGE_PREPROCESSING)
    with quietly():
        builder = open_builder(name, data_dir)
        image, label, num_classes = _features(name, builder)
        available = set(builder.info.splits)
        test = 'test' if 'test' in available else 'validation'
        if not {'train', test} <= available:
            raise UserError(f'{name} has the splits {", ".join(sorted(available))}: a training and a test split are needed')
        splits = {'train': _read(builder, 'train', image, label), 'test': _read(builder, test, image, label)}
        if {'validation', 'test'} <= available:
            splits['validation'] = _read(builder, 'validation', image, label)
    if 'validation' not in splits:
        train, validation = hold_out(len(splits['train']['x']))
        splits['validation'] = {key: value[validation] for key, value in splits['train'].items()}
        splits['train'] = {key: value[train] for key, value in splits['train'].items()}
    stored, statistics = preprocess_images(splits, preprocessing, seed)
    source = f'TensorFlow Datasets, {builder.info.full_name}'
    return make_dataset(name, preprocessing, stored, source=source, seed=seed, num_classes=num_classes, statistics=statistics)


def open_source(name: str, split: str, data_dir: Path) -> Sequence[Any]:
    """The examples of one split as a random-access source for `aejax.data.batches`; only the first is read, as a check.

    Raises:
        UserError: as `load_tfds`, or there is no such split.
    """
    with quietly():
        builder = open_builder(name, data_dir)
        if split not in builder.info.splits:
            raise UserError(f'{name} has no split {split!r}: choose one of {", ".join(builder.info.splits)}')
        source = builder.as_data_source(split)
        with explain_damage(Path(builder.data_dir)):
            source[0]
        return source


def open_builder(name: str, data_dir: Path) -> Any:
    """The TFDS builder of 'tfds:NAME', made from the prepared files alone.

    Raises:
        UserError: nothing of that name is prepared in `data_dir`, or not as array_record.
    """
    import tensorflow_datasets as tfds
    from tensorflow_datasets.core import read_only_builder

    wanted = name.removeprefix('tfds:')
    try:
        builder = read_only_builder.builder_from_files(wanted, data_dir=data_dir)
    except (tfds.core.DatasetNotFoundError, ValueError, OSError) as error:
        raise UserError(f'{name} is not prepared in {data_dir}: prepare it with TFDS, {HOW_TO_PREPARE}') from error
    formats = {file_format.value for file_format in builder.info.available_file_formats()}
    if 'array_record' not in formats:
        found = ' and '.join(sorted(formats)) or 'an unknown format'
        raise UserError(
            f'{name} is prepared as {found}, which cannot be read without TensorFlow: prepare it with {HOW_TO_PREPARE}'
        )
    return builder


def _features(name: str, builder: Any) -> tuple[str, str | None, int]:
    """Names of the image and of the label (None without one), and the number of classes."""
    import tensorflow_datasets as tfds

    features = dict(builder.info.features)
    images = [key for key, feature in features.items() if _is_image(feature)]
    if not images:
        found = ', '.join(f'{key} {feature.np_dtype} {feature.shape}' for key, feature in features.items())
        raise UserError(f'{name} holds no uint8 images [height, width, channels] of one size, but {found}')
    image = 'image' if 'image' in images else images[0]
    labels = [key for key, feature in features.items() if isinstance(feature, tfds.features.ClassLabel)]
    label = 'label' if 'label' in labels else next(iter(labels), None)
    return image, label, features[label].num_classes if label else 0


def _is_image(feature: Any) -> bool:
    shape = getattr(feature, 'shape', None)
    return isinstance(shape, tuple) and len(shape) == 3 and None not in shape and feature.np_dtype == np.uint8


def _read(builder: Any, split: str, image: str, label: str | None) -> dict[str, np.ndarray]:
    source = builder.as_data_source(split)
    x = np.empty((len(source), *builder.info.features[image].shape), np.uint8)
    labels = np.empty(len(source), np.int32)
    with explain_damage(Path(builder.data_dir)):
        for start in range(0, len(x), 1_000):
            for offset, example in enumerate(source.__getitems__(range(start, min(start + 1_000, len(x))))):
                x[start + offset] = example[image]
                labels[start + offset] = example[label] if label else 0
    return {'x': x, 'label': labels} if label else {'x': x}
