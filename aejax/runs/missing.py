"""Whether all that a finished run leaves is there, and whole."""

import contextlib
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from aejax.rows import read_rows
from aejax.runs.folder import CHECKPOINTS, FIGURES, METRICS, PROVENANCE, REPORT, read_object
from aejax.runs.loading import due_steps, spec_of
from aejax.training.checkpoint import DIGESTS, damage, file_digests, read_digests, stored_steps
from aejax.types import UserError


def missing(folder: pathlib.Path, summary: Mapping[str, Any]) -> dict[str, str]:
    """What a finished run's folder lacks: {part: a phrase} for CHECKPOINTS, PROVENANCE, METRICS, FIGURES, REPORT."""
    phrases = {
        CHECKPOINTS: _checkpoint(folder / CHECKPOINTS, summary),
        PROVENANCE: '' if is_readable(read_object(folder / PROVENANCE)) else f'{PROVENANCE} is gone or damaged',
        METRICS: _rows(read_rows(folder / METRICS), summary['steps']),
        FIGURES: _figures(folder / FIGURES, summary.get('figures')),
        REPORT: _report(folder / REPORT),
    }
    return {name: phrase for name, phrase in phrases.items() if phrase}


def is_readable(provenance: Mapping[str, Any]) -> bool:
    """Whether a provenance.json says what data the run was trained on: without that, nothing can load it."""
    with contextlib.suppress(UserError):
        spec_of(provenance.get('data'))
        return True
    return False


def _checkpoint(directory: pathlib.Path, summary: Mapping[str, Any]) -> str:
    known = read_digests(directory)
    for step in sorted({*due_steps(summary).values(), *stored_steps(directory)}, reverse=True):
        if wrong := damage(directory, step):
            return wrong
        if str(step) not in known:
            return f'the digests of checkpoint {directory / str(step)} are not in {DIGESTS}'
    return ''


def _figures(directory: pathlib.Path, drawn: Any) -> str:
    """What is wrong with the pictures, of whose bytes the summary tells the digests."""
    found = file_digests(directory)
    if not isinstance(drawn, dict):  # a summary from before it told them
        return '' if found and all(path.stat().st_size for path in directory.glob('*.png')) else f'{FIGURES} are gone'
    lost = [name for name, digest in drawn.items() if found.get(name) != digest]
    return f'{FIGURES}/{lost[0]} is gone or damaged' if lost else ''


def _report(path: pathlib.Path) -> str:
    """What is wrong with the page; a cut one lacks its end."""
    if not path.is_file():
        return f'{REPORT} is gone'
    return '' if path.read_bytes().rstrip().endswith(b'</html>') else f'{REPORT} is damaged'


def whole_steps(rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """The steps of which metrics.jsonl has what it should: a row of training and one of validation."""
    train, validation = ({row['step'] for row in rows if row.get('split') == split} for split in ('train', 'validation'))
    return train & validation


def _rows(rows: Sequence[Mapping[str, Any]], last: int) -> str:
    whole = whole_steps(rows)
    if max(whole, default=-1) < last:
        return f'{METRICS} lacks its last rows'
    return '' if whole == {row['step'] for row in rows} else f'{METRICS} lacks some of its rows'
