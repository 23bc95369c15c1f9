"""The lines of metrics.jsonl as curves, and which of them belong in one panel."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from aejax.rows import SPEED, metrics_of

Row = Mapping[str, Any]


class Curve(NamedTuple):
    """One metric of one split over training: arrays [n], in the order logged. A null in the file is a NaN here."""

    name: str
    split: str
    steps: np.ndarray
    positions: np.ndarray
    stages: list[str]
    values: np.ndarray


def metric_of(name: str) -> str:
    """'squared_error' for 'reconstruction/squared_error': the name without its phase."""
    return name.split('/', 1)[-1]


def position_name(history: Sequence[Row]) -> str:
    """What the x axis counts: 'epoch', or 'step' where a line has no epoch."""
    return 'epoch' if history and all(_is_number(row.get('epoch')) for row in history) else 'step'


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _coordinate(row: Row, name: str, index: int) -> float:
    """Step or epoch of a line; its number in the file where it does not say."""
    value = row.get(name)
    return value if _is_number(value) else index


def curves(history: Sequence[Row]) -> list[Curve]:
    """All curves in a history, in the order in which their names first occur; what is neither number nor null is left out."""
    found: dict[tuple[str, str], list[tuple[float, float, str, float]]] = {}
    position = position_name(history)
    for index, row in enumerate(history):
        where = (_coordinate(row, 'step', index), _coordinate(row, position, index), str(row.get('stage', '')))
        for name, value in metrics_of(row).items():
            if name != SPEED and (value is None or _is_number(value)):
                points = found.setdefault((name, str(row.get('split', 'train'))), [])
                points.append((*where, np.nan if value is None else float(value)))
    result = []
    for (name, split), points in found.items():
        steps, positions, stages, values = zip(*points, strict=True)
        result.append(Curve(name, split, np.array(steps), np.array(positions), list(stages), np.array(values)))
    return result


def panels(found: Sequence[Curve]) -> list[list[Curve]]:
    """Groups curves by panel: losses, then what validation measures too, then the rest, gradient norms last.

    A validation metric joins the training curve whose name is the same behind the phase; where several phases have one
    of that name, each has its panel and validation joins the first.
    """
    grouped: dict[str, list[Curve]] = {}
    homes: dict[str, str] = {}
    for curve in sorted(found, key=lambda curve: '/' not in curve.name):
        home = curve.name if '/' in curve.name else homes.get(curve.name, curve.name)
        homes.setdefault(metric_of(curve.name), home)
        grouped.setdefault(home, []).append(curve)
    return sorted(grouped.values(), key=_rank)


def _rank(panel: Sequence[Curve]) -> int:
    metric = metric_of(panel[0].name)
    if metric.endswith(('gradient_norm', 'learning_rate')):
        return 3
    if metric.endswith('loss'):
        return 0
    return 1 if any(curve.split != 'train' for curve in panel) else 2


def stage_starts(history: Sequence[Row]) -> list[tuple[str, float]]:
    """The stages in turn, each with the position where it began: that of the last line of the stage before."""
    position, last, found = position_name(history), 0.0, dict[str, float]()
    for index, row in enumerate(history):
        found.setdefault(str(row.get('stage', '')), last)
        last = _coordinate(row, position, index)
    return list(found.items())
