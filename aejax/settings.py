"""Numbers of a config and the ranges that they must lie in."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.types import UserError

Ranges = Mapping[str, tuple[float, float]]
"""By key: the lowest value allowed, and the end, which is not."""


def is_finite(value: Any) -> bool:
    """Whether `value` is a number that is finite."""
    return isinstance(value, int | float) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    """Whether `value` is a whole number, of Python's or numpy's, and no truth value."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def check_seed(seed: int, name: str = 'seed') -> None:
    """Raises UserError where `seed` is none that a key can be made of, each of its own."""
    if not (_is_whole(seed) and 0 <= seed < 2**32):
        raise UserError(f'{name}={seed} must be a whole number between 0 and {2**32 - 1}')


def check_counts(counts: Mapping[str, Any]) -> None:
    """Raises UserError on the first of the named numbers that is no whole one of at least 1."""
    for name, value in counts.items():
        if not (_is_whole(value) and value >= 1):
            raise UserError(f'{name}={value} must be a whole number of at least 1')


def check_ranges(config: ConfigDict, ranges: Ranges, section: str = '') -> None:
    """Raises UserError on the first of `config` that is outside its range, as nan and what is no number are of all.

    Args:
        config: a config or one of its sections.
        ranges: what is looked at.
        section: the name of the section, for the message.
    """
    for name, (lowest, end) in ranges.items():
        value = getattr(config, name)
        if not (isinstance(value, int | float) and lowest <= value < end):
            allowed = f'at least {lowest:g}' + (f' and below {end:g}' if end < float('inf') else '')
            raise UserError(f'{section + "." if section else ""}{name}={value} must be {allowed}')
