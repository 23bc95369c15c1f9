"""A run's folder: what lies where, who may write in it, and whether a config may go on in it."""

import contextlib
import fcntl
import json
import os
import pathlib
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

from ml_collections import ConfigDict

from aejax.files import write_json, write_text
from aejax.types import UserError

CONFIG, PROVENANCE, SUMMARY, METRICS = 'config.json', 'provenance.json', 'summary.json', 'metrics.jsonl'
CHECKPOINTS, FIGURES, TENSORBOARD, SAMPLES, REPORT = 'checkpoints', 'figures', 'tensorboard', 'samples', 'report.html'
LOCK = '.lock'


def flatten(values: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """{'a': {'b': 1}} -> {'a.b': 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f'{prefix}{key}.') if isinstance(value, Mapping) else {f'{prefix}{key}': value}
    return flat


def plain(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON holds it (tuples become lists), so that stored and given ones compare."""
    return json.loads(json.dumps(config.to_dict()))


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """'key: stored -> given' for every entry that is not the same."""
    old, new = flatten(stored), flatten(given)
    missing = object()
    changed = [key for key in sorted({*old, *new}) if old.get(key, missing) != new.get(key, missing)]
    return [f'{key}: {old.get(key, "absent")!r} -> {new.get(key, "absent")!r}' for key in changed]


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """The stored config of a run.

    Raises:
        UserError: if `folder` holds no run, or its config cannot be read.
    """
    path = folder / CONFIG
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError:
        raise UserError(f"{folder} is no run's folder: it has no {CONFIG}; train first") from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read: {error}') from None


def read_object(path: pathlib.Path) -> dict[str, Any]:
    """The JSON object at `path`; an empty one where there is none that can be read."""
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


@contextlib.contextmanager
def locked(folder: pathlib.Path) -> Iterator[None]:
    """Makes `folder` and holds it against other processes; the lock goes with the process, however that ends.

    Raises:
        UserError: if it cannot be made, or another process is at work in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f'cannot write in {folder}: {error.strerror}') from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise UserError(f'another process is running in {folder}; wait for it or choose another --workdir') from None
    finally:
        os.close(handle)


def clear(folder: pathlib.Path) -> None:
    """Removes what a run writes, and nothing else."""
    for name in (CONFIG, PROVENANCE, SUMMARY, METRICS, REPORT):
        (folder / name).unlink(missing_ok=True)
    for name in (CHECKPOINTS, FIGURES, TENSORBOARD, SAMPLES):
        shutil.rmtree(folder / name, ignore_errors=True)


def check_free(folder: pathlib.Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Makes sure that `folder` is free for, or already belongs to, a run with this config; writes nothing.

    Raises:
        UserError: if it holds a run with another config, naming what differs, or files that are no run's.
    """
    if not (folder / CONFIG).exists():
        if foreign := [path.name for path in folder.iterdir() if path.name != LOCK]:
            raise UserError(f'{folder} is not empty and holds no run (there is {foreign[0]!r}); choose another --workdir')
    elif not overwrite and (changed := differences(read_config(folder), config)):
        more = f' and {len(changed) - 3} more' if len(changed) > 3 else ''
        raise UserError(
            f'{folder} holds a run with another config ({"; ".join(changed[:3])}{more}); '
            'choose another --workdir, or --overwrite to start again'
        )


def claim(folder: pathlib.Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Takes a folder that `check_free` found free: from here on it belongs to a run with this config."""
    if overwrite:
        clear(folder)
    if not (folder / CONFIG).exists():
        write_json(folder / CONFIG, config)


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
    """The rows of a metrics.jsonl, up to the first line that is not whole."""
    rows: list[dict[str, Any]] = []
    if path.exists():
        for line in path.read_text(encoding='utf-8').splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def keep_rows(path: pathlib.Path, step: int) -> list[dict[str, Any]]:
    """Drops the rows after `step`, which a resumed run writes again, and returns those that stay."""
    rows = [row for row in read_rows(path) if row['step'] <= step]
    write_text(path, ''.join(json.dumps(row) + '\n' for row in rows))
    return rows


def append_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Adds `rows` and waits until they are on the disk: a checkpoint is saved only after its rows."""
    with path.open('a', encoding='utf-8') as file:
        file.write(''.join(json.dumps(row) + '\n' for row in rows))
        file.flush()
        os.fsync(file.fileno())
