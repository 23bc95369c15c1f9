"""How well the clusters of a method that was trained without labels agree with the classes of a split."""

from typing import Any

import numpy as np

from aejax.data import Dataset
from aejax.evaluation.clusters import cluster_errors, cluster_labels
from aejax.evaluation.summary import summarise
from aejax.runs.codes import over_split
from aejax.types import Method, TrainState


def errors_of_clusters(method: Any, dataset: Dataset, state: TrainState, split: str) -> np.ndarray:
    """1 where the cluster of an example of a split has another label than the example, else 0: [n].

    Clusters take their labels from the validation split, whichever split is judged.
    """

    def logits(name: str) -> np.ndarray:
        return over_split(lambda state, x, key: method.cluster_logits(state.params, state.mutables, x), dataset, state, name)

    labels = cluster_labels(logits('validation'), dataset.split('validation')['label'])
    return cluster_errors(logits(split), dataset.split(split)['label'], labels)


def cluster_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'cluster_error': {'mean', 'standard_error', 'n'}} of a split; {} of a method without clusters, or where no labels are."""
    if not hasattr(method, 'cluster_logits') or 'label' not in dataset.split(split):
        return {}
    return {'cluster_error': summarise(errors_of_clusters(method, dataset, state, split))}
