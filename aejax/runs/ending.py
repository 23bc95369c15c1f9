"""The end of a run: test figures, pictures, summary, report."""

from collections.abc import Callable
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.importance_sampling import is_evaluable
from aejax.evaluation.per_example import make_evaluator
from aejax.evaluation.summary import summarise
from aejax.files import write_json
from aejax.rows import SPEED
from aejax.runs import folder as folders
from aejax.runs.clusters import cluster_figures
from aejax.runs.codes import code_figures
from aejax.runs.console import metrics_table
from aejax.runs.figures import write_figures
from aejax.runs.folder import CHECKPOINTS, FIGURES, METRICS, REPORT, SUMMARY
from aejax.runs.likelihood import likelihood_figures, likelihood_table, num_importance_samples
from aejax.runs.run import Run
from aejax.runs.sampling import final_samples, sample_tables
from aejax.training.checkpoint import file_digests
from aejax.training.loop import NonFiniteError
from aejax.types import Method, TrainState

# Of the noise in evaluation (samples of z, dynamic binarisation): the same for every run, so that runs compare.
EVALUATION_SEED = 2_024


def final_figures(method: Method, dataset: Dataset, state: TrainState, split: str) -> dict[str, dict[str, Any]]:
    """{'mean', 'standard_error', 'n'} of every metric of the method over a whole split, and of its clusters where it has any.

    Of an encoder that labels moved, those of the classifier alone: the decoder was trained with another.
    """
    values = make_evaluator(method, dataset.spec, dataset.split(split), seed=EVALUATION_SEED)(state)
    if getattr(method, 'moves_encoder', False):
        values = {name: value for name, value in values.items() if name.startswith('classification_')}
    return {**{name: summarise(value) for name, value in values.items()}, **cluster_figures(method, dataset, state, split)}


def final_likelihood(
    method: Method, dataset: Dataset, state: TrainState, split: str, config: ConfigDict, say: Callable[[str], None]
) -> dict[str, Any]:
    """What a config asks for of `likelihood_figures`, as a part of the summary: {} where that is nothing.

    Of the training split, which nothing is reported of, thousands of samples an example would take hours.
    """
    num_samples = 0 if split == 'train' else num_importance_samples(config)
    if num_samples and is_evaluable(method):
        say(f'log p(x) of the {split} split from {num_samples:,} samples an example')
    found = likelihood_figures(method, dataset, state, split, num_samples, EVALUATION_SEED)
    return {'likelihood': found} if found else {}


def finish(run: Run, state: TrainState) -> dict[str, Any]:
    """Test figures, pictures, summary and report, or of a run that had finished those that are missing; returns the summary."""
    state, holds = _tested(run, state), bool(run.finished) and CHECKPOINTS not in run.gaps
    if redraws := not holds or FIGURES in run.gaps:
        run.console.say('evaluating on the test split and drawing figures')
        write_figures(run.folder / FIGURES, run.method, run.dataset, state, run.rows, run.warn)
    summary = dict(run.finished) if holds else _summary(run, state)
    if redraws:
        summary['figures'] = file_digests(run.folder / FIGURES)
    conclude(run, summary)
    return summary


def _tested(run: Run, state: TrainState) -> TrainState:
    """The state that the test figures are of."""
    best = run.checkpoints.best_step()
    if run.config.test_checkpoint == 'best' and best is not None and best != int(state.step):
        return run.checkpoints.restore(best, run.template(best))
    return state


def _summary(run: Run, state: TrainState) -> dict[str, Any]:
    """What summary.json says; times that this process did not measure are those of the one that had finished before."""
    best, (metric, _) = run.checkpoints.best_step(), run.method.selection
    speeds = [row[SPEED] for row in run.rows if SPEED in row]
    times = {
        'seconds': run.rows[-1]['seconds'] if run.rows else None,
        'throughput_examples_per_second': float(np.median(speeds)) if speeds else None,
        'seconds_to_first_step': run.first_step_seconds,
    }
    return {
        'status': 'finished',
        'split': 'test',
        'metrics': final_figures(run.method, run.dataset, state, 'test'),
        'code': code_figures(run.method, run.dataset, state, 'test'),
        **final_likelihood(run.method, run.dataset, state, 'test', run.config, run.console.say),
        **final_samples(run.method, run.dataset, state, 'test', run.config, EVALUATION_SEED, run.console.say),
        'checkpoint': run.config.test_checkpoint,
        'steps': run.total_steps,
        'epochs': run.total_steps / run.source.steps_per_epoch,
        **{name: run.finished.get(name) if value is None else value for name, value in times.items()},
        'best': None if best is None else {'step': best, 'metric': metric, 'value': run.checkpoints.metrics(best)[metric]},
    }


def stop_at_non_finite(run: Run, error: NonFiniteError) -> None:
    """Leaves the row in which it happened, with nulls for what is not finite, and a report that says so."""
    step = error.row['step']
    if not run.rows or run.rows[-1]['step'] < step:
        row = {'epoch': step / run.source.steps_per_epoch, 'split': 'train', **error.row}
        folders.append_rows(run.folder / METRICS, [row])
    conclude(run, {'status': f'stopped: {error}', 'steps': step})


def conclude(run: Run, summary: dict[str, Any]) -> None:
    """The summary, then the report that tells of it."""
    from aejax.visualization.report import write_report

    write_json(run.folder / SUMMARY, summary)
    write_report(run.folder)
    metrics = summary.get('metrics', {})
    if metrics:
        run.console.say('\n' + metrics_table('test metric', metrics))
    if likelihood := summary.get('likelihood'):
        run.console.say('\n' + likelihood_table('test', likelihood))
    for text in sample_tables('test', summary):
        run.console.say('\n' + text)
    run.console.say(f'\nreport: {run.folder / REPORT}')
