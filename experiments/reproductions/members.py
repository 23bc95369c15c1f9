"""Training for a reproduction: every seed of a config, with the states at the ends of its stages."""

import hashlib
import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import flax.serialization
import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.per_example import make_evaluator
from aejax.files import write_bytes
from aejax.runs import provenance
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.folder import plain
from aejax.runs.setup import make_source
from aejax.training import ensemble, loop
from aejax.training.checkpoint import from_host, to_host
from aejax.training.sources import Source
from aejax.types import Method, TrainState
from experiments.reproductions.base import Bench

FINAL = ''
"""The key of the state that a reproduction measures, beside those of the stages' ends."""
States = Mapping[str, TrainState]


def train_members(
    bench: Bench, name: str, method: Method, dataset: Dataset, config: ConfigDict, seeds: Sequence[int]
) -> Iterator[tuple[int, States, float]]:
    """(seed, states by stage, seconds) for each seed: one after the other, or all as one vmapped program.

    A single seed that was pretrained before, with whatever fine-tuning, goes on from there.
    """
    groups = [seeds] if as_ensemble(bench, method) and seeds else [[seed] for seed in seeds]
    source = make_source(config, dataset)
    for group in groups:
        members, label = len(group) > 1, f'{name}, seed {", ".join(map(str, group))}'
        file = None if members else pretrained_file(bench, config, dataset, group[0])
        state, spent = (None, 0.0) if file is None else read_pretrained(file, method, source, dataset, group[0])
        if state is None and members:
            state = ensemble.initial_states(method, source, dataset.spec, group)
        elif state is None:
            state = loop.initial_state(method, source, dataset.spec, group[0])
        states, seconds = _train(bench, label, method, source, dataset, config, state, members, file, spent)
        for index, seed in enumerate(group):
            own = {stage: ensemble.member(state, index) if members else state for stage, state in states.items()}
            yield seed, own, seconds / len(group)


def as_ensemble(bench: Bench, method: Method) -> bool:
    """Whether all seeds are trained as one program: members whose stages map their inputs have other inputs, and cannot be."""
    return bench.ensemble and all(stage.inputs is None for stage in method.stages)


def where(bench: Bench) -> dict[str, Any]:
    """What figures depend on beside config, data and seed: the commit, the versions, the device, the environment."""
    return {
        'git': dict(bench.git),
        'versions': provenance.versions(),
        'device': provenance.device(),
        'environment': provenance.environment(),
    }


def _train(
    bench: Bench,
    label: str,
    method: Method,
    source: Source,
    dataset: Dataset,
    config: ConfigDict,
    state: TrainState,
    members: bool,
    file: pathlib.Path | None,
    spent: float,
) -> tuple[dict[str, TrainState], float]:
    """The states at the ends of the stages and the final one, and the seconds it all took; `spent` of them before."""
    began, last = time.perf_counter() - spent, method.stages[-1].name
    # A state that was pretrained before is that of the stage that ended there.
    ends = {stage.name: end for _, end, stage in loop.spans(method.stages)}
    states = {name: state for name, end in ends.items() if end == int(np.ravel(state.step)[0])}
    total = sum(stage.num_steps for stage in method.stages)
    choose = config.test_checkpoint == 'best'
    best = _Best(method, dataset, members) if choose else None
    for interval in loop.train(
        method,
        source,
        dataset.spec,
        batch_size=config.batch_size,
        state=state,
        log_every=1.0 if choose else max(1.0, config.epochs / 6),
        members=members,
    ):
        if interval.step == ends[interval.stage]:
            states[interval.stage] = from_host(to_host(interval.state))
            if file is not None and interval.stage != last:
                write_pretrained(file, interval.state, time.perf_counter() - began)
        score = best.look(interval.state) if best is not None and interval.stage == last else None
        epochs = round(interval.epoch), total // source.steps_per_epoch
        bench.say(f'{label}: {_progress(interval, epochs, score)}, {time.perf_counter() - began:.0f} s')
    states[FINAL] = best.state if best is not None else states[last]
    return states, time.perf_counter() - began


def _progress(interval: loop.Interval, epochs: tuple[int, int], score: np.ndarray | None) -> str:
    loss = next(value for key, value in interval.metrics.items() if key.endswith('/loss'))
    chosen = '' if score is None else f', validation {np.mean(score):.5g}'
    return f'{interval.stage}, epoch {epochs[0]} of {epochs[1]}, loss {np.mean(loss):.5g}{chosen}'


class _Best:
    """The state with the best validation metric so far; of an ensemble, each member's own."""

    def __init__(self, method: Method, dataset: Dataset, members: bool):
        self.metric, self.better = method.selection
        self.evaluate = make_evaluator(method, dataset.spec, dataset.split('validation'), seed=EVALUATION_SEED, members=members)
        self.scores: np.ndarray | None = None
        self.fields: dict = {}

    def look(self, state: TrainState) -> np.ndarray:
        """Keeps what is better than before; returns this state's metric."""
        scores = np.asarray(np.mean(self.evaluate(state)[self.metric], axis=-1, dtype=np.float64))
        sign, fields = (1 if self.better == 'min' else -1), to_host(state)
        if self.scores is None:
            self.scores, self.fields = scores, fields
            return scores
        # Of equals the latest, as among the checkpoints of a run.
        wins = sign * scores <= sign * self.scores

        def choose(new: np.ndarray, old: np.ndarray) -> np.ndarray:
            return np.where(wins.reshape(wins.shape + (1,) * (new.ndim - wins.ndim)), new, old)

        self.scores, self.fields = np.where(wins, scores, self.scores), jax.tree.map(choose, fields, self.fields)
        return scores

    @property
    def state(self) -> TrainState:
        """The best."""
        return from_host(self.fields)


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
    text = json.dumps([settings, dataset.fingerprint, where(bench)], sort_keys=True)
    return bench.cache / f'pretrained-{hashlib.sha256(text.encode()).hexdigest()[:24]}.msgpack'


def write_pretrained(file: pathlib.Path, state: TrainState, seconds: float) -> None:
    """Stores all but the optimiser's state: the next stage begins with a fresh one."""
    fields = to_host(state.replace(optimizer_states={}))
    write_bytes(file, flax.serialization.to_bytes({'fields': fields, 'seconds': np.asarray(seconds)}))


def read_pretrained(
    file: pathlib.Path, method: Method, source: Source, dataset: Dataset, seed: int
) -> tuple[TrainState | None, float]:
    """The stored state and the seconds it took to train; (None, 0) where there is none."""
    if not file.exists():
        return None, 0.0
    fields = to_host(loop.initial_state(method, source, dataset.spec, seed).replace(optimizer_states={}))
    stored = flax.serialization.from_bytes({'fields': fields, 'seconds': np.zeros(())}, file.read_bytes())
    return from_host(stored['fields']), float(stored['seconds'])
