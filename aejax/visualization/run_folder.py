"""What lies in a run's folder, finished or not."""

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aejax.rows import read_rows
from aejax.types import UserError
from aejax.visualization.figure_words import Subject

JSON_FILES = ('config.json', 'provenance.json', 'summary.json')
SIGNATURE = b'\x89PNG\r\n\x1a\n'


class Picture(NamedTuple):
    """A PNG file: its stem, its bytes, and its size in pixels."""

    stem: str
    content: bytes
    width: int
    height: int


class Run(NamedTuple):
    """The files of a run; an empty dict or list stands for one that is missing, and `missing` names it."""

    name: str
    config: dict[str, Any]
    provenance: dict[str, Any]
    summary: dict[str, Any]
    history: list[dict[str, Any]]
    pictures: list[Picture]
    missing: list[str]


def read_run(run_dir: str | os.PathLike[str]) -> Run:
    """Reads what there is.

    Raises:
        UserError: the folder does not exist or holds no file of a run, or one of its files is damaged.
    """
    folder = Path(run_dir)
    names = [*JSON_FILES, 'metrics.jsonl']
    missing = [name for name in names if not (folder / name).is_file()]
    if len(missing) == len(names):
        raise UserError(f'{folder} is no run: it has none of {", ".join(names)}')
    config, provenance, summary = (_object(folder / name) for name in JSON_FILES)
    history = read_rows(folder / 'metrics.jsonl')
    paths = sorted(path for path in folder.glob('figures/*.png') if not path.name.startswith('.'))
    pictures = [picture(path.stem, path.read_bytes()) for path in paths]
    return Run(folder.resolve().name, config, provenance, summary, history, pictures, missing)


def _object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise UserError(f'{path} is no valid JSON ({error}): mend or remove it') from error
    if not isinstance(content, dict):
        raise UserError(f'{path} holds no JSON object: mend or remove it')
    return content


def picture(stem: str, content: bytes) -> Picture:
    """A PNG file's bytes with the size that its header tells.

    Raises:
        UserError: it is no PNG.
    """
    if not content.startswith(SIGNATURE) or len(content) < 24:
        raise UserError(f'figures/{stem}.png is no PNG image: remove it')
    width, height = struct.unpack('>II', content[16:24])
    return Picture(stem, content, width, height)


def nested(mapping: Mapping[str, Any], key: str) -> dict[str, Any]:
    """The mapping below `key`; an empty one where there is none."""
    value = mapping.get(key)
    return value if isinstance(value, dict) else {}


def subject(run: Run) -> Subject:
    """What the run's data is, as far as its provenance tells: [h, w, c] is an image, [2] or [3] a point, all else an example."""
    data = nested(run.provenance, 'data')
    shape = tuple(data['shape']) if isinstance(data.get('shape'), list) else ()
    one = 'image' if len(shape) == 3 else 'point' if shape in ((2,), (3,)) else 'example'
    return Subject(one, bool(data.get('num_classes')), bool(data.get('num_coordinates')))
