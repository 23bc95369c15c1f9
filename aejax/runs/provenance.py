"""Where a figure comes from: versions, commit, data, device, seed, command."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import jax

# What `git status` looks at, as pathspecs from the root.
CODE = (':/aejax', ':/experiments', ':(exclude,top)experiments/results')
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'scikit-learn', 'tensorflow-datasets')


def versions() -> dict[str, str]:
    """Python's version and those of the packages that touch the numbers."""
    return {'python': platform.python_version(), **{name: importlib.metadata.version(name) for name in PACKAGES}}


def git_state() -> dict[str, Any]:
    """The commit that this code is at and whether it was changed since; {} outside a checkout. Results are no code."""
    folder = pathlib.Path(__file__).parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ('git', *arguments), cwd=folder, capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return {'commit': git('rev-parse', 'HEAD'), 'dirty': bool(git('status', '--porcelain', '--', *CODE))}
    except (OSError, subprocess.SubprocessError):
        return {}


def device() -> str:
    """The devices in words: 'cpu x1 (2 cores)', 'gpu x1 (NVIDIA H200)'."""
    devices = jax.devices()
    kind = f'{os.cpu_count()} cores' if devices[0].platform == 'cpu' else devices[0].device_kind
    return f'{devices[0].platform} x{len(devices)} ({kind})'


def collect(command: Sequence[str], seed: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """The content of provenance.json; `data` is `Dataset.describe()`."""
    return {
        'versions': versions(),
        'git': git_state(),
        'data': dict(data),
        'device': device(),
        'seed': seed,
        'command': ' '.join(command),
        'started': datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds'),
    }
