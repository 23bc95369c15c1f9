"""Files written whole or not at all (a temporary name in the same folder, then a rename), and values as JSON holds them."""

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[pathlib.Path]:
    """A temporary path beside `path`, renamed to it when the block ends well and removed when it does not.

    The content is on the disk before the rename, and the rename before this returns: neither a kill nor a power cut leaves half a
    file. Folders on the way are made. The temporary name is fixed, so that killed writers leave one file and no pile; whoever may
    write the same file at the same time holds a lock.

    Raises:
        OSError: the folder cannot be written; an older file at `path` stays as it was.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.part')
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        with contextlib.suppress(OSError):  # not every file system can do that for a folder, and the file is in its place
            _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
    """Waits until the content of a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_bytes(path: str | os.PathLike[str], content: bytes) -> pathlib.Path:
    """Writes `content` to `path`, and returns the path."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return pathlib.Path(path)


def write_text(path: str | os.PathLike[str], text: str) -> pathlib.Path:
    """Writes `text` to `path` as UTF-8, and returns the path."""
    return write_bytes(path, text.encode('utf-8', 'replace'))


def write_json(path: str | os.PathLike[str], value: Any) -> pathlib.Path:
    """Writes `value` to `path` as indented JSON, and returns the path; what is not finite becomes null, as JSON knows no NaN."""
    return write_text(path, json.dumps(finite(value), indent=2, allow_nan=False) + '\n')


def flatten(values: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """{'a': {'b': 1}} -> {'a.b': 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= flatten(value, f'{prefix}{key}.') if isinstance(value, Mapping) else {f'{prefix}{key}': value}
    return flat


def finite(value: Any) -> Any:
    """`value` with every float that is not finite replaced by None, through dictionaries and lists."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value
