"""The TFDS builder of the MNIST family, written so that it works without TensorFlow.

The stock builders read through `tf.io.gfile` and store PNG images through TensorFlow; this one reads with `gzip` and stores
bytes. Its name differs from theirs, so both can live in one data folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from aejax.data import idx


class _LocalInfo(tfds.core.DatasetInfo):
    """Metadata that is never looked for in TFDS's bucket, which knows nothing of this builder."""

    def initialize_from_bucket(self) -> None:
        """Does nothing."""


class AejaxIdx(tfds.core.GeneratorBasedBuilder):
    """MNIST and its drop-in replacements, in the original order; one configuration for each entry of `idx.IDX_CONFIGS`."""

    VERSION = tfds.core.Version('1.0.0')
    RELEASE_NOTES = {'1.0.0': 'First version.'}  # noqa: RUF012
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in idx.IDX_CONFIGS]  # noqa: RUF012

    @property
    def _table(self) -> idx.IdxConfig:
        return idx.IDX_CONFIGS[self.builder_config.name]

    @property
    def url_infos(self) -> dict[str, Any]:
        """Size and SHA-256 of each file: TFDS compares what it is given, or downloads, with them."""
        return {
            self._table.url + file: tfds.download.checksums.UrlInfo(size=size, checksum=checksum, filename=file)
            for file, (size, checksum) in self._table.files.items()
        }

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Tensor(shape=self._table.image_shape, dtype=np.uint8, encoding='bytes')
        label = tfds.features.ClassLabel(num_classes=self._table.num_classes)
        return _LocalInfo(
            builder=self,
            features=tfds.features.FeaturesDict({'image': image, 'label': label}),
            supervised_keys=('image', 'label'),
            homepage=self._table.citation,
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[tuple[int, dict[str, Any]]]]:
        paths = dl_manager.download({file: self._table.url + file for file in self._table.files})
        return {
            'train': self._generate_examples(paths[idx.TRAIN_IMAGES], paths[idx.TRAIN_LABELS]),
            'test': self._generate_examples(paths[idx.TEST_IMAGES], paths[idx.TEST_LABELS]),
        }

    def _generate_examples(self, images: Path, labels: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        pairs = zip(idx.read_images(images, self._table.image_shape), idx.read_labels(labels), strict=True)
        for index, (image, label) in enumerate(pairs):
            yield index, {'image': image, 'label': int(label)}
