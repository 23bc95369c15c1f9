"""Parts: one config, trained with every seed and measured; what is finished is kept, so that an interruption loses one part."""

import hashlib
import io
import json
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from aejax import preprocessing
from aejax.data import Dataset
from aejax.evaluation.per_example import make_evaluator
from aejax.files import replacing
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.folder import plain
from aejax.runs.setup import build, load_data
from aejax.types import Array, Method, TrainState
from experiments.reproductions.base import Bench, Part
from experiments.reproductions.figures import Measured, over_examples
from experiments.reproductions.members import FINAL, train_members
from experiments.reproductions.stored import where

Values = dict[str, np.ndarray]
Measure = Callable[[Method, Dataset, TrainState], Values]


def metrics(method: Method, dataset: Dataset, state: TrainState, splits: Sequence[str] = ('validation', 'test')) -> Values:
    """The method's own metrics as 'SPLIT_METRIC', each [n]."""
    return {
        f'{split}_{name}': values
        for split in splits
        for name, values in make_evaluator(method, dataset.spec, dataset.split(split), seed=EVALUATION_SEED)(state).items()
    }


def classification_errors(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """Those of a softmax on the code, on validation and test, each 0 or 1, [n]."""
    return {name: value for name, value in metrics(method, dataset, state).items() if name.endswith('classification_error')}


def mean_on_validation(part: Part, metric: str) -> float:
    """Mean of a metric over the validation examples and the seeds: what searches compare."""
    return float(part.values[f'validation_{metric}'].mean())


def error_on_test(part: Part) -> Measured:
    """Of a softmax on the code, in per cent of the test images."""
    return over_examples(part.values['test_classification_error']).scaled(100)


def inputs(dataset: Dataset, split: str, rows: slice | np.ndarray = slice(None)) -> Array:
    """These rows of a split as a model sees them, [n, ...]; what dynamic binarisation draws is the same at every call."""
    return preprocessing.to_model_space(jnp.asarray(dataset.split(split)['x'][rows]), dataset.spec, jax.random.key(0))


def run_part(
    bench: Bench,
    name: str,
    config: ConfigDict,
    measure: Measure = metrics,
    seeds: Sequence[int] | None = None,
    after: Mapping[str, Measure] = {},
) -> Part:
    """Trains `config` with each of `seeds` (by default the bench's) and measures; what was finished before is read instead.

    The state that is measured is the last or, where the config's `test_checkpoint` is 'best', that of the last stage's epoch
    with the best validation metric.

    Args:
        bench: see `Bench`.
        name: for the lines of progress.
        config: of the experiment; its own seed does not matter.
        measure: (method, data, trained state) -> named arrays. A function of a module: its name is part of the part's key.
        seeds: of the members.
        after: stage -> what is measured at its end, on top of `measure` at the very end; names are 'STAGE/NAME'.
    """
    config, seeds = bench.config(config), tuple(bench.seeds if seeds is None else seeds)
    dataset = load_data(config, bench.folders)
    files = {seed: part_file(bench, config, dataset, (measure, *after.values()), seed) for seed in seeds}
    found = {seed: values for seed, file in files.items() if (values := _read(file)) is not None}
    if found:
        bench.say(f'{name}: seed {", ".join(map(str, found))} is finished already')
    method = build(config, dataset)
    missing = [seed for seed in seeds if seed not in found]
    for seed, states, seconds in train_members(bench, name, method, dataset, config, missing):
        began = time.perf_counter()
        values = measure(method, dataset, states[FINAL])
        for stage, measure_stage in after.items():
            values |= {f'{stage}/{key}': value for key, value in measure_stage(method, dataset, states[stage]).items()}
        found[seed] = {**values, 'seconds': np.asarray(seconds + time.perf_counter() - began)}
        _write(files[seed], found[seed])
    stacked = {key: np.stack([found[seed][key] for seed in seeds]) for key in found[seeds[0]]}
    return Part(config, seeds, dataset.describe(), stacked, tuple(stacked.pop('seconds').tolist()))


def part_file(bench: Bench, config: ConfigDict, dataset: Dataset, measures: Sequence[Measure], seed: int) -> pathlib.Path:
    """Where a finished part is kept, named after all that it depends on: config, seed, data, measurements, commit, machine."""
    names = [f'{measure.__module__}.{measure.__qualname__}' for measure in measures]
    key = [{**plain(config), 'seed': seed}, dataset.fingerprint, *names, where(bench)]
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
