"""Where a figure comes from: versions, commit, data, device, seed, command."""

import datetime
import importlib.metadata
import os
import pathlib
import platform
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import jax

# What `git status` looks at, as pathspecs from the root.
CODE = (':/aejax', ':/experiments', ':(exclude,top)experiments/results')
PACKAGES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax-checkpoint', 'numpy', 'scikit-learn', 'tensorflow-datasets')

# Variables that decide how JAX compiles and where it runs, and where data is: the command alone does not give a run again.
ENVIRONMENT = ('JAX_', 'XLA_', 'AEJAX_')
PLACES = ('AEJAX_', 'JAX_COMPILATION_CACHE_DIR')
"""Where data and compiled programs lie decides no figure: data have a fingerprint."""


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


def environment() -> dict[str, str]:
    """The variables of the environment that matter to a run."""
    return {name: value for name, value in sorted(os.environ.items()) if name.startswith(ENVIRONMENT)}


def environment_of_figures() -> dict[str, str]:
    """The variables of the environment on which figures depend: those of `environment` that are no places."""
    return {name: value for name, value in environment().items() if not name.startswith(PLACES)}


def _start(command: Sequence[str]) -> dict[str, Any]:
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
    return {'command': shlex.join(command), 'started': now, 'git': git_state()}


def collect(command: Sequence[str], seed: int, data: Mapping[str, Any]) -> dict[str, Any]:
    """The content of provenance.json; `data` is `Dataset.describe()`."""
    return {
        'versions': versions(),
        'data': dict(data),
        'device': device(),
        'seed': seed,
        'environment': environment(),
        **_start(command),
    }


def later_start(stored: Mapping[str, Any], command: Sequence[str], step: int) -> dict[str, Any]:
    """An entry of a provenance's `resumed`, for a start that went on from `step`; versions and environment where they changed."""
    return {
        **_start(command),
        'step': step,
        'versions': _changed(stored.get('versions', {}), versions()),
        'environment': _changed(stored.get('environment', {}), environment()),
    }


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Entries of `now` that are not those of `before`, and None for what is no longer there."""
    return {name: now.get(name) for name in sorted({*before, *now}) if now.get(name) != before.get(name)}


def drift(stored: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    """What is no longer as it was in the first start: 'jax 0.10.1 -> 0.10.2, commit 1f2e3d4 -> 5c6b7a8'; '' where nothing is."""
    commits = [str(each.get('git', {}).get('commit'))[:7] for each in (stored, entry)]
    before = stored.get('versions', {})
    changes = [f'{name} {before.get(name)} -> {version}' for name, version in entry['versions'].items()]
    return ', '.join(changes + ([f'commit {commits[0]} -> {commits[1]}'] if commits[0] != commits[1] else []))
