"""Numbers of a config and the ranges that they must lie in."""

import math
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from aejax.types import UserError

Ranges = Mapping[str, tuple[float, float]]
"""By key: the lowest value allowed, and the end, which is not."""


def is_finite(value: Any) -> bool:
    """Whether `value` is a number that is finite."""
    return isinstance(value, int | float) and math.isfinite(value)


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
