"""From values per example to a figure with its standard error."""

import numpy as np
from numpy.typing import ArrayLike


def summarise(values: ArrayLike) -> dict[str, float]:
    """Mean of values per example, with the standard error of that mean, std(ddof=1) / sqrt(n). In float64.

    Sums are taken in float64 because a float32 sum of 10,000 likelihoods of about -100 loses the second decimal.

    Args:
        values: [n], one an example.

    Returns:
        'mean', 'standard_error' and 'n'. A single value has no standard error: nan. Where any value is nan or infinite, mean
        and standard error are nan, so that a diverged model is never hidden by the rest.

    Raises:
        ValueError: `values` is empty or not of rank 1.
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or values.size == 0:
        raise ValueError(f'summarise needs one value an example, [n] with n > 0, got shape {values.shape}')
    n = values.size
    if not np.all(np.isfinite(values)):
        return {'mean': float('nan'), 'standard_error': float('nan'), 'n': n}
    standard_error = float(values.std(ddof=1) / np.sqrt(n)) if n > 1 else float('nan')
    return {'mean': float(values.mean()), 'standard_error': standard_error, 'n': n}
