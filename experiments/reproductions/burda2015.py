"""Burda, Grosse & Salakhutdinov 2015: importance weighted autoencoders against variational ones, one stochastic layer."""

import functools

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.active_units import active_units
from aejax.evaluation.importance_sampling import make_likelihood_evaluator
from aejax.runs.codes import encode_split
from aejax.runs.ending import EVALUATION_SEED
from aejax.types import Method, TrainState
from experiments.configs import iwae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Interval, Tolerance, over_examples, over_seeds
from experiments.reproductions.parts import Values, metrics, run_part

SOURCE = 'Burda, Grosse & Salakhutdinov 2015, Importance weighted autoencoders, https://arxiv.org/abs/1509.00519'
NUM_SAMPLES = 5_000
NUM_STAGES = 7
"""Of the eight of the paper's schedule: 1,093 epochs instead of 3,280."""
PUBLISHED = {('iwae', 1): (86.76, 19), ('vae', 5): (86.47, 20), ('iwae', 5): (85.54, 22)}
"""(objective, k): test NLL in nats, active units (from memory). With k = 1 the objectives are one."""


def config(objective: str, k: int, num_stages: int) -> ConfigDict:
    """The paper's 784-200-200-50 with k samples, cut after some of the stages."""
    settings = iwae.get_config('mnist')
    settings.objective, settings.num_samples = objective, k
    iwae.burda2015(settings, num_stages)
    return settings


def measure(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """The metrics; -log p(x) of test images from 5,000 samples, its Monte-Carlo error and what fewer give, [n]; active units."""
    evaluate = make_likelihood_evaluator(
        method, dataset.spec, dataset.split('test'), NUM_SAMPLES, (50, 500), seed=EVALUATION_SEED
    )
    found = evaluate(state)
    return {
        **metrics(method, dataset, state),
        'nll': -found['log_mean'],
        'nll_error': found['standard_error'],
        'nll_at_50': -found['running'][0],
        'nll_at_500': -found['running'][1],
        'active_units': np.asarray(np.sum(active_units(encode_split(method, dataset, state, 'test')))),
    }


def run_one_layer(num_stages: int, bench: Bench) -> Outcome:
    """VAE and IWAE with k = 1 (where they are one) and k = 5."""
    parts = {
        f'{objective} k={k}': run_part(bench, f'{objective}, k = {k}', config(objective, k, num_stages), measure)
        for objective, k in PUBLISHED
    }
    figures = [figure for key, part in zip(PUBLISHED, parts.values(), strict=True) for figure in _figures(key, part, num_stages)]
    gap = over_examples(parts['vae k=5'].values['nll'] - parts['iwae k=5'].values['nll'])
    tolerance = Interval(0.6, 1.5) if num_stages >= NUM_STAGES else None
    figures.append(Figure('test NLL, VAE minus IWAE, k = 5', gap, 'nats', '0.93', tolerance))
    return Outcome(figures, parts)


def _figures(key: tuple[str, int], part: Part, num_stages: int) -> list[Figure]:
    """NLL with what fewer samples give and its Monte-Carlo error, and active units, of one model."""
    name = 'VAE = IWAE, k = 1' if key[1] == 1 else f'{key[0].upper()}, k = {key[1]}'
    nll, units = PUBLISHED[key]
    allowed = {8: 0.3, 7: 0.8}.get(num_stages)
    tolerance = None if allowed is None else Tolerance('at most', round(nll + allowed, 2))
    errors = np.asarray(part.values['nll_error'], np.float64)
    of_sampling = np.linalg.norm(errors, axis=1) / errors.shape[1]
    return [
        Figure(f'test NLL, {name}', over_examples(part.values['nll']), 'nats', f'{nll:.2f}', tolerance),
        Figure(f'the same from 500 samples, {name}', over_examples(part.values['nll_at_500']), 'nats'),
        Figure(f'the same from 50 samples, {name}', over_examples(part.values['nll_at_50']), 'nats'),
        Figure(f'standard error of the sampling, {name}', over_seeds(of_sampling), 'nats'),
        Figure(f'active units of 50, {name}', over_seeds(part.values['active_units']), '', f'{units} (from memory)'),
    ]


def one_layer(num_stages: int = NUM_STAGES) -> Reproduction:
    """The table of one stochastic layer after the first `num_stages` of eight stages: with fewer than seven nothing is judged."""
    epochs = iwae.stages(num_stages)[0]
    target = {8: 'test NLL at most 0.3 nats above the published', 7: 'test NLL at most 0.8 nats above the published'}
    judged = (
        f'{target[num_stages]}; at k = 5, VAE - IWAE in 0.6..1.5' if num_stages in target else 'none so early in the schedule'
    )
    return Reproduction(
        name='burda2015.one_layer',
        title='importance weighted and variational autoencoders, 784-200-200-50',
        source=SOURCE,
        protocol='784-200-200-50-200-200-784, tanh, Bernoulli decoder, batches of 20, binarised afresh at every use, Adam with '
        "eps 1e-4, the decoder's last bias starting at the mean of 256 binarised images, held between 0.01 and 0.99 (the "
        "authors' public code: of all grey ones, between 0.001 and 0.999). "
        f'The first {num_stages} of the eight stages, {epochs:,} of 3,280 epochs: stage i has 3^i epochs '
        'at 1e-3 * 10^(-i/7). 50,000 training images (the paper: 60,000). With k = 1 the two objectives are one. Test NLL from '
        f'{NUM_SAMPLES:,} importance samples an image, test images binarised by one seeded draw. A unit is active where the '
        'variance of its posterior mean over the test split is above 0.01.',
        target=judged,
        chosen="The paper's settings, without a search, but for the start: a first measurement from zero biases missed (test NLL "
        "88.17 with k = 1 and 86.77 of IWAE with k = 5, 15 and 19 active units), and the start of the authors' public code was "
        'taken over when a pilot of 40 epochs with k = 1 had 19 active units from there instead of 15, and a better bound.',
        run=functools.partial(run_one_layer, num_stages),
        num_samples=NUM_SAMPLES,
    )


TABLES = (one_layer(),)
