"""Parts: one config, trained with every seed and measured; what is finished is kept, so that an interruption loses one part."""

import hashlib
import io
import json
import pathlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.per_example import make_evaluator
from aejax.files import replacing
from aejax.runs.folder import plain
from aejax.runs.setup import build, load_data
from aejax.runs.train import EVALUATION_SEED
from aejax.training import ensemble, loop
from aejax.training.sources import Resident
from aejax.types import Method, TrainState
from experiments.reproductions.base import Bench, Part

Values = dict[str, np.ndarray]
Measure = Callable[[Method, Dataset, TrainState], Values]


def metrics(method: Method, dataset: Dataset, state: TrainState, splits: Sequence[str] = ('validation', 'test')) -> Values:
    """The method's own metrics as 'SPLIT_METRIC', each [n]."""
    return {
        f'{split}_{name}': values
        for split in splits
        for name, values in make_evaluator(method, dataset.spec, dataset.split(split), seed=EVALUATION_SEED)(state).items()
    }


def run_part(bench: Bench, name: str, config: ConfigDict, measure: Measure = metrics, seeds: Sequence[int] | None = None) -> Part:
    """Trains `config` with each of `seeds` (by default the bench's) and measures; what was finished before is read instead.

    Args:
        bench: see `Bench`.
        name: for the lines of progress.
        config: of the experiment; its own seed does not matter.
        measure: (method, data, trained state) -> named arrays. A function of a module: its name is part of the part's key.
        seeds: of the members.
    """
    config, seeds = bench.config(config), tuple(bench.seeds if seeds is None else seeds)
    dataset = load_data(config, bench.folders)
    files = {seed: part_file(bench, config, dataset, measure, seed) for seed in seeds}
    found = {seed: values for seed, file in files.items() if (values := _read(file)) is not None}
    if found:
        bench.say(f'{name}: seed {", ".join(map(str, found))} is finished already')
    method = build(config, dataset)
    for seed, state, seconds in _trained(bench, name, method, dataset, config, [seed for seed in seeds if seed not in found]):
        began = time.perf_counter()
        values = measure(method, dataset, state)
        found[seed] = {**values, 'seconds': np.asarray(seconds + time.perf_counter() - began)}
        _write(files[seed], found[seed])
    stacked = {key: np.stack([found[seed][key] for seed in seeds]) for key in found[seeds[0]]}
    return Part(config, seeds, dataset.describe(), stacked, tuple(stacked.pop('seconds').tolist()))


def _trained(
    bench: Bench, name: str, method: Method, dataset: Dataset, config: ConfigDict, seeds: Sequence[int]
) -> Iterator[tuple[int, TrainState, float]]:
    """(seed, state at the end of training, seconds) for each seed: one after the other, or all as one vmapped program."""
    groups = [seeds] if bench.ensemble and seeds else [[seed] for seed in seeds]
    source = Resident(dataset.split('train'), config.batch_size)
    for group in groups:
        began, members = time.perf_counter(), len(group) > 1
        if members:
            state = ensemble.initial_states(method, source, dataset.spec, group)
        else:
            state = loop.initial_state(method, source, dataset.spec, group[0])
        label = f'{name}, seed {", ".join(map(str, group))}'
        every = max(1.0, config.epochs / 6)
        for interval in loop.train(
            method, source, dataset.spec, batch_size=config.batch_size, state=state, log_every=every, members=members
        ):
            state = interval.state
            bench.say(f'{label}: {_progress(interval, config.epochs)}, {time.perf_counter() - began:.0f} s')
        each = (time.perf_counter() - began) / len(group)
        for index, seed in enumerate(group):
            yield seed, ensemble.member(state, index) if members else state, each


def _progress(interval: loop.Interval, epochs: int) -> str:
    loss = next(value for key, value in interval.metrics.items() if key.endswith('/loss'))
    return f'epoch {interval.epoch:.0f} of {epochs}, loss {np.mean(loss):.5g}'


def part_file(bench: Bench, config: ConfigDict, dataset: Dataset, measure: Measure, seed: int) -> pathlib.Path:
    """Where a finished part is kept, named after all that it depends on: config, seed, data, measurement, commit."""
    key = [{**plain(config), 'seed': seed}, dataset.fingerprint, measure.__module__, measure.__qualname__, bench.git]
    return bench.cache / f'{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}.npz'


def _read(file: pathlib.Path) -> Values | None:
    if not file.exists():
        return None
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def _write(file: pathlib.Path, values: Mapping[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **values)
    with replacing(file) as temporary:
        temporary.write_bytes(buffer.getvalue())
