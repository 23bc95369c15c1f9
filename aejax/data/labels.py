"""Few labels: a training split as two streams, as semi-supervised methods take it.

The labels that are kept are balanced over the classes and chosen by a seed. The same seed with more labels keeps those of fewer.
"""

import numpy as np

from aejax.data.dataset import Dataset, Split
from aejax.types import UserError


def split_labels(split: Split, num_labelled: int, seed: int, num_classes: int) -> dict[str, dict[str, np.ndarray]]:
    """{'labelled': ..., 'unlabelled': {'x': ...}} of a split.

    The labelled stream has `num_labelled / num_classes` examples of each class, with all that the split knows of them. The
    unlabelled one has every image of the split, those of the labelled stream among them, and nothing but the image: an epoch is
    a pass over the split whatever the number of labels.

    Args:
        split: with 'x' [n, ...] and 'label' [n].
        num_labelled: labels to keep, a multiple of `num_classes`.
        seed: of the choice; the order of the rows is the split's.
        num_classes: values that 'label' takes, from 0 on.

    Raises:
        UserError: there are no labels, a class has too few examples, or `num_labelled` is not so many for each class.
    """
    if 'label' not in split or num_classes < 1:
        raise UserError('num_labelled asks for labels, and this data has none: set data.num_labelled=0 or choose other data')
    _check_number(num_labelled, num_classes, len(split['label']))
    share, order = num_labelled // num_classes, np.random.RandomState(seed).permutation(len(split['label']))
    chosen = []
    for label in range(num_classes):
        rows = order[split['label'][order] == label][:share]
        if len(rows) < share:
            remedy = 'choose fewer' if share > 1 else 'train on more examples, data.num_train'
            raise UserError(
                f'data.num_labelled={num_labelled} needs {share} examples of every class, and class {label} has '
                f'{len(rows) or "none"}: {remedy}'
            )
        chosen.append(rows)
    kept = np.sort(np.concatenate(chosen))
    return {'labelled': {name: values[kept] for name, values in split.items()}, 'unlabelled': {'x': split['x']}}


def _check_number(num_labelled: int, num_classes: int, num_examples: int) -> None:
    if num_labelled > num_examples:
        raise UserError(f'data.num_labelled={num_labelled} is more than the {num_examples} training examples')
    if num_labelled < num_classes or num_labelled % num_classes:
        raise UserError(
            f'data.num_labelled={num_labelled} must be the same number for each of the {num_classes} classes: '
            f'a multiple of {num_classes}'
        )


def training_data(dataset: Dataset, num_labelled: int = 0, seed: int = 0) -> Split | dict[str, dict[str, np.ndarray]]:
    """The training split as a method is trained on it: as it is, or with `num_labelled` > 0 the streams of `split_labels`.

    Raises:
        UserError: see `split_labels`.
    """
    split = dataset.split('train')
    return split_labels(split, num_labelled, seed, dataset.spec.num_classes) if num_labelled else split


def stream_sizes(labelled_batch_size: int, batch_size: int, num_labelled: int) -> dict[str, int]:
    """Examples a step of the streams that do not give `batch_size`: of 'labelled', unless `labelled_batch_size` is 0.

    Raises:
        UserError: on a size that no batch has, or one without labels.
    """
    if labelled_batch_size and not 0 < labelled_batch_size <= batch_size:
        raise UserError(
            f'data.labelled_batch_size={labelled_batch_size} must lie between 0 (a whole batch) and batch_size={batch_size}'
        )
    if labelled_batch_size and not num_labelled:
        raise UserError('data.labelled_batch_size is for semi-supervised methods: set it to 0, or give data.num_labelled')
    return {'labelled': labelled_batch_size} if labelled_batch_size else {}
