"""How well clusters that were found without labels agree with classes.

Every cluster takes the label of its most confident example of one set, as in the source, and is judged on another: the share of
examples whose cluster has another label than theirs. More clusters than classes make it easier, so a figure goes with K; with
fewer, the error cannot fall below the share of the classes that no cluster is left for.

Source: Makhzani et al. 2016, Adversarial autoencoders, https://arxiv.org/abs/1511.05644, section 5.
"""

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError


def _log_odds(logits: ArrayLike) -> np.ndarray:
    """log q(y = k) - log(1 - q(y = k)), [n, K]: it tells probabilities apart that are 1 to all their digits."""
    from scipy.special import log_softmax, logsumexp

    values = np.asarray(logits, np.float64)
    is_largest = np.argmax(values, axis=1)[:, None] == np.arange(values.shape[1])
    others = logsumexp(np.where(is_largest, -np.inf, values), axis=1, keepdims=True)
    # log q - log(1 - q) loses nothing where q is at most one half, as all but the largest of a row are (-1 stands in for it).
    log_q = np.where(is_largest, -1.0, log_softmax(values, axis=1))
    return np.asarray(np.where(is_largest, values - others, log_q - np.log(-np.expm1(log_q))))


def cluster_labels(logits: ArrayLike, label: ArrayLike) -> np.ndarray:
    """The label of each cluster [K]: that of the example which q(y given x) puts into it most surely.

    Args:
        logits: of q(y given x) over K clusters, [n, K].
        label: true classes, [n].

    Raises:
        UserError: the numbers of examples differ, or there is none, or but one cluster.
    """
    values, labels = np.asarray(logits), np.asarray(label)
    if values.ndim != 2 or values.shape[1] < 2 or values.shape[:1] != labels.shape or not len(labels):
        raise UserError(f'cluster_labels wants logits [n, K] and labels [n], K > 1, got {values.shape} and {labels.shape}')
    return labels[np.argmax(_log_odds(values), axis=0)]


def cluster_errors(logits: ArrayLike, label: ArrayLike, labels_of_clusters: ArrayLike) -> np.ndarray:
    """1 where the likeliest cluster of an example has another label than the example, else 0: [n], from logits [n, K]."""
    found = np.asarray(labels_of_clusters)[np.argmax(np.asarray(logits), axis=1)]
    return (found != np.asarray(label)).astype(np.float64)
