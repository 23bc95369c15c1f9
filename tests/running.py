"""Short runs in folders, for the tests of runs."""

import contextlib
import importlib
import itertools
import json
import pathlib
import struct
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

import aejax
from aejax.files import write_bytes
from aejax.runs import ending, figures
from aejax.runs.console import Quiet

# As much of a PNG as a report looks at.
TINY_PNG = b'\x89PNG\r\n\x1a\n' + struct.pack('>I4sII', 13, b'IHDR', 1, 1)
TIMES = ('seconds', 'examples_per_second')


def draw_nothing(folder: pathlib.Path, *rest: Any) -> None:
    """In place of `write_figures`, where a test is of something else: figures take longer than all else in a short run."""
    write_bytes(folder / 'nothing.png', TINY_PNG)


def draw_one(folder: pathlib.Path, method: Any, dataset: Any, state: Any, *rest: Any) -> None:
    """In place of `write_figures`: one that is cheap."""
    figures.save(figures.Pictures(method, dataset, state).reconstructions(), folder / 'reconstructions.png')


@contextlib.contextmanager
def no_pictures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, 'write_figures', draw_nothing)
        yield


@contextlib.contextmanager
def validation_times(*factors: float) -> Iterator[None]:
    """The validation metrics of the first intervals are multiplied, so that a test knows which is the best."""
    module, count = importlib.import_module('aejax.runs.train'), itertools.count()
    means = module.means
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            module, 'means', lambda values: {k: v * factors[i] for i in [next(count)] for k, v in means(values).items()}
        )
        yield


def config(module: Any, variant: str = '', **changes: Any) -> ConfigDict:
    """Two epochs of 12 steps, each with rows and a checkpoint; likelihoods of few samples."""
    settings = module.get_config(variant)
    settings.evaluation.importance_samples = min(settings.evaluation.importance_samples, 50)
    settings.epochs, settings.log_every, settings.checkpoint_every, settings.tensorboard = 2, 1.0, 1.0, False
    settings.update_from_flattened_dict(changes)
    return settings


class Heard(Quiet):
    """What a run said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    @property
    def warnings(self) -> list[str]:
        return [line for line in self.lines if line.startswith('warning: ')]


def state(folder: pathlib.Path, checkpoint: str | int = 'last') -> Any:
    """A stored state as numpy arrays, the key as its data."""
    stored = aejax.load(folder, checkpoint).state
    return jax.tree.map(np.asarray, stored.replace(key=jax.random.key_data(stored.key)))


def rows(folder: pathlib.Path, split: str | None = None) -> list[dict[str, Any]]:
    """The rows of a run, of one split or all, without what a clock measured."""
    lines = [json.loads(line) for line in (folder / 'metrics.jsonl').read_text().splitlines()]
    return [
        {name: value for name, value in line.items() if name not in TIMES} for line in lines if split in (None, line['split'])
    ]


def read(folder: pathlib.Path, name: str) -> dict[str, Any]:
    """The object in `name`.json."""
    return json.loads((folder / f'{name}.json').read_text())
