"""Active units: the dimensions of a code through which the posterior tells anything of x.

A_u = Cov_x(E_q(u given x)[u]), the variance over the data of the posterior's mean; u is active where it is above 0.01. Most are
far above or far below: a dimension that a variational autoencoder does not use has the same posterior for all x, the prior.

Source: Burda, Grosse & Salakhutdinov 2016, section 5.2, https://arxiv.org/abs/1509.00519.
"""

import numpy as np
from numpy.typing import ArrayLike

THRESHOLD = 0.01


def activity(means: ArrayLike, others: ArrayLike | None = None) -> np.ndarray:
    """A_u of each dimension, in float64.

    Args:
        means: E_q[z] of each example, [n, d]; exact, or estimated from samples of q.
        others: where `means` are estimates, estimates from other samples. The covariance of the two is free of the noise of both,
            which the variance of one would count as activity.

    Returns:
        [d].

    Raises:
        ValueError: there are fewer than two examples, or the shapes differ.
    """
    first = np.asarray(means, np.float64)
    second = first if others is None else np.asarray(others, np.float64)
    if first.ndim != 2 or len(first) < 2 or first.shape != second.shape:
        raise ValueError(f'activity needs means [n, d] of at least two examples, got {first.shape} and {second.shape}')
    return np.sum((first - first.mean(axis=0)) * (second - second.mean(axis=0)), axis=0) / (len(first) - 1)


def active_units(means: ArrayLike, others: ArrayLike | None = None, threshold: float = THRESHOLD) -> np.ndarray:
    """Whether `activity` is above `threshold`, bool [d]; arguments and failures as there."""
    return activity(means, others) > threshold
