"""What `load` returns: the splits of one data set, what a method may know of it, and its fingerprint."""

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from aejax.types import DataSpec, UserError

Split = Mapping[str, np.ndarray]
"""'x' [n, ...] and, where the data has them, 'label' [n] int32, 'attribute' [n] int32 and 'coordinates' [n, c] float32."""
SPLITS = ('train', 'validation', 'test')


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A data set in memory. Its arrays are read-only.

    Attributes:
        spec: name, shape of an example, preprocessing, number of classes.
        splits: 'train', 'validation' and 'test', each a `Split`.
        fingerprint: SHA-256 (hex) of all stored arrays: equal exactly when two data sets hold the same numbers.
        source: where the numbers came from, in words.
        seed: of static binarisation, synthetic samples and patches. It never moves an example between the splits of a fixed set.
        statistics: what was taken from the training split to make the stored values: 'mean' and 'scale' (or 'matrix') of
            x = (raw - mean) / scale (or (raw - mean) @ matrix), and 'contrast' where examples were divided by their own before.
            Empty where nothing was.
    """

    spec: DataSpec
    splits: Mapping[str, Split]
    fingerprint: str
    source: str
    seed: int
    statistics: Split = dataclasses.field(default_factory=dict)

    def split(self, name: str) -> Split:
        """The arrays of one split.

        Raises:
            UserError: there is no split of that name.
        """
        if name not in self.splits:
            raise UserError(f'{self.spec.name} has no split {name!r}: choose one of {", ".join(self.splits)}')
        return self.splits[name]

    def describe(self) -> dict[str, Any]:
        """A summary that `json.dumps` takes, as a run stores it beside its results."""
        coordinates = self.split('train').get('coordinates')
        return {
            'name': self.spec.name,
            'shape': list(self.spec.shape),
            'preprocessing': self.spec.preprocessing,
            'num_classes': self.spec.num_classes,
            'num_coordinates': 0 if coordinates is None else coordinates.shape[1],
            'sizes': {name: len(split['x']) for name, split in self.splits.items()},
            'fingerprint': self.fingerprint,
            'source': self.source,
            'seed': self.seed,
            **({'num_levels': self.spec.num_levels} if self.spec.num_levels else {}),
        }


def make_dataset(
    name: str,
    preprocessing: str,
    splits: Mapping[str, Split],
    *,
    source: str,
    seed: int,
    num_classes: int = 0,
    statistics: Split | None = None,
    num_levels: int = 0,
) -> Dataset:
    """Freezes the arrays of `splits`, takes their fingerprint and reads the specification off them."""
    frozen = {key: {k: _frozen(v) for k, v in splits[key].items()} for key in SPLITS}
    shape = tuple(int(size) for size in frozen['train']['x'].shape[1:])
    spec = DataSpec(name, shape, preprocessing, num_classes, len(frozen['train']['x']), num_levels)
    return Dataset(spec, frozen, fingerprint(frozen), source, seed, dict(statistics or {}))


def fingerprint(splits: Mapping[str, Split]) -> str:
    """SHA-256 (hex) over the names, types, shapes and little-endian bytes of all arrays, splits and arrays in sorted order."""
    digest = hashlib.sha256()
    for split_name in sorted(splits):
        for name, array in sorted(splits[split_name].items()):
            little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder('<'))
            digest.update(f'{split_name}/{name} {array.dtype.name} {array.shape}\n'.encode())
            digest.update(little_endian.data.cast('B'))
    return digest.hexdigest()


def _frozen(array: np.ndarray) -> np.ndarray:
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
