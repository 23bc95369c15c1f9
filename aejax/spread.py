"""A few rows of many. The first of a split need not be like the rest; these are from all over it."""

import numpy as np


def spread(length: int, num: int) -> np.ndarray:
    """`num` row numbers in even steps from the first to the last of `length`, ascending; all of them where `num` is no fewer."""
    return np.linspace(0, length - 1, min(num, length)).round().astype(int)
