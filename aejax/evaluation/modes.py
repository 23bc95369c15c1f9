"""What a model's samples leave out: classes that never come, and variety that the data has and they have not.

A generator that collapsed draws a few images again and again, which no loss shows. A classifier trained on the training split
says of which class each sample is; distances between samples say how much they differ. Neither needs a density.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

NUM_TRAINING = 10_000
"""Training examples that the classifier remembers."""
MISSING_SHARE = 0.1
"""A class is missing where its share of the samples is below this times its share of the data."""
LEAST_DIVERSITY = 0.5
"""Samples whose mean distance is below this times that of the data are called collapsed."""
NUM_PAIRED = 1_000


def classifier(x: ArrayLike, label: ArrayLike, num: int = NUM_TRAINING) -> Any:
    """Three nearest neighbours (scikit-learn) among `num` examples from all over x [n, ...] with classes [n].

    It needs no training, and tells MNIST's digits apart to about 5 % and the 8 x 8 ones to about 2 %, which is enough to count.
    """
    from sklearn.neighbors import KNeighborsClassifier

    flat, label = _flat(x), np.asarray(label)
    rows = np.linspace(0, len(flat) - 1, min(num, len(flat))).round().astype(int)
    return KNeighborsClassifier(3).fit(flat[rows], label[rows])


def class_shares(label: ArrayLike, num_classes: int) -> np.ndarray:
    """The share of each class among labels [n], [num_classes]."""
    counts = np.bincount(np.asarray(label), minlength=num_classes)
    return counts / counts.sum()


def entropy(shares: ArrayLike) -> float:
    """-sum p log p in nats; log C for equal shares of C classes, 0 where there is but one."""
    p = np.asarray(shares, np.float64)
    return float(-np.sum(p[p > 0] * np.log(p[p > 0])))


def mean_distance(x: ArrayLike) -> float:
    """The mean Euclidean distance between two of the first `NUM_PAIRED` examples of x [n, ...]; nan of a single one."""
    from scipy.spatial.distance import pdist

    flat = _flat(x)[:NUM_PAIRED]
    return float(pdist(flat).mean()) if len(flat) > 1 else float('nan')


def mode_figures(
    samples: ArrayLike, train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], num_classes: int
) -> dict[str, Any]:
    """How varied samples are, and which classes they leave out.

    Args:
        samples: [S, ...].
        train: 'x' [n, ...] in the space of the samples and, where classes are known, 'label' [n].
        test: the same, of the split that the samples are compared with.
        num_classes: 0 without classes.

    Returns:
        'samples', 'diversity' (mean distance between two samples over that between two test examples), with classes 'shares'
        [num_classes], 'data_shares' of the test split, 'entropy' and 'data_entropy' (nats), 'missing' (classes whose share is
        below a tenth of theirs in the data) and 'classifier_error' (share of test examples that the classifier gets wrong; the
        shares are as good as it), and 'collapsed': classes are missing, or the diversity is below one half or no number.
    """
    drawn, seen = np.asarray(samples), test['x']
    diversity = mean_distance(drawn) / mean_distance(seen)
    found: dict[str, Any] = {'samples': len(drawn), 'diversity': diversity}
    if num_classes and np.all(np.isfinite(drawn)):
        known = classifier(train['x'], train['label'])
        shares, data = (class_shares(label, num_classes) for label in (known.predict(_flat(drawn)), test['label']))
        found |= {'shares': shares.tolist(), 'data_shares': data.tolist()}
        found |= {'entropy': entropy(shares), 'data_entropy': entropy(data)}
        found['missing'] = [int(index) for index in np.flatnonzero(shares < MISSING_SHARE * data)]
        found['classifier_error'] = float(np.mean(known.predict(_flat(seen)) != test['label']))
    found['collapsed'] = bool(found.get('missing')) or not diversity >= LEAST_DIVERSITY
    return found


def _flat(x: ArrayLike) -> np.ndarray:
    return np.asarray(x, np.float32).reshape(len(np.asarray(x)), -1)
