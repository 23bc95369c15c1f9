"""The rows of a run's metrics.jsonl: what a row says beside its metrics, and how rows are read back."""

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

from aejax.types import UserError

COORDINATES = ('step', 'epoch', 'stage', 'split', 'seconds')
"""Where a row was measured; all else in it are metrics, and the speed."""
SPEED = 'examples_per_second'


def metrics_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row measured, by name: all of it but its coordinates."""
    return {name: value for name, value in row.items() if name not in COORDINATES}


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, [] where there is none; a last line that a killed run left half-written is skipped.

    Raises:
        UserError: another line is no row: no JSON object with a whole step, words for stage and split, and else numbers or null.
    """
    path = pathlib.Path(path)
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines() if path.exists() else []
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    rows = [_row(line) for _, line in filled]
    for (number, _), row in zip(filled[:-1], rows, strict=False):
        if row is None:
            raise UserError(f'{path}, line {number}, is no row of metrics: mend or remove that line, or the file')
    return [row for row in rows if row is not None]


def _row(line: str) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and type(row.get('step')) is int and all(map(_fits, row, row.values())) else None


def _fits(name: str, value: Any) -> bool:
    return isinstance(value, str if name in ('stage', 'split') else int | float | None)
