"""Hinton & Salakhutdinov 2006: a deep autoencoder reconstructs far better than PCA from a code of the same size."""

from typing import Any

import numpy as np

from aejax.runs.setup import load_data
from experiments.configs import ae
from experiments.reproductions.baldi1989 import pca_errors
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples, ratio
from experiments.reproductions.parts import mean_on_validation, run_part

SETTINGS = ((128, 1e-3), (256, 2e-3))
"""(batch size, learning rate)."""


def _train(bench: Bench, batch_size: int, learning_rate: float, seeds: tuple[int, ...] | None = None) -> Part:
    config = ae.get_config('mnist')
    config.batch_size, config.optimizer.learning_rate = batch_size, learning_rate
    return run_part(bench, f'autoencoder, batches of {batch_size} at {learning_rate:g}', config, seeds=seeds)


def _search(bench: Bench) -> tuple[tuple[int, float], list[dict[str, Any]]]:
    """The setting with the smaller squared error on validation, with one seed."""
    seeds = tuple(bench.seeds[:1])
    errors = {each: mean_on_validation(_train(bench, *each, seeds), 'squared_error') for each in SETTINGS}
    rows = [
        {'batch_size': size, 'learning_rate': rate, 'seed': seeds[0], 'validation_squared_error': error}
        for (size, rate), error in errors.items()
    ]
    return min(errors, key=errors.__getitem__), rows


def run(bench: Bench) -> Outcome:
    """The autoencoder of configs/ae.py:mnist beside PCA of the same code size."""
    chosen, search = _search(bench)
    part = _train(bench, *chosen)
    latents = part.config.model.latents
    _, errors = pca_errors(load_data(part.config, bench.folders), latents)
    model, pca = part.values['test_squared_error'], np.tile(errors, (len(part.seeds), 1))
    target = 'at 30 dimensions 3.00 against 13.87 of PCA, a ratio of 0.22'
    figures = [
        Figure(
            f"test squared error of the autoencoder over PCA's, {latents} dimensions",
            ratio(model, pca),
            '',
            target,
            Tolerance('at most', 0.5),
        ),
        Figure('autoencoder: test squared error', over_examples(model), 'per image', '3.00 at 30 dimensions'),
        Figure(f'PCA-{latents}: test squared error', over_examples(errors[None]), 'per image', '13.87 at 30 dimensions'),
    ]
    return Outcome(figures, {'autoencoder': part}, search)


TABLES = (
    Reproduction(
        name='hinton2006.pca',
        title='deep autoencoder against PCA',
        source='Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks, '
        'https://doi.org/10.1126/science.1127647',
        protocol='784-512-256-32 and back, ReLU, linear code, sigmoid output, squared error on grey MNIST in [0, 1], Adam '
        'with cosine decay, 20 epochs from random weights, without pretraining. The paper: '
        '784-1000-500-250-30, sigmoid units, pretrained as RBMs, 60,000 training images.',
        target="test squared error at most half of PCA-32's",
        chosen='The better of two settings of batch size and learning rate (128 at 0.001, 256 at 0.002) by the squared error on '
        'validation, seed 0.',
        run=run,
    ),
)
