"""One run from a config to its report: trains, resumes, checks, writes. The command line and notebooks share it."""

import contextlib
import dataclasses
import functools
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.per_example import make_evaluator
from aejax.evaluation.summary import summarise
from aejax.files import write_json
from aejax.runs import folder as folders
from aejax.runs import processes, provenance
from aejax.runs.board import Board, tensorboard
from aejax.runs.console import Console, Quiet, metrics_table
from aejax.runs.figures import write_figures
from aejax.runs.folder import CHECKPOINTS, FIGURES, METRICS, PROVENANCE, REPORT, SUMMARY, TENSORBOARD
from aejax.runs.interruption import Interrupted, listening
from aejax.runs.setup import Folders, build, check, complete, load_data, make_source
from aejax.training import loop
from aejax.training import state as states
from aejax.training.checkpoint import Checkpoints, from_host, to_host
from aejax.training.parallel import usable_devices
from aejax.training.sources import Source
from aejax.types import Method, TrainState

# Of the noise in evaluation (samples of z, dynamic binarisation): the same for every run, so that runs compare.
EVALUATION_SEED = 2_024
# What process 0 tells the others instead of the step to go on from (-1 where a run begins).
FINISHED = -2


@dataclasses.dataclass
class Run:
    """What the parts of one run share while it works."""

    config: ConfigDict
    folder: pathlib.Path
    dataset: Dataset
    method: Method
    source: Source
    checkpoints: Checkpoints
    console: Console
    began: float
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    first_step_seconds: float | None = None

    @property
    def total_steps(self) -> int:
        """Of all stages."""
        return sum(stage.num_steps for stage in self.method.stages)

    def template(self, step: int) -> TrainState:
        """A state with the structure of one stored at `step`."""
        state = loop.initial_state(self.method, self.source, self.dataset.spec, self.config.seed)
        return states.begin_stage(state, self.method.stages[loop.stage_index(self.method.stages, step)])


def _warn(console: Console, text: str) -> None:
    console.say(f'warning: {text}')


def means(values: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Mean of every metric over the examples."""
    return {name: float(np.mean(value, dtype=np.float64)) for name, value in values.items()}


def train(
    config: ConfigDict,
    workdir: str | pathlib.Path,
    *,
    where: Folders | None = None,
    overwrite: bool = False,
    console: Console | None = None,
    command: Sequence[str] = (),
    began: float | None = None,
) -> dict[str, Any]:
    """Trains `config` in `workdir`, or goes on where a run with the same config stopped; returns its summary.

    With several processes (`jax.distributed`) all have to see `workdir`; process 0 writes in it, the others return {}.

    Args:
        config: of one experiment.
        workdir: the run's folder.
        where: folders of the data.
        overwrite: start again where there is a run already.
        console: where to speak; default nowhere.
        command: for the provenance.
        began: time.time() at which the user's command began, for the time to the first step.

    Raises:
        UserError: whatever the user can mend; `NonFiniteError` among them.
        Interrupted: after a checkpoint, on Ctrl-C or SIGTERM.
        OSError: if the disk is full, say. What was written before stays whole.
    """
    began = time.time() if began is None else began
    console = console if console and processes.is_first() else Quiet()
    with contextlib.ExitStack() as held:
        with processes.failing_together():
            folder = held.enter_context(processes.own_folder(pathlib.Path(workdir)))
            held.enter_context(folders.locked(folder))
            stored = _finished(folder, config, overwrite)
            run = None if stored else _open(config, folder, where or Folders(), overwrite, console, command, began)
            state = _resume(run) if run else None
        step = processes.of_first(FINISHED if run is None else -1 if state is None else int(state.step))
        if step == FINISHED or run is None:
            console.say(f'{folder} is finished: nothing to do (--overwrite starts again)')
            return stored
        if not processes.is_first() and step >= 0:
            state = _read(run, pathlib.Path(workdir), step)
        try:
            state = from_host(to_host(_train(run, state)))
        except loop.NonFiniteError as error:
            _stop_at_non_finite(run, error)
            raise
        finally:
            run.checkpoints.close()
        return _finish(run, state) if processes.is_first() else {}


def _stop_at_non_finite(run: Run, error: loop.NonFiniteError) -> None:
    """Leaves the row in which it happened, with nulls for what is not finite, and a report that says so."""
    step = error.row['step']
    if not run.rows or run.rows[-1]['step'] < step:
        row = {'epoch': step / run.source.steps_per_epoch, 'split': 'train', **error.row}
        folders.append_rows(run.folder / METRICS, [row])
    _conclude(run, {'status': f'stopped: {error}', 'steps': step})


def _finished(folder: pathlib.Path, config: ConfigDict, overwrite: bool) -> dict[str, Any]:
    """The summary of a run that has nothing left to do, {} of any other. Raises UserError where another run lies in the way."""
    folders.check_free(folder, folders.plain(config), overwrite)
    stored = folders.read_object(folder / SUMMARY)
    done = not overwrite and stored.get('status') == 'finished' and (folder / REPORT).exists()
    return stored if done else {}


def _open(
    config: ConfigDict,
    folder: pathlib.Path,
    where: Folders,
    overwrite: bool,
    console: Console,
    command: Sequence[str],
    began: float,
) -> Run:
    """All that a run needs; only when data and method are known to be possible does the folder become this run's."""
    with complete(config):
        check(config)
    dataset = load_data(config, where)
    method = build(config, dataset)
    folders.claim(folder, folders.plain(config), overwrite)
    checkpoints = Checkpoints(folder / CHECKPOINTS, method.selection)
    run = Run(config, folder, dataset, method, make_source(config, dataset), checkpoints, console, began)
    _note_provenance(run, command)
    used, there = len(usable_devices(config.batch_size)), jax.device_count()
    if used < there:
        _warn(console, f'batch_size={config.batch_size} does not split over {there} devices: {used} are used')
    return run


def _note_provenance(run: Run, command: Sequence[str]) -> None:
    """Writes where the run comes from, or compares its data with what is there."""
    stored = folders.read_object(run.folder / PROVENANCE).get('data', {})
    if not stored:
        write_json(run.folder / PROVENANCE, provenance.collect(command, run.config.seed, run.dataset.describe()))
    elif stored.get('fingerprint') != run.dataset.fingerprint:
        _warn(run.console, f'the {run.dataset.spec.name} data is not what this run began with: its fingerprint differs')


def _resume(run: Run) -> TrainState | None:
    """The state to go on from, None for the beginning; rows of steps that will be done again are dropped."""
    state = run.checkpoints.restore_last(run.template, functools.partial(_warn, run.console))
    step = 0 if state is None else int(state.step)
    run.rows = folders.keep_rows(run.folder / METRICS, step)
    if state is not None:
        run.console.say(f'resuming {run.folder} at step {step} of {run.total_steps}')
    return state


def _read(run: Run, folder: pathlib.Path, step: int) -> TrainState:
    """The state that process 0 goes on from, from its folder."""
    checkpoints = Checkpoints(folder / CHECKPOINTS, run.method.selection, read_only=True)
    try:
        return checkpoints.restore(step, run.template(step))
    finally:
        checkpoints.close()


def _train(run: Run, state: TrainState | None) -> TrainState:
    """Trains to the end and returns the last state; every interval leaves rows, due ones a checkpoint."""
    config, spec = run.config, run.dataset.spec
    validate = make_evaluator(run.method, spec, run.dataset.split('validation'), seed=EVALUATION_SEED)
    step = 0 if state is None else int(state.step)
    run.console.begin(run.total_steps, step)
    with tensorboard(run.folder / TENSORBOARD, step, config.tensorboard) as board, listening(run.console.say) as signalled:
        for interval in loop.train(
            run.method,
            run.source,
            spec,
            batch_size=config.batch_size,
            seed=config.seed,
            state=state,
            log_every=config.log_every,
            parallel=config.parallel,
        ):
            if run.first_step_seconds is None and interval.seconds_to_call is not None:
                run.first_step_seconds = time.time() - run.began - interval.seconds + interval.seconds_to_call
            state, values = interval.state, means(validate(interval.state))
            _log(run, interval, values, board)
            loop.check_finite({f'validation/{name}': value for name, value in values.items()}, interval.stage, interval.step)
            number, due = max(processes.shared(signalled() or 0)), _checkpoint_due(run, interval)
            if number or due:
                # Only checkpoints that fall due can be the best: which is best must not depend on when a run was stopped.
                run.checkpoints.save(state, values if due else None)
            _stop_where_asked(run, number, interval.step)
        _stop_where_asked(run, max(processes.shared(signalled() or 0)), run.total_steps)
    assert state is not None
    return state


def _stop_where_asked(run: Run, number: int, step: int) -> None:
    """Raises Interrupted where a signal came."""
    if number:
        raise Interrupted(number, f'stopped at step {step} of {run.total_steps}; the same command goes on from there')


def _log(run: Run, interval: loop.Interval, values: Mapping[str, float], board: Board) -> None:
    """Two rows, of training and of validation, to metrics.jsonl, TensorBoard and console."""
    before = run.rows[-1]['seconds'] if run.rows else 0.0
    at = {'step': interval.step, 'epoch': round(interval.epoch, 6), 'stage': interval.stage}
    at['seconds'] = round(before + interval.seconds, 3)
    row = {**at, 'split': 'train', **interval.metrics}
    if interval.seconds_to_call is None:
        row['examples_per_second'] = round(interval.examples / interval.seconds, 1)
    check = {**at, 'split': 'validation', **values}
    folders.append_rows(run.folder / METRICS, [row, check])
    run.rows += [row, check]
    board(row)
    board(check)
    run.console.interval(row, check, run.total_steps)


def _checkpoint_due(run: Run, interval: loop.Interval) -> bool:
    """At the first interval that ends at or after each multiple of `checkpoint_every` epochs, and at the very end."""
    every = max(1, round(run.config.checkpoint_every * run.source.steps_per_epoch))
    before = interval.step - interval.examples // run.config.batch_size
    return interval.step // every > before // every or interval.step == run.total_steps


def final_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'mean', 'standard_error', 'n'} of every metric of the method over a whole split."""
    values = make_evaluator(method, dataset.spec, dataset.split(split), seed=EVALUATION_SEED)(state)
    return {name: summarise(value) for name, value in values.items()}


def _finish(run: Run, state: TrainState) -> dict[str, Any]:
    """Test figures, pictures, summary and report."""
    best = run.checkpoints.best_step()
    if run.config.test_checkpoint == 'best' and best is not None and best != int(state.step):
        state = run.checkpoints.restore(best, run.template(best))
    run.console.say('evaluating on the test split and drawing figures')
    metrics = final_figures(run.method, run.dataset, state, 'test')
    warn = functools.partial(_warn, run.console)
    write_figures(run.folder / FIGURES, run.method, run.dataset, state, run.rows, warn)
    metric, _ = run.method.selection
    best_rows = [row for row in run.rows if row['split'] == 'validation' and row['step'] == best]
    speeds = [row['examples_per_second'] for row in run.rows if 'examples_per_second' in row]
    summary = {
        'status': 'finished',
        'split': 'test',
        'metrics': metrics,
        'checkpoint': run.config.test_checkpoint,
        'steps': run.total_steps,
        'epochs': run.total_steps / run.source.steps_per_epoch,
        'seconds': run.rows[-1]['seconds'] if run.rows else None,
        'throughput_examples_per_second': float(np.median(speeds)) if speeds else None,
        'seconds_to_first_step': run.first_step_seconds,
        'best': {'step': best, 'metric': metric, 'value': best_rows[0][metric]} if best_rows else None,
    }
    _conclude(run, summary)
    return summary


def _conclude(run: Run, summary: dict[str, Any]) -> None:
    """The summary, then the report that tells of it."""
    from aejax.visualization.report import write_report

    write_json(run.folder / SUMMARY, summary)
    write_report(run.folder)
    metrics = summary.get('metrics', {})
    if metrics:
        run.console.say('\n' + metrics_table('test metric', metrics))
    run.console.say(f'\nreport: {run.folder / REPORT}')
