"""A search that looks no further than it has to."""

from collections.abc import Callable, Sequence


def climb(values: Sequence[float], start: float, error: Callable[[float], float]) -> dict[float, float]:
    """Errors of the values that were looked at: from `start` up until the error no longer falls, or down if it never fell.

    The best of them lies between two that are no better, or at an end of `values`.

    Args:
        values: in ascending order.
        start: one of them.
        error: of a value; called once for each.
    """
    begin = values.index(start)
    found = {start: error(start)}
    for way in (values[begin + 1 :], values[:begin][::-1]):
        for value in way:
            lowest = min(found.values())
            found[value] = error(value)
            if found[value] >= lowest:
                break
        if min(found.values()) < found[start]:
            break
    return found
