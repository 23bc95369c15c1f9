"""Does what a model draws follow the attribute that it is asked for, and keep all else?

Each example is drawn at every level of an ordered attribute. The attribute of each drawing is measured, and so is its class; the
first should go up with the level, and the second stay.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.evaluation.summary import summarise


def rank_correlation(measured: ArrayLike) -> np.ndarray:
    """Spearman's rank correlation of each row of measured [n, L] with the levels 0 .. L - 1, [n].

    1 where it always rises, -1 where it always falls; ties share their ranks. A row that is the same at all levels follows
    nothing: 0.

    Raises:
        ValueError: there are fewer than two levels.
    """
    from scipy.stats import rankdata

    values = np.asarray(measured, np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise ValueError(f'a rank correlation needs [n, levels] with two levels or more, got {values.shape}')
    ranks, levels = rankdata(values, axis=1), np.arange(values.shape[1])
    ranks, levels = ranks - ranks.mean(axis=1, keepdims=True), levels - levels.mean()
    spread = np.sqrt(np.sum(ranks**2, axis=1) * np.sum(levels**2))
    return np.divide(ranks @ levels, spread, out=np.zeros(len(values)), where=spread > 0)


def progression_figures(
    drawn: ArrayLike, label: ArrayLike, measure: Callable[[np.ndarray], np.ndarray], classify: Callable[[np.ndarray], np.ndarray]
) -> dict[str, Any]:
    """Whether the measured attribute of drawings follows the level asked for while their class stays.

    Args:
        drawn: [n, L, ...]: each example at every level.
        label: classes of the examples, [n].
        measure: [m, ...] -> the attribute [m], in units of its own.
        classify: [m, ...] -> classes [m].

    Returns:
        'examples', 'levels', 'rank_correlation' and 'class_kept' (share of an example's drawings that keep its class), each
        {'mean', 'standard_error', 'n'} over examples, and 'measured' [L], the mean attribute of the drawings of each level.
    """
    images = np.asarray(drawn)
    rows = images.reshape(-1, *images.shape[2:])
    measured = np.asarray(measure(rows)).reshape(images.shape[:2])
    kept = np.asarray(classify(rows)).reshape(images.shape[:2]) == np.asarray(label)[:, None]
    return {
        'examples': images.shape[0],
        'levels': images.shape[1],
        'rank_correlation': summarise(rank_correlation(measured)),
        'class_kept': summarise(kept.mean(axis=1)),
        'measured': measured.mean(axis=0, dtype=np.float64).tolist(),
    }
