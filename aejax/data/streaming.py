"""Batches of data that is too large for the device, read ahead by grain in background threads."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np


def batches(
    split: Any,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    *,
    num_threads: int = 2,
    prefetch: int = 8,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless shuffled batches; the one at step t depends on (seed, t) alone, so a resumed run sees what it would have seen.

    Every epoch is a fresh permutation. A batch may span two epochs: no example is left out, and none comes twice in an epoch.

    Args:
        split: a mapping of arrays with equally many rows, or a random-access source whose examples are mappings, as
            `builder.as_data_source(split)` of TFDS gives.
        batch_size: examples in a batch.
        seed: of the order.
        start_step: the step whose batch comes first.
        num_threads: how many batches are read at once.
        prefetch: how many are read ahead.

    Yields:
        Arrays [batch_size, ...] by the names of the arrays, or of the features, of which 'image' becomes 'x'.
    """
    import grain

    # grain shuffles epoch e by seed + e: taken as it is, seed 1 would begin with the second epoch of seed 0.
    spread = int(np.random.SeedSequence(seed).generate_state(1)[0])
    num = len(next(iter(split.values()))) if isinstance(split, Mapping) else len(split)
    order = grain.MapDataset.range(num).shuffle(seed=spread).repeat().batch(batch_size, drop_remainder=True)
    dataset = order[start_step:].map(lambda indices: _gather(split, indices))
    options = grain.ReadOptions(num_threads=num_threads, prefetch_buffer_size=prefetch)
    yield from dataset.to_iter_dataset(options)


def _gather(split: Any, indices: np.ndarray) -> dict[str, np.ndarray]:
    if isinstance(split, Mapping):
        return {name: array[indices] for name, array in split.items()}
    examples = split.__getitems__([int(index) for index in indices])
    columns = {name: np.stack([example[name] for example in examples]) for name in examples[0]}
    if 'label' in columns:
        columns['label'] = columns['label'].astype(np.int32)
    return {'x' if name == 'image' else name: column for name, column in columns.items()}
