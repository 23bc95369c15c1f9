"""What a model's samples leave out: classes that never come, and variety that the data has and they have not.

A generator that collapsed draws a few images again and again, which no loss shows. A classifier trained on the training split
says of which class each sample is; distances between samples say how much they differ, all together and within each class: one
image of every class, drawn over and over, is as varied as data all together. Neither needs a density.

Without classes only the variety of all together is known, and a few unlike images drawn over and over go unseen.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.spread import spread

NUM_TRAINING = 10_000
"""Training examples that the classifier remembers."""
MISSING_SHARE = 0.1
"""A class is missing where its share of the samples is below this times its share of the data, and chance does not explain it."""
CHANCE = 1e-3
"""What is less probable than this is not put down to chance."""
LEAST_DIVERSITY = 0.5
"""Samples whose mean distance is below this times that of the data are called collapsed."""
LEAST_WITHIN_CLASSES = 0.15
"""The same of distances within classes, which may be small: of models with two latents, whose samples are means, they are 0.2 to
0.4 times those of the digits, of a GAN as large; of one image, or mean, of every class they are 0."""
LEAST_SAMPLES = 50
"""Of fewer samples there is no verdict."""
NUM_PAIRED, NUM_PAIRED_WITHIN = 1_000, 200
"""Examples between which distances are taken: of all, and of each class."""


def classifier(x: ArrayLike, label: ArrayLike, num: int = NUM_TRAINING) -> Any:
    """Three nearest neighbours (scikit-learn), or all there are, among `num` examples of x [n, ...] with classes [n].

    It needs no training, and tells MNIST's digits apart to about 5 % and the 8 x 8 ones to about 2 %, which is enough to count.
    """
    from sklearn.neighbors import KNeighborsClassifier

    flat, label = _flat(x), np.asarray(label)
    rows = spread(len(flat), num)
    return KNeighborsClassifier(min(3, len(rows))).fit(flat[rows], label[rows])


def class_shares(label: ArrayLike, num_classes: int) -> np.ndarray:
    """The share of each class among labels [n], [num_classes]."""
    counts = np.bincount(np.asarray(label), minlength=num_classes)
    return counts / counts.sum()


def entropy(shares: ArrayLike) -> float:
    """-sum p log p in nats; log C for equal shares of C classes, 0 where there is but one."""
    p = np.asarray(shares, np.float64)
    return float(-np.sum(p[p > 0] * np.log(p[p > 0])))


def mean_distance(x: ArrayLike, num: int = NUM_PAIRED) -> float:
    """The mean Euclidean distance between two of `num` examples from all over x [n, ...]; nan of a single one."""
    from scipy.spatial.distance import pdist

    flat = _flat(x)
    flat = flat[spread(len(flat), num)]
    return float(pdist(flat).mean()) if len(flat) > 1 else float('nan')


def missing_classes(shares: ArrayLike, data_shares: ArrayLike, num: int) -> list[int]:
    """The classes that `num` samples leave out, from their shares in samples and data, each [C].

    Those with a share below MISSING_SHARE times that of the data, where so few, k of num, are improbable among `num` examples of
    the data: P(K <= k) < CHANCE for K ~ Binomial(num, data share). Of a class with a tenth of the data that takes 66 samples.
    """
    from scipy.stats import binom

    seen, of = np.asarray(shares, np.float64), np.asarray(data_shares, np.float64)
    improbable = binom.cdf(np.rint(seen * num), num, of) < CHANCE
    return [int(index) for index in np.flatnonzero((seen < MISSING_SHARE * of) & improbable)]


def rare_classes(data_shares: ArrayLike, num: int) -> list[int]:
    """The classes, of shares [C] in the data, that `num` examples of the data may lack by chance: (1 - share)^num >= CHANCE."""
    of = np.asarray(data_shares, np.float64)
    return [int(index) for index in np.flatnonzero((of > 0) & ((1 - of) ** num >= CHANCE))]


def within_class_diversity(x: ArrayLike, found: ArrayLike, data: ArrayLike, label: ArrayLike) -> float:
    """Mean over classes c of the mean distance between two samples of class c over that between two examples of class c.

    Args:
        x: samples, [S, ...].
        found: the class of each, [S].
        data: examples, [n, ...].
        label: the class of each, [n].

    Returns:
        The mean over the classes that have two of either, and two unlike examples; nan where none has.
    """
    drawn, seen, of_samples, of_data = _flat(x), _flat(data), np.asarray(found), np.asarray(label)
    ratios = []
    for index in np.intersect1d(of_samples, of_data):
        one, other = (mean_distance(x, NUM_PAIRED_WITHIN) for x in (drawn[of_samples == index], seen[of_data == index]))
        if one >= 0 and other > 0:
            ratios.append(one / other)
    return float(np.mean(ratios)) if ratios else float('nan')


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
        'samples' and 'not_finite', how many there are and how many have a value that is no number. Where none has: 'diversity'
        (mean distance between two samples over that between two test examples) and with classes 'shares' [num_classes],
        'data_shares' of the test split, 'entropy' and 'data_entropy' (nats), 'missing' and 'rare' (see `missing_classes` and
        `rare_classes`), 'within_class_diversity', and 'classifier_error' (share of test examples that the classifier gets wrong;
        the shares are as good as it). 'collapsed': whether classes are missing, samples are 'alike' (the diversity is below
        LEAST_DIVERSITY), or 'alike_within_classes' (that within classes is below LEAST_WITHIN_CLASSES); None, no verdict, of
        fewer than LEAST_SAMPLES, where some are not finite, and where nothing is amiss but some classes are 'rare'.
    """
    drawn = np.asarray(samples)
    finite = np.isfinite(_flat(drawn)).all(axis=1)
    found: dict[str, Any] = {'samples': len(drawn), 'not_finite': int(np.sum(~finite))}
    if found['not_finite']:
        return {**found, 'collapsed': None}
    found['diversity'] = mean_distance(drawn) / mean_distance(test['x'])
    if num_classes:
        found |= _class_figures(drawn, train, test, num_classes)
    if len(drawn) < LEAST_SAMPLES:
        return {**found, 'collapsed': None}
    found['alike'] = found['diversity'] < LEAST_DIVERSITY
    found['alike_within_classes'] = found.get('within_class_diversity', 1.0) < LEAST_WITHIN_CLASSES
    collapsed = bool(found.get('missing')) or found['alike'] or found['alike_within_classes']
    return {**found, 'collapsed': None if found.get('rare') and not collapsed else collapsed}


def _class_figures(
    drawn: np.ndarray, train: Mapping[str, np.ndarray], test: Mapping[str, np.ndarray], num_classes: int
) -> dict[str, Any]:
    known = classifier(train['x'], train['label'])
    label = known.predict(_flat(drawn))
    shares, data = (class_shares(one, num_classes) for one in (label, test['label']))
    return {
        'shares': shares.tolist(),
        'data_shares': data.tolist(),
        'entropy': entropy(shares),
        'data_entropy': entropy(data),
        'missing': missing_classes(shares, data, len(drawn)),
        'rare': rare_classes(data, len(drawn)),
        'within_class_diversity': within_class_diversity(drawn, label, test['x'], test['label']),
        'classifier_error': float(np.mean(known.predict(_flat(test['x'])) != test['label'])),
    }


def _flat(x: ArrayLike) -> np.ndarray:
    return np.asarray(x, np.float32).reshape(len(np.asarray(x)), -1)
