"""How well the clusters of a method that was trained without labels agree with the classes of a split."""

from typing import Any

from aejax.data import Dataset
from aejax.evaluation.clusters import cluster_errors, cluster_labels
from aejax.evaluation.summary import summarise
from aejax.runs.codes import over_split
from aejax.types import Method, TrainState


def cluster_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'cluster_error': {'mean', 'standard_error', 'n'}} of a split; {} of a method without `cluster_logits`, or without labels.

    Clusters take their labels from the validation split, whichever split is judged.
    """
    if not hasattr(method, 'cluster_logits') or 'label' not in dataset.split(split):
        return {}

    def logits(name: str) -> Any:
        return over_split(lambda state, x, key: method.cluster_logits(state.params, state.mutables, x), dataset, state, name)

    labels = cluster_labels(logits('validation'), dataset.split('validation')['label'])
    return {'cluster_error': summarise(cluster_errors(logits(split), dataset.split(split)['label'], labels))}
