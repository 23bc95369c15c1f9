"""The beginning of a run: whose folder it is, what is in it already, and the state to go on from."""

import pathlib
from collections.abc import Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from aejax.evaluation.importance_sampling import is_evaluable
from aejax.files import write_json
from aejax.rows import read_rows
from aejax.runs import folder as folders
from aejax.runs import provenance
from aejax.runs.console import Console
from aejax.runs.folder import CHECKPOINTS, METRICS, PROVENANCE, SUMMARY
from aejax.runs.likelihood import num_importance_samples
from aejax.runs.loading import due_steps
from aejax.runs.missing import is_readable, missing, whole_steps
from aejax.runs.run import Run
from aejax.runs.setup import Folders, build, check, complete, load_data, make_source
from aejax.training.checkpoint import DIGESTS, Checkpoints
from aejax.training.parallel import usable_devices
from aejax.types import TrainState


def look(folder: pathlib.Path, config: ConfigDict, overwrite: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """(summary, what is missing of it) of a run that had finished, ({}, {}) of any other; writes nothing.

    Raises:
        UserError: where another run lies in the way.
    """
    folders.check_free(folder, folders.plain(config), overwrite)
    summary = folders.read_object(folder / SUMMARY)
    if overwrite or 'last' not in due_steps(summary):
        return {}, {}
    return summary, missing(folder, summary)


def is_done(summary: dict[str, Any], gaps: dict[str, str]) -> bool:
    """Whether nothing is left to do. Rows that are lost do not come back without all of the training."""
    return bool(summary) and set(gaps) <= {METRICS}


def say_done(console: Console, folder: pathlib.Path, gaps: dict[str, str]) -> None:
    """That a run is finished; on the same line, what only training again would bring back."""
    lost = f'but {gaps[METRICS]}, which --overwrite alone brings back' if gaps else '--overwrite starts again'
    console.say(f'{folder} is finished: nothing to do ({lost})')


def open_run(config: ConfigDict, folder: pathlib.Path, where: Folders, overwrite: bool, console: Console, began: float) -> Run:
    """All that a run needs; only when data and method are known to be possible does the folder become this run's."""
    with complete(config):
        check(config)
    dataset = load_data(config, where)
    method = build(config, dataset)
    if folders.diverged_at_once(folder) and not overwrite:
        console.say(f'what is in {folder} diverged before its first checkpoint: it is removed, and the run starts again')
    folders.claim(folder, folders.plain(config), overwrite)
    checkpoints = Checkpoints(folder / CHECKPOINTS, method.selection)
    run = Run(config, folder, dataset, method, make_source(config, dataset), checkpoints, console, began)
    finetuned = config.get('finetune', {}).get('target', 'none') != 'none'
    if num_importance_samples(config) and not finetuned and not is_evaluable(method):
        run.warn(f'evaluation.importance_samples is for methods that have log p(x), and {config.method} has none')
    sizes = (config.batch_size, *run.source.stream_sizes.values())
    used, there = len(usable_devices(*sizes)), jax.device_count()
    if used < there:
        batches = 'a batch' if len(sizes) == 1 else 'each of two batches'
        run.warn(f'{batches} of {" and ".join(map(str, sizes))} does not split over {there} devices: {used} are used')
    return run


def resume(run: Run, command: Sequence[str]) -> TrainState | None:
    """The state to go on from, None for the beginning; rows of steps that will be done again are dropped."""
    if redo := [phrase for name, phrase in run.gaps.items() if name != METRICS]:
        run.warn(f'{run.folder} had finished, but {"; ".join(redo)}: what is missing is made again')
    for path in (run.folder / SUMMARY, run.folder / CHECKPOINTS / DIGESTS):
        if path.exists() and not folders.read_object(path):
            run.warn(f'{path} is damaged: it is made again from what is there')
    state = run.checkpoints.restore_last(run.template, run.warn)
    step = 0 if state is None else int(state.step)
    if state is None and read_rows(run.folder / METRICS):
        run.warn(f'{run.folder} holds no checkpoint: training begins again')
    run.rows = folders.keep_rows(run.folder / METRICS, step)
    there = whole_steps(run.rows)
    if lost := [end for end in run.interval_ends() if end <= step and end not in there]:
        run.warn(f'{METRICS} lacks {len(lost)} of its intervals up to step {lost[-1]}, which --overwrite alone brings back')
    best = due_steps(run.finished).get('best')
    if best is not None and best <= step and best != run.checkpoints.best_step():
        run.warn(
            f'the best checkpoint, of step {best}, is lost: the best of those left takes its place, or --overwrite trains it'
        )
    note_provenance(run, command, step)
    if state is not None:
        run.console.say(f'resuming {run.folder} at step {step} of {run.total_steps}')
    return state


def note_provenance(run: Run, command: Sequence[str], step: int) -> None:
    """Writes where the run comes from, or adds this start to it and tells what is no longer as it was."""
    path = run.folder / PROVENANCE
    stored = folders.read_object(path)
    if not is_readable(stored):
        stored = provenance.collect(command, run.config.seed, run.dataset.describe())
        if step:
            stored['note'] = f'the one from the beginning was lost; this one was written when the run went on at step {step}'
            run.warn(f'{PROVENANCE} is lost: what it says of now may not hold for the steps up to {step}')
        write_json(path, stored)
        return
    if stored['data'].get('fingerprint') != run.dataset.fingerprint:
        run.warn(f'the {run.dataset.spec.name} data is not what this run began with: its fingerprint differs')
    entry = provenance.later_start(stored, command, step)
    if drift := provenance.drift(stored, entry):
        run.warn(f'this run began with other versions, and may not end with the bytes of a run in one go ({drift})')
    write_json(path, {**stored, 'resumed': [*(stored.get('resumed') or []), entry]})


def read_state(run: Run, folder: pathlib.Path, step: int) -> TrainState:
    """The state that process 0 goes on from, from its folder."""
    checkpoints = Checkpoints(folder / CHECKPOINTS, run.method.selection, read_only=True)
    try:
        return checkpoints.restore(step, run.template(step))
    finally:
        checkpoints.close()
