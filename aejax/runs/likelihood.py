"""log p(x) of a whole split, from many samples an example, for the summary of a run."""

import math
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.importance_sampling import is_evaluable, make_likelihood_evaluator
from aejax.evaluation.log_weights import growth
from aejax.evaluation.summary import summarise
from aejax.runs.console import table
from aejax.types import Method, TrainState, UserError

MAX_SAMPLES = 10**9
"""They are counted by an int32."""
FEW = 10
"""An effective sample size below which an estimate and its error are not to be trusted."""


def num_importance_samples(config: ConfigDict) -> int:
    """`evaluation.importance_samples`; 0 in a config that has no such section.

    Raises:
        UserError: it is negative, or more than can be counted.
    """
    num = config.get('evaluation', {}).get('importance_samples', 0)
    if not 0 <= num <= MAX_SAMPLES:
        raise UserError(f'evaluation.importance_samples={num} must lie between 0, which is for none, and {MAX_SAMPLES:,}')
    return int(num)


def likelihood_table(split: str, figures: dict[str, Any]) -> str:
    """What the console shows of `likelihood_figures`: log p(x) by number of samples."""
    rows = [[str(row['samples']), f'{row["mean"]:.6g}', ''] for row in figures['at'][:-1]]
    last = figures['log_likelihood']
    rows.append([str(figures['samples']), f'{last["mean"]:.6g}', f'{last["standard_error"]:.2g}'])
    error, effective = figures['monte_carlo_standard_error'], figures['effective_sample_size']
    feet = [f'effective sample size {effective:.3g}, below {FEW} for {figures["share_with_few"]:.1%} of the examples']
    if math.isfinite(error):
        feet.insert(0, f'standard error of the sampling {error:.2g} nats')
    if 'note' in figures:
        feet.append(figures['note'])
    return table([f'{split} log p(x): samples', 'mean', 'standard error'], rows) + ''.join(f'\n{foot}' for foot in feet)


GREY = 'grey values under a Bernoulli likelihood: this is no log-probability, and compares with nothing but itself'


def _is_bernoulli_of_grey(method: Any, dataset: Dataset) -> bool:
    family = getattr(getattr(method, 'observation', None), 'family', None)
    return family == 'bernoulli' and dataset.spec.preprocessing == 'scale'


def likelihood_figures(
    method: Method, dataset: Dataset, state: TrainState, split: str, num_samples: int, seed: int
) -> dict[str, Any]:
    """log p(x) over a split by importance sampling, in nats; {} without samples or of a method that cannot be evaluated so.

    'log_likelihood' is {'mean', 'standard_error', 'n'} over examples of log 1/S sum w; its error is that of the choice of
    examples. 'monte_carlo_standard_error' is that of the mean from the choice of the samples, sqrt(sum_i s_i^2) / n with s_i that
    of example i; 'effective_sample_size' is the mean over examples of (sum w)^2 / sum w^2, 'share_with_few' that of examples for
    which it is below FEW; 'at' tells what fewer samples give. A Bernoulli decoder of grey values gets a 'note'.
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
        'share_with_few': float(np.mean(found['effective_sample_size'] < FEW)),
        **({'note': GREY} if _is_bernoulli_of_grey(method, dataset) else {}),
        'at': [
            {'samples': count, 'mean': summarise(values)['mean']} for count, values in zip(counts, found['running'], strict=True)
        ],
    }
