"""Files written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: str | os.PathLike[str], content: bytes) -> Path:
    """Writes `content` to `path` through a temporary name in the same folder, so that no reader sees half a file.

    Folders on the way are made. When writing fails, an older file at `path` stays as it was.

    Args:
        path: where to.
        content: the bytes of the file.

    Returns:
        The path written.

    Raises:
        OSError: the folder cannot be written.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f'.{target.name}.{os.getpid()}.tmp')
    try:
        temporary.write_bytes(content)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
