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

from aejax.files import finite, flatten, write_json, write_text
from aejax.rows import read_rows
from aejax.training.checkpoint import DIGESTS, stored_steps
from aejax.types import UserError

CONFIG, PROVENANCE, SUMMARY, METRICS = 'config.json', 'provenance.json', 'summary.json', 'metrics.jsonl'
CHECKPOINTS, FIGURES, TENSORBOARD, SAMPLES, REPORT = 'checkpoints', 'figures', 'tensorboard', 'samples', 'report.html'
LOCK = '.lock'
FOLDERS, FILES = (CHECKPOINTS, FIGURES, TENSORBOARD, SAMPLES), (CONFIG, PROVENANCE, SUMMARY, METRICS, REPORT, LOCK)
EVALUATIONS = 'evaluation-*.json'
WAY_BACK = f'copy the {CONFIG} that the command in {PROVENANCE} writes to another --workdir, or start again with --overwrite'


def plain(config: ConfigDict) -> dict[str, Any]:
    """The config as JSON holds it (tuples become lists), so that stored and given ones compare."""
    return json.loads(json.dumps(config.to_dict()))


def differences(stored: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """'key: stored -> given' for every entry that is not the same; another method, from which the others follow, first."""
    old, new = flatten(stored), flatten(given)
    missing = object()
    keys = sorted({*old, *new}, key=lambda key: (key != 'method', key))
    changed = [key for key in keys if old.get(key, missing) != new.get(key, missing)]
    return [f'{key}: {old.get(key, "absent")!r} -> {new.get(key, "absent")!r}' for key in changed]


def read_config(folder: pathlib.Path) -> dict[str, Any]:
    """The stored config of a run.

    Raises:
        UserError: if `folder` holds no run, or its config cannot be read.
    """
    path = folder / CONFIG
    try:
        value = json.loads(path.read_text(encoding='utf-8'))
    except (FileNotFoundError, NotADirectoryError):
        check_config_is_there(folder)
        raise UserError(f"{folder} is no run's folder: it has no {CONFIG}; train first") from None
    except (OSError, ValueError) as error:
        raise UserError(f'{path} cannot be read ({error}); {WAY_BACK}') from None
    if not isinstance(value, dict):
        raise UserError(f'{path} holds no config; {WAY_BACK}')
    return value


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
    check_no_foreign_files(folder)
    check_kinds(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise UserError(f'cannot write in {folder}: {error.strerror}') from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f'another process is running in {folder}; wait for it or choose another --workdir') from None
        remove_leftovers(folder)
        try:
            yield
        finally:
            if not (folder / CONFIG).exists():  # nothing came of it: leave no trace
                (folder / LOCK).unlink(missing_ok=True)
                with contextlib.suppress(OSError):
                    folder.rmdir()
    finally:
        os.close(handle)


def check_no_foreign_files(folder: pathlib.Path) -> None:
    """Raises UserError where `folder` holds files, but no run's; writes nothing."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f'{folder} is a file, not a folder; choose another --workdir')
    if folder.is_dir() and not (folder / CONFIG).exists() and not lost_its_config(folder):
        foreign = sorted(path.name for path in folder.iterdir() if path.name != LOCK and not is_leftover(path))
        if foreign:
            raise UserError(f'{folder} is not empty and holds no run (there is {foreign[0]!r}); choose another --workdir')


def lost_its_config(folder: pathlib.Path) -> bool:
    """Whether a run lies in `folder` that lacks its config alone: all that is there is a run's, and its provenance among it."""
    if not (folder / PROVENANCE).exists() or (folder / CONFIG).exists():
        return False
    known = (*FOLDERS, *FILES, EVALUATIONS)
    return all(is_leftover(path) or any(path.match(name) for name in known) for path in folder.iterdir())


def check_config_is_there(folder: pathlib.Path) -> None:
    """Raises UserError where a run lies in `folder` and its config is gone."""
    if lost_its_config(folder):
        raise UserError(f'{folder} holds a run that lost its {CONFIG}; {WAY_BACK}')


def is_leftover(path: pathlib.Path) -> bool:
    """Whether `path` is the temporary file of a writer that was killed, see `aejax.files.replacing`."""
    written = (CONFIG, PROVENANCE, SUMMARY, METRICS, REPORT, EVALUATIONS)
    return any(path.match(f'.{name}.part') for name in written)


def check_kinds(folder: pathlib.Path) -> None:
    """Raises UserError where a file lies in the place of one of a run's folders, or a folder in that of a file."""
    checkpoints = folder / CHECKPOINTS
    for path in (*(folder / name for name in FOLDERS), *(checkpoints / str(step) for step in stored_steps(checkpoints))):
        if os.path.lexists(path) and not path.is_dir():
            raise UserError(f'{path} is a file, and a run has a folder there; move it away, or choose another --workdir')
    for path in (*(folder / name for name in FILES), checkpoints / DIGESTS, *folder.glob(EVALUATIONS)):
        if path.is_dir():
            raise UserError(f'{path} is a folder, and a run has a file there; move it away, or choose another --workdir')


def remove_leftovers(folder: pathlib.Path) -> None:
    """Removes the temporary files of writers that were killed; the folder is locked, so nobody is writing."""
    mine = [path for path in folder.glob('.*.part') if is_leftover(path)]
    for path in (*mine, *(path for name in FOLDERS for path in (folder / name).glob('.*.part'))):
        path.unlink(missing_ok=True)


def clear(folder: pathlib.Path) -> None:
    """Removes what a run writes, and nothing else; the config goes last, as the mark of a run's folder."""
    for place in (folder / name for name in FOLDERS if (folder / name).exists()):
        for path in place.iterdir():  # one by one: the folder itself may be a link to another disk
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if not place.is_symlink():
            place.rmdir()
    for path in (*(folder / name for name in (PROVENANCE, SUMMARY, METRICS, REPORT)), *folder.glob(EVALUATIONS)):
        path.unlink(missing_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)


def diverged_at_once(folder: pathlib.Path) -> bool:
    """Whether the run in `folder` was stopped by what is not finite before its first checkpoint: nothing of it is of use."""
    stopped = str(read_object(folder / SUMMARY).get('status')).startswith('stopped: ')
    return stopped and not stored_steps(folder / CHECKPOINTS)


def has_begun(folder: pathlib.Path) -> bool:
    """Whether there is anything to lose: a checkpoint, a summary, or rows that they may still follow."""
    if stored_steps(folder / CHECKPOINTS):
        return True
    return ((folder / SUMMARY).exists() or bool(read_rows(folder / METRICS))) and not diverged_at_once(folder)


def check_free(folder: pathlib.Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Makes sure that `folder` is free for, or already belongs to, a run with this config; writes nothing.

    A run that ended before its first logging interval has nothing to lose, and its folder is free.

    Raises:
        UserError: if it holds a run with another config, naming what differs, or files that are no run's.
    """
    check_no_foreign_files(folder)
    if not overwrite:
        check_config_is_there(folder)
    if overwrite or not (folder / CONFIG).exists() or not has_begun(folder):
        return
    if changed := differences(read_config(folder), config):
        more = f' and {len(changed) - 3} more' if len(changed) > 3 else ''
        raise UserError(
            f'{folder} holds a run with another config ({"; ".join(changed[:3])}{more}); '
            'choose another --workdir, or --overwrite to start again'
        )


def claim(folder: pathlib.Path, config: Mapping[str, Any], overwrite: bool) -> None:
    """Takes a folder that `check_free` found free: from here on it belongs to a run with this config."""
    if overwrite or not has_begun(folder):
        clear(folder)
    if not (folder / CONFIG).exists():
        write_json(folder / CONFIG, config)


def keep_rows(path: pathlib.Path, step: int) -> list[dict[str, Any]]:
    """Drops the rows after `step`, which a resumed run writes again, and returns those that stay."""
    rows = [row for row in read_rows(path) if row['step'] <= step]
    write_text(path, ''.join(json.dumps(row) + '\n' for row in rows))
    return rows


def append_rows(path: pathlib.Path, rows: list[dict[str, Any]]) -> None:
    """Adds `rows` and waits until they are on the disk: a checkpoint is saved only after its rows."""
    with path.open('a', encoding='utf-8') as file:
        file.write(''.join(json.dumps(finite(row), allow_nan=False) + '\n' for row in rows))
        file.flush()
        os.fsync(file.fileno())
