"""States that a reproduction goes on from: what was pretrained for several fine-tunings, and a training that was interrupted."""

import hashlib
import json
import pathlib
from typing import Any, NamedTuple

import flax.serialization
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.files import write_bytes
from aejax.runs import provenance
from aejax.runs.folder import plain
from aejax.training import loop
from aejax.training.checkpoint import from_host, to_host
from aejax.training.sources import Source
from aejax.types import Method, TrainState
from experiments.reproductions.base import Bench

Fields = dict[str, Any]
"""A state on the host, see `to_host`."""


class Best(NamedTuple):
    """The best state so far by a validation metric, and that metric; of an ensemble, each member's own."""

    scores: np.ndarray
    fields: Fields


class Stored(NamedTuple):
    """A state, the seconds that it took to train, and where the best is tested, the best so far."""

    state: TrainState
    seconds: float
    best: Best | None = None


def where(bench: Bench) -> dict[str, Any]:
    """What figures depend on beside config, data and seed: the commit, the versions, the device, the environment."""
    return {
        'git': dict(bench.git),
        'versions': provenance.versions(),
        'device': provenance.device(),
        'environment': provenance.environment_of_figures(),
    }


def pretrained_file(bench: Bench, config: ConfigDict, dataset: Dataset, seed: int) -> pathlib.Path | None:
    """Where the state before the last stage is kept, whatever that stage is; None for a config whose stages are not told apart.

    Those of a fine-tuning are the same whatever its settings, M1 of an M1+M2 whatever the labels.
    """
    settings = {**plain(config), 'seed': seed}
    settings.pop('test_checkpoint')
    if config.finetune.target != 'none':
        settings['finetune'] = config.finetune.target
    elif config.method == 'm1_m2':
        settings.pop('epochs')
        of_m2 = ('num_labelled', 'label_seed', 'labelled_batch_size')
        settings['data'] = {name: value for name, value in settings['data'].items() if name not in of_m2}
    else:
        return None
    return _file(bench, 'pretrained', settings, dataset)


def unfinished_file(bench: Bench, config: ConfigDict, dataset: Dataset, seed: int, method: Method) -> pathlib.Path | None:
    """Where a training of one stage is kept while it goes on; None for a method of several, whose stages end in states, too."""
    return None if len(method.stages) > 1 else _file(bench, 'unfinished', {**plain(config), 'seed': seed}, dataset)


def _file(bench: Bench, kind: str, settings: dict[str, Any], dataset: Dataset) -> pathlib.Path:
    text = json.dumps([settings, dataset.fingerprint, where(bench)], sort_keys=True)
    return bench.cache / f'{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.msgpack'


def write(file: pathlib.Path, stored: Stored) -> None:
    """Stores all of it."""
    best = {} if stored.best is None else stored.best._asdict()
    content = {'fields': to_host(stored.state), 'seconds': np.asarray(stored.seconds), 'best': best}
    write_bytes(file, flax.serialization.to_bytes(content))


def write_pretrained(file: pathlib.Path, stored: Stored) -> None:
    """Stores all but the optimiser's state: the next stage begins with a fresh one."""
    write(file, stored._replace(state=stored.state.replace(optimizer_states={})))


def read(file: pathlib.Path | None, method: Method, source: Source, dataset: Dataset, seed: int) -> Stored | None:
    """What `write` or `write_pretrained` has stored; None where there is no such file."""
    if file is None or not file.exists():
        return None
    found = flax.serialization.msgpack_restore(file.read_bytes())
    state = loop.initial_state(method, source, dataset.spec, seed)
    template = to_host(state if found['fields']['optimizer_states'] else state.replace(optimizer_states={}))
    state = from_host(flax.serialization.from_state_dict(template, found['fields']))
    best = found['best'] or None
    if best is not None:
        best = Best(best['scores'], flax.serialization.from_state_dict(template, best['fields']))
    return Stored(state, float(found['seconds']), best)
