"""Do two samples come from one distribution? Two answers, of which 'codes' and 'prior' are the question here.

The squared maximum mean discrepancy (MMD) compares means in the feature space of a kernel; it is 0 for one distribution and
positive for two, and its unbiased estimate may fall below 0. The classifier two-sample test asks how often a classifier tells
held-out points of the two apart: one half for one distribution, 1 where they do not overlap.

A number of either means little alone. So two samples of the second distribution itself are compared, several times, and those
figures stand beside it: what chance alone gives at this number of points.

Sources: Gretton et al. 2012, A kernel two-sample test, https://jmlr.org/papers/v13/gretton12a.html; Lopez-Paz & Oquab 2017,
Revisiting classifier two-sample tests, https://arxiv.org/abs/1610.06545.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.spread import spread
from aejax.types import UserError

WIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of the kernel's Gaussians, in units of the median distance between two points of the reference."""
NUM_POINTS = 1_000
NUM_NULL = 5
"""Pairs of samples of the reference itself that are compared."""


def median_distance(x: ArrayLike) -> float:
    """The median Euclidean distance between two points of x [n, d].

    Raises:
        UserError: there are fewer than two points, or more than half of all pairs coincide.
    """
    from scipy.spatial.distance import pdist

    points = np.asarray(x, np.float64)
    median = float(np.median(pdist(points))) if len(points) > 1 else 0.0
    if not median > 0:
        raise UserError(f'{len(points)} points have no typical distance: most of them coincide')
    return median


def mmd_squared(x: ArrayLike, y: ArrayLike, widths: ArrayLike) -> float:
    """The unbiased estimate of MMD^2 under k(a, b) = sum_w exp(-||a - b||^2 / (2 w^2)), between x [m, d] and y [n, d].

        1/(m (m - 1)) sum_{i != j} k(x_i, x_j) + 1/(n (n - 1)) sum_{i != j} k(y_i, y_j) - 2/(m n) sum_{i, j} k(x_i, y_j)

    In float64: the three terms nearly cancel.

    Raises:
        UserError: a sample has fewer than two points, or their dimensions differ.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if min(len(x), len(y)) < 2 or x.shape[1:] != y.shape[1:] or x.ndim != 2:
        raise UserError(f'two samples of two points or more are compared, [m, d] and [n, d], got {x.shape} and {y.shape}')
    within = [(_kernel(a, a, widths).sum() - len(a) * np.size(widths)) / (len(a) * (len(a) - 1)) for a in (x, y)]
    return float(sum(within) - 2 * _kernel(x, y, widths).mean())


def _kernel(a: np.ndarray, b: np.ndarray, widths: ArrayLike) -> np.ndarray:
    from scipy.spatial.distance import cdist

    distances = cdist(a, b, 'sqeuclidean')
    return sum(np.exp(-distances / (2 * width**2)) for width in np.atleast_1d(widths))


def classifier_accuracy(x: ArrayLike, y: ArrayLike, seed: int = 0) -> float:
    """How often a support vector machine tells held-out points of x [m, d] from those of y [n, d]; each sample counts one half.

    A random half of each sample trains, the other is told apart. The kernel is exp(-||a - b||^2 / w^2) with w the median distance
    between two training points, C is 10. Nearest neighbours, one of the source's classifiers, see nothing where one sample lies
    within the other: of N(0, I / 4) and N(0, I) in 20 dimensions they take every point for one of the first, and half are.

    Raises:
        UserError: a sample has fewer than four points, or most points coincide.
    """
    from sklearn.svm import SVC

    samples, random = [np.asarray(x, np.float64), np.asarray(y, np.float64)], np.random.RandomState(seed)
    if min(map(len, samples)) < 4:
        raise UserError(f'a classifier needs four points of each sample or more, got {len(samples[0])} and {len(samples[1])}')
    shuffled = [sample[random.permutation(len(sample))] for sample in samples]
    halves = [(sample[: len(sample) // 2], sample[len(sample) // 2 :]) for sample in shuffled]
    known = np.concatenate([half[0] for half in halves])
    label = np.repeat([0, 1], [len(half[0]) for half in halves])
    classifier = SVC(C=10.0, gamma=median_distance(known) ** -2, class_weight='balanced').fit(known, label)
    return float(np.mean([np.mean(classifier.predict(half[1]) == index) for index, half in enumerate(halves)]))


def prior_fit(codes: ArrayLike, prior: Callable[[int, int], ArrayLike], num_null: int = NUM_NULL) -> dict[str, Any]:
    """How well codes fit a prior: 'mmd_squared' and 'classifier_accuracy', each with what two samples of the prior get.

    Args:
        codes: [n, d], from the aggregated posterior; `NUM_POINTS` from all over are used.
        prior: (seed, num) -> [num, d]; another sample for every seed.
        num_null: pairs of samples of the prior that are compared.

    Returns:
        'points' (of each sample), 'median_distance' (between points of the prior), 'widths' (of the kernel, in units of z), and
        for each of the two statistics {'value', 'prior_mean', 'prior_std'}, mean and standard deviation over the pairs.

    Raises:
        UserError: there are too few codes, or the prior's points coincide.
    """
    every = np.asarray(codes)
    points = every[spread(len(every), NUM_POINTS)]
    drawn = [np.asarray(prior(seed, len(points))) for seed in range(1 + 2 * num_null)]
    scale = median_distance(drawn[0])
    widths = scale * np.asarray(WIDTHS)
    pairs = [(points, drawn[0]), *zip(drawn[1::2], drawn[2::2], strict=True)]
    statistics = {
        'mmd_squared': [mmd_squared(x, y, widths) for x, y in pairs],
        'classifier_accuracy': [classifier_accuracy(x, y) for x, y in pairs],
    }
    about = {'points': len(points), 'median_distance': scale, 'widths': [float(width) for width in widths]}
    return {**about, **{name: _beside_null(values) for name, values in statistics.items()}}


def _beside_null(values: list[float]) -> dict[str, float]:
    null = np.asarray(values[1:])
    return {'value': values[0], 'prior_mean': float(null.mean()), 'prior_std': float(null.std(ddof=1))}
