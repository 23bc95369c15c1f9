"""A smaller training split, for curves over the number of training examples."""

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.types import UserError


def with_training_examples(dataset: Dataset, num: int, seed: int) -> Dataset:
    """The data set with `num` of its training examples, chosen by `seed`; the same seed with more of them keeps those of fewer.

    Validation and test stay whole, and so does `statistics`: values are standardised or whitened as with all examples.

    Raises:
        UserError: there are not so many.
    """
    train = dataset.split('train')
    if not 1 <= num <= len(train['x']):
        raise UserError(f'data.num_train={num} must lie between 1 and the {len(train["x"])} training examples; 0 takes them all')
    rows = np.sort(np.random.RandomState(seed).permutation(len(train['x']))[:num])
    spec = dataset.spec
    return make_dataset(
        spec.name,
        spec.preprocessing,
        {**dataset.splits, 'train': {name: values[rows] for name, values in train.items()}},
        source=dataset.source,
        seed=dataset.seed,
        num_classes=spec.num_classes,
        statistics=dataset.statistics,
        num_levels=spec.num_levels,
    )
