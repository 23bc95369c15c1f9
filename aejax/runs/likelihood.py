"""log p(x) of a whole split, from many samples an example, for the summary of a run."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.importance_sampling import is_evaluable, make_likelihood_evaluator
from aejax.evaluation.log_weights import growth
from aejax.evaluation.summary import summarise
from aejax.runs.console import table
from aejax.types import Method, TrainState, UserError


def num_importance_samples(config: ConfigDict) -> int:
    """`evaluation.importance_samples`; 0 in a config that has no such section.

    Raises:
        UserError: it is negative.
    """
    num = config.get('evaluation', {}).get('importance_samples', 0)
    if num < 0:
        raise UserError(f'evaluation.importance_samples={num} must be at least 0, which is for none')
    return int(num)


def likelihood_table(split: str, figures: dict[str, Any]) -> str:
    """What the console shows of `likelihood_figures`: log p(x) by number of samples."""
    rows = [[str(row['samples']), f'{row["mean"]:.6g}', ''] for row in figures['at'][:-1]]
    last = figures['log_likelihood']
    rows.append([str(figures['samples']), f'{last["mean"]:.6g}', f'{last["standard_error"]:.2g}'])
    error, effective = figures['monte_carlo_standard_error'], figures['effective_sample_size']
    foot = f'standard error of the sampling {error:.2g} nats; effective sample size {effective:.3g}'
    return table([f'{split} log p(x): samples', 'mean', 'standard error'], rows) + f'\n{foot}'


def likelihood_figures(
    method: Method, dataset: Dataset, state: TrainState, split: str, num_samples: int, seed: int
) -> dict[str, Any]:
    """log p(x) over a split by importance sampling, in nats; {} without samples or of a method that cannot be evaluated so.

    'log_likelihood' is {'mean', 'standard_error', 'n'} over examples of log 1/S sum w; its error is that of the choice of
    examples. 'monte_carlo_standard_error' is that of the mean from the choice of the samples, sqrt(sum_i s_i^2) / n with s_i that
    of example i; 'effective_sample_size' is the mean over examples of (sum w)^2 / sum w^2; 'at' tells what fewer samples give.
    """
    if num_samples == 0 or not is_evaluable(method):
        return {}
    counts = growth(num_samples)
    found = make_likelihood_evaluator(method, dataset.spec, dataset.split(split), num_samples, counts, seed=seed)(state)
    error = np.linalg.norm(np.asarray(found['standard_error'], np.float64)) / len(found['standard_error'])
    return {
        'samples': num_samples,
        'log_likelihood': summarise(found['log_mean']),
        'monte_carlo_standard_error': float(error),
        'effective_sample_size': float(found['effective_sample_size'].mean(dtype=np.float64)),
        'at': [
            {'samples': count, 'mean': summarise(values)['mean']} for count, values in zip(counts, found['running'], strict=True)
        ],
    }
