"""Training for a reproduction: every seed of a config, with the states at the ends of its stages."""

import dataclasses
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.per_example import make_evaluator
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.setup import make_source
from aejax.training import ensemble, loop
from aejax.training.checkpoint import from_host, to_host
from aejax.training.sources import Source
from aejax.types import Method, TrainState
from experiments.reproductions.base import Bench
from experiments.reproductions.stored import (
    Best,
    Stored,
    pretrained_file,
    read,
    unfinished_file,
    write,
    write_pretrained,
)

FINAL = ''
"""The key of the state that a reproduction measures, beside those of the stages' ends."""
SAVE_EVERY = 300.0
"""Seconds of training that an interruption may cost, and the time to the end of an interval."""
States = Mapping[str, TrainState]


@dataclasses.dataclass(frozen=True)
class _Job:
    """What all seeds of a config share."""

    bench: Bench
    name: str
    method: Method
    source: Source
    dataset: Dataset
    config: ConfigDict


@dataclasses.dataclass(frozen=True)
class _Begun:
    """Where a training goes on, as an ensemble or with one seed, and the files that it leaves on its way, if any."""

    label: str
    stored: Stored
    members: bool = False
    pretrained: pathlib.Path | None = None
    unfinished: pathlib.Path | None = None


def train_members(
    bench: Bench, name: str, method: Method, dataset: Dataset, config: ConfigDict, seeds: Sequence[int]
) -> Iterator[tuple[int, States, float]]:
    """(seed, states by stage, seconds) for each seed: one after the other, or all as one vmapped program.

    A single seed that was pretrained before, with whatever fine-tuning, goes on from there, and one that was interrupted in its
    only stage from the last state that it stored.
    """
    job = _Job(bench, name, method, make_source(config, dataset), dataset, config)
    if as_ensemble(bench, method) and len(seeds) > 1:
        state = ensemble.initial_states(method, job.source, dataset.spec, seeds)
        states, seconds = _train(job, _Begun(f'{name}, seed {", ".join(map(str, seeds))}', Stored(state, 0.0), members=True))
        for index, seed in enumerate(seeds):
            yield seed, {stage: ensemble.member(state, index) for stage, state in states.items()}, seconds / len(seeds)
        return
    for seed in seeds:
        begun = _begin(job, seed)
        states, seconds = _train(job, begun)
        yield seed, states, seconds
        if begun.unfinished is not None:
            begun.unfinished.unlink(missing_ok=True)


def as_ensemble(bench: Bench, method: Method) -> bool:
    """Whether all seeds are trained as one program: members whose stages map their inputs have other inputs, and cannot be."""
    return bench.ensemble and all(stage.inputs is None for stage in method.stages)


def _begin(job: _Job, seed: int) -> _Begun:
    """The training of one seed, from its beginning or from what is there of it."""
    about = (job.bench, job.config, job.dataset, seed)
    label, pretrained = f'{job.name}, seed {seed}', pretrained_file(*about)
    unfinished = unfinished_file(*about, job.method)
    stored = [read(file, job.method, job.source, job.dataset, seed) for file in (unfinished, pretrained)]
    begun = stored[0] or stored[1] or Stored(loop.initial_state(job.method, job.source, job.dataset.spec, seed), 0.0)
    # The seconds of a pretraining that several parts share are those of the part that did it.
    begun = begun if stored[0] else begun._replace(seconds=0.0)
    return _Begun(label, begun, False, pretrained, unfinished)


def _train(job: _Job, begun: _Begun) -> tuple[dict[str, TrainState], float]:
    """The states at the ends of the stages and the final one, and the seconds it all took, those of before among them."""
    method, state, saved = job.method, begun.stored.state, time.perf_counter()
    began, last = saved - begun.stored.seconds, method.stages[-1].name
    # A state that was pretrained before is that of the stage that ended there.
    ends = {stage.name: end for _, end, stage in loop.spans(method.stages)}
    states = {name: state for name, end in ends.items() if end == int(np.ravel(state.step)[0])}
    total = sum(stage.num_steps for stage in method.stages) // job.source.steps_per_epoch
    best = _Tracker(job, begun) if job.config.test_checkpoint == 'best' else None
    for interval in loop.train(
        method,
        job.source,
        job.dataset.spec,
        batch_size=job.config.batch_size,
        state=state,
        log_every=1.0 if best is not None else max(1.0, job.config.epochs / 30),
        members=begun.members,
    ):
        score = best.look(interval.state) if best is not None and interval.stage == last else None
        spent = time.perf_counter() - began
        if interval.step == ends[interval.stage]:
            states[interval.stage] = from_host(to_host(interval.state))
            if begun.pretrained is not None and interval.stage != last:
                write_pretrained(begun.pretrained, Stored(interval.state, spent))
        elif begun.unfinished is not None and time.perf_counter() - saved >= SAVE_EVERY:
            write(begun.unfinished, Stored(interval.state, spent, best.best if best is not None else None))
            saved = time.perf_counter()
        job.bench.say(f'{begun.label}: {_progress(interval, total, score)}, {spent:.0f} s')
    states[FINAL] = best.state if best is not None else states[last]
    return states, time.perf_counter() - began


def _progress(interval: loop.Interval, epochs: int, score: np.ndarray | None) -> str:
    loss = next(value for key, value in interval.metrics.items() if key.endswith('/loss'))
    chosen = '' if score is None else f', validation {np.mean(score):.5g}'
    return f'{interval.stage}, epoch {round(interval.epoch)} of {epochs}, loss {np.mean(loss):.5g}{chosen}'


class _Tracker:
    """The state with the best validation metric so far; of an ensemble, each member's own."""

    def __init__(self, job: _Job, begun: _Begun):
        self.metric, self.better = job.method.selection
        split = job.dataset.split('validation')
        self.evaluate = make_evaluator(job.method, job.dataset.spec, split, seed=EVALUATION_SEED, members=begun.members)
        self.best = begun.stored.best

    def look(self, state: TrainState) -> np.ndarray:
        """Keeps what is better than before; returns this state's metric."""
        scores = np.asarray(np.mean(self.evaluate(state)[self.metric], axis=-1, dtype=np.float64))
        fields = to_host(state)
        if self.best is None:
            self.best = Best(scores, fields)
            return scores
        sign, before = 1 if self.better == 'min' else -1, self.best
        # Of equals the latest, as among the checkpoints of a run.
        wins = sign * scores <= sign * before.scores

        def choose(new: Any, old: Any) -> np.ndarray:
            return np.where(wins.reshape(wins.shape + (1,) * (np.ndim(new) - wins.ndim)), new, old)

        self.best = Best(np.where(wins, scores, before.scores), jax.tree.map(choose, fields, before.fields))
        return scores

    @property
    def state(self) -> TrainState:
        """The best."""
        assert self.best is not None, 'the last stage has one interval at least'
        return from_host(self.best.fields)
