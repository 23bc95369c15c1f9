"""Raw files of the MNIST family: those the user gives, or those a single quick attempt can fetch."""

import contextlib
import http.client
import threading
import urllib.error
import urllib.request
from pathlib import Path

from aejax.data import idx
from aejax.files import write_bytes
from aejax.types import UserError

SECONDS_TO_CONNECT = 12.0


def raw_files(name: str, download_dir: Path | None, cache: Path) -> Path:
    """A folder with the four checked files of data set `name`.

    They are taken from `download_dir/name` or `download_dir` when that is given, and nothing is downloaded then; otherwise what
    is not yet in `cache` is fetched into it.

    Raises:
        UserError: a file is missing or damaged, or cannot be downloaded.
    """
    if download_dir is None:
        cache.mkdir(parents=True, exist_ok=True)
        for file in idx.IDX_CONFIGS[name].files:
            _fetch(name, file, cache)
        return cache
    if not download_dir.is_dir():
        raise UserError(f'the download folder {download_dir} does not exist: give one with the files of {name}, or none at all')
    folder = download_dir / name if (download_dir / name).is_dir() else download_dir
    for file in idx.IDX_CONFIGS[name].files:
        idx.check_file(folder / file, name)
    return folder


def _fetch(name: str, file: str, cache: Path) -> None:
    with contextlib.suppress(UserError):
        idx.check_file(cache / file, name)
        return
    url = idx.IDX_CONFIGS[name].url + file
    try:
        content = _get(url)
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # the answer that says no is an open connection, too
        raise UserError(
            f'cannot download {url} ({getattr(error, "reason", None) or error}): '
            f'fetch the files of {name} elsewhere and give their folder with --download_dir'
        ) from error
    idx.check_content(content, name, file, url)
    write_bytes(cache / file, content)


def _get(url: str) -> bytes:
    """One attempt. Looking up a name has no timeout of its own, so the connection is made in a thread that may be given up."""
    opened: list[http.client.HTTPResponse | Exception] = []
    given_up = threading.Event()

    def connect() -> None:
        try:
            response = urllib.request.urlopen(url, timeout=SECONDS_TO_CONNECT)
            if given_up.is_set():
                response.close()
            else:
                opened.append(response)
        except Exception as error:  # handed to the waiting thread
            opened.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(SECONDS_TO_CONNECT)
    if not opened:
        given_up.set()
        raise TimeoutError(f'no answer within {SECONDS_TO_CONNECT:.0f} seconds')
    if isinstance(opened[0], Exception):
        raise opened[0]
    with opened[0] as response:
        return response.read()
