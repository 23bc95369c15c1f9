"""The inverse temperatures of annealed importance sampling, of latent-variable models and of RBMs alike."""

import numpy as np
from jax.typing import ArrayLike


def checked(betas: ArrayLike) -> np.ndarray:
    """`betas` as float64, [T + 1].

    Raises:
        ValueError: they do not rise from 0 to 1.
    """
    ladder = np.asarray(betas, np.float64)
    if ladder.ndim != 1 or len(ladder) < 2 or ladder[0] != 0 or ladder[-1] != 1 or not np.all(np.diff(ladder) > 0):
        raise ValueError(f'betas must rise from 0 to 1, and are {ladder[:3].tolist()}' + ', ...' * (ladder.size > 3))
    return ladder
