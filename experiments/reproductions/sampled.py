"""What a run says of its samples, codes and progressions, as values of a part."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.files import flatten
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.sampling import final_samples
from aejax.types import TrainState, UserError
from experiments.reproductions.parts import Values

NUM_SAMPLES = 1_000


def sample_values(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The figures of `final_samples` on the test split that are numbers, by 'PART.FIGURE'; of classes, how many are missing.

    Raises:
        UserError: where samples are not finite, and say nothing of the rest.
    """
    config = ConfigDict({'evaluation': {'samples': NUM_SAMPLES}})
    found = flatten(final_samples(method, dataset, state, 'test', config, EVALUATION_SEED, lambda text: None))
    if found['modes.not_finite']:
        raise UserError(f'{found["modes.not_finite"]} of {found["modes.samples"]} samples are not finite: the training diverged')
    found['modes.missing'] = len(found['modes.missing'])
    return {name: np.asarray(value) for name, value in found.items() if not isinstance(value, str)}


def first_of_each_class(dataset: Dataset) -> np.ndarray:
    """Rows of the test split, [classes]: what pictures show."""
    return np.unique(dataset.split('test')['label'], return_index=True)[1]
