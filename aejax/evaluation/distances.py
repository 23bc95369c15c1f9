"""How far apart examples lie: the scale on which a neighbourhood is small or large."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Distances(NamedTuple):
    """Euclidean distances between the examples of a set, in the units of the input.

    Attributes:
        mean: over all pairs.
        nearest: from an example to its nearest neighbour in the set, mean over examples.
        largest: of all pairs.
    """

    mean: float
    nearest: float
    largest: float

    def radii(self, num: int) -> np.ndarray:
        """Those of a contraction curve, [num]: evenly from far inside a neighbourhood to beyond the most distant example."""
        return np.linspace(0.02 * self.mean, 1.2 * self.largest, num, dtype=np.float32)


def between_examples(x: ArrayLike) -> Distances:
    """Distances between all pairs of the examples x [n, ...], n > 1; takes memory for n^2 numbers, and n^2 D operations.

    Raises:
        ValueError: there is no pair.
    """
    from scipy.spatial.distance import pdist, squareform

    flat = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
    if len(flat) < 2:
        raise ValueError(f'distances need two examples or more, got {len(flat)}')
    pairs = pdist(flat)
    square = squareform(pairs)
    np.fill_diagonal(square, np.inf)
    return Distances(float(pairs.mean()), float(square.min(axis=1).mean()), float(pairs.max()))
