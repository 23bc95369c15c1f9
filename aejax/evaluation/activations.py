"""How the units of a code share the work over a whole data set: sparse by example, sparse by unit, dead, saturated.

A code may be sparse in two ways that do not imply each other. Population sparsity: few units are active for an example. Lifetime
sparsity: a unit is active for few examples. Where a hundred units are always on and the rest always off there is much of the
first and none of the second; statistics of both are given.

Source: Willmore & Tolhurst 2001, Characterizing the sparseness of neural codes, https://doi.org/10.1080/net.12.3.255.270.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aejax.evaluation.summary import summarise


class ActivationStatistics(NamedTuple):
    """Statistics of codes of n examples in d units.

    Attributes:
        active_share: share of the units that are active for each example, [n]: population sparsity.
        lifetime: share of the examples for which each unit is active, [d]: lifetime sparsity.
        dead: whether a unit is active for no example at all, bool [d].
        mean_activation: of each unit over the examples, [d].
        saturation: share of the units of each example below 0.05 or above 0.95, [n]; None where a code leaves [0, 1].
    """

    active_share: np.ndarray
    lifetime: np.ndarray
    dead: np.ndarray
    mean_activation: np.ndarray
    saturation: np.ndarray | None

    def summary(self) -> dict[str, dict[str, Any]]:
        """'mean', 'standard_error' and 'n' of each: over examples, or over units for what is a unit's."""
        over = {
            'active_share': self.active_share,
            'dead_units': self.dead,
            'mean_activation': self.mean_activation,
            'lifetime_of_living_units': self.lifetime[~self.dead],
        }
        over |= {} if self.saturation is None else {'saturation': self.saturation}
        return {name: summarise(values) for name, values in over.items() if values.size}


def activation_statistics(
    codes: ArrayLike, threshold: float = 0.0, low: float = 0.05, high: float = 0.95
) -> ActivationStatistics:
    """Statistics of the codes of a whole split, in float64.

    A unit is active for an example where |z| > threshold: exact for codes with true zeros (ReLU, k-sparse); units of a sigmoid
    are never 0 and need a threshold, .5 say.

    Args:
        codes: [n, ...], units flattened to d.
        threshold: at least 0.
        low: below it a unit of a code in [0, 1] is saturated.
        high: and above it.

    Raises:
        ValueError: there are no codes, or the threshold is negative.
    """
    z = np.asarray(codes)
    if z.ndim < 2 or z.size == 0 or threshold < 0:
        raise ValueError(
            f'activation_statistics needs codes [n, ...] and a threshold of at least 0, got {z.shape} and {threshold}'
        )
    z = z.reshape(len(z), -1)
    active = np.abs(z) > threshold
    in_unit_interval = z.min() >= 0 and z.max() <= 1
    return ActivationStatistics(
        active_share=active.mean(axis=1),
        lifetime=active.mean(axis=0),
        dead=~active.any(axis=0),
        mean_activation=z.mean(axis=0, dtype=np.float64),
        saturation=((z < low) | (z > high)).mean(axis=1) if in_unit_interval else None,
    )
