"""One run from a config to its report: trains, resumes, checks, writes. The command line and notebooks share it."""

import contextlib
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.evaluation.per_example import make_evaluator
from aejax.rows import SPEED
from aejax.runs import ending, opening, processes
from aejax.runs import folder as folders
from aejax.runs.board import Board, tensorboard
from aejax.runs.console import Console, Quiet, telling
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.folder import METRICS, TENSORBOARD
from aejax.runs.interruption import Interrupted, Signalled, listening, raise_at_once
from aejax.runs.run import Run
from aejax.runs.setup import Folders
from aejax.training import loop
from aejax.training.checkpoint import from_host, to_host
from aejax.types import Method, TrainState

# What process 0 tells the others instead of the step to go on from (-1 where a run begins).
FINISHED = -2


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
    at_once: Callable[[int], None] = raise_at_once,
) -> dict[str, Any]:
    """Trains `config` in `workdir`, or goes on where a run with the same config stopped; returns its summary.

    Of a run that has finished, what is missing or damaged is made again. With several processes (`jax.distributed`) all have to
    see `workdir`; process 0 writes in it, the others return {}.

    Args:
        config: of one experiment.
        workdir: the run's folder.
        where: folders of the data.
        overwrite: start again where there is a run already.
        console: where to speak; default nowhere.
        command: for the provenance.
        began: time.time() at which the user's command began, for the time to the first step.
        at_once: what a second Ctrl-C or SIGTERM does, given its number; default: it raises Interrupted.

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
            summary, gaps = opening.look(folder, config, overwrite)
            run = state = None
            if not opening.is_done(summary, gaps):
                run = opening.open_run(config, folder, where or Folders(), overwrite, console, began)
                run.finished, run.gaps = summary, gaps
                state = opening.resume(run, command)
        step = processes.of_first(FINISHED if run is None else -1 if state is None else int(state.step))
        if step == FINISHED or run is None:
            opening.say_done(console, folder, gaps)
            return summary
        if not processes.is_first() and step >= 0:
            state = opening.read_state(run, pathlib.Path(workdir), step)
        with listening(console.say, at_once) as signalled:
            state = _train_to_the_end(run, state, signalled)
        return ending.finish(run, state) if processes.is_first() else {}


def _train_to_the_end(run: Run, state: TrainState | None, signalled: Signalled) -> TrainState:
    """The last state, on the host, with every checkpoint written; what diverged leaves a summary that says so."""
    try:
        if state is None or int(state.step) < run.total_steps:
            state = _train(run, state, signalled)
        state = from_host(to_host(state))
    except loop.NonFiniteError as error:
        ending.stop_at_non_finite(run, error)
        raise
    finally:
        run.checkpoints.close()
    _stop_where_asked(run, max(processes.shared(signalled() or 0)), run.total_steps)
    return state


def _train(run: Run, state: TrainState | None, signalled: Signalled) -> TrainState:
    """Trains to the end and returns the last state; every interval leaves rows, due ones a checkpoint."""
    config, spec = run.config, run.dataset.spec
    validate = make_evaluator(run.method, spec, run.dataset.split('validation'), seed=EVALUATION_SEED)
    step = 0 if state is None else int(state.step)
    run.console.begin(run.total_steps, step)
    with tensorboard(run.folder / TENSORBOARD, step, config.tensorboard) as board:
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
        row[SPEED] = round(interval.examples / interval.seconds, 1)
    check = {**at, 'split': 'validation', **values}
    folders.append_rows(run.folder / METRICS, [row, check])
    run.rows += [row, check]
    board(row)
    board(check)
    # A classifier that is yet to be trained has nothing to say of the stages before it.
    before_last = interval.stage != run.method.stages[-1].name
    judged: Method = getattr(run.method, 'base', run.method) if before_last else run.method
    run.console.interval(row, telling(judged.selection[0], row, check), run.total_steps)


def _checkpoint_due(run: Run, interval: loop.Interval) -> bool:
    """At the first interval that ends at or after each multiple of `checkpoint_every` epochs, and at the very end."""
    every = max(1, round(run.config.checkpoint_every * run.source.steps_per_epoch))
    before = interval.step - interval.examples // run.config.batch_size
    return interval.step // every > before // every or interval.step == run.total_steps
