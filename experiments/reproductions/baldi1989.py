"""Baldi & Hornik 1989: a linear autoencoder learns PCA's subspace, and with tied weights an orthonormal basis of it."""

from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.subspace import PcaBaseline, pca_baseline, principal_angles
from aejax.runs.setup import load_data
from aejax.types import Method, TrainState
from experiments.configs import linear_ae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples, over_seeds, ratio
from experiments.reproductions.parts import Values, metrics, run_part

SIZES = (10, 32)


def unit_interval(dataset: Dataset, split: str) -> np.ndarray:
    """Stored grey values as float64 in [0, 1], [n, D]."""
    x = dataset.split(split)['x']
    return x.reshape(len(x), -1).astype(np.float64) / 255


def pca_errors(dataset: Dataset, num_components: int) -> tuple[PcaBaseline, np.ndarray]:
    """PCA of the training split, and its squared error on each test image, [n]."""
    baseline = pca_baseline(unit_interval(dataset, 'train'), num_components)
    test = unit_interval(dataset, 'test')
    return baseline, np.sum(np.square(test - baseline.reconstruct(test)), axis=1)


def measure(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """The metrics, and the learned directions as columns: the decoder's, or the shared kernel's where there is one."""
    kernel = state.params['decoder'].get('layer_0', {}).get('kernel')
    directions = state.params['encoder']['layer_0']['kernel'] if kernel is None else kernel.T
    return {**metrics(method, dataset, state), 'directions': np.asarray(directions)}


def config(latents: int, tied: bool) -> ConfigDict:
    """configs/linear_ae.py:mnist with another code size, tied or not."""
    changed = linear_ae.get_config('mnist')
    changed.model.latents, changed.model.tied = latents, tied
    return changed


def _figures(name: str, part: Part, baseline: PcaBaseline, errors: np.ndarray) -> list[Figure]:
    directions: Any = part.values['directions']
    angles = [principal_angles(columns, baseline.components.T)[0] for columns in directions]
    excess = ratio(part.values['test_squared_error'], np.tile(errors, (len(part.seeds), 1))).scaled(100, -1)
    figures = [
        Figure(f'{name}: largest principal angle to PCA', over_seeds(angles), 'degrees', '0', Tolerance('at most', 0.5)),
        Figure(f"{name}: test squared error above PCA's", excess, '%', '0', Tolerance('within ±', 0.01)),
    ]
    if part.config.model.tied:
        deviations = [np.abs(W.T.astype(np.float64) @ W - np.eye(W.shape[1])).max() for W in directions]
        figures.append(Figure(f'{name}: largest |W^T W - I|', over_seeds(deviations), '', '0'))
    return figures


def run(bench: Bench) -> Outcome:
    """Untied and tied autoencoders of both sizes beside PCA."""
    dataset = load_data(bench.config(config(SIZES[0], False)), bench.folders)
    figures, parts = [], {}
    for latents in SIZES:
        baseline, errors = pca_errors(dataset, latents)
        figures.append(Figure(f'PCA-{latents}: test squared error', over_examples(errors[None]), 'per image'))
        for tied in (False, True):
            name = f'{latents} dimensions, {"tied" if tied else "untied"}'
            parts[name] = run_part(bench, name, config(latents, tied), measure)
            figures += _figures(name, parts[name], baseline, errors)
    return Outcome(figures, parts, SEARCH)


SEARCH = [
    {'learning_rate': 0.003, 'seed': 0, 'largest_angle': {'10': 0.07, '10 tied': 0.08, '32': 0.08, '32 tied': 0.10}},
    {'learning_rate': 0.001, 'seed': 0, 'largest_angle': {'10': 0.28, '10 tied': 0.34, '32': 2.00, '32 tied': 1.44}},
]
TABLES = (
    Reproduction(
        name='baldi1989.pca',
        title='linear autoencoder against PCA',
        source='Baldi & Hornik 1989, Neural networks and principal component analysis, '
        'https://doi.org/10.1016/0893-6080(89)90014-2',
        protocol='Linear autoencoders of 10 and 32 dimensions with biases, untied and tied, squared error on grey MNIST in '
        '[0, 1], Adam at 3e-3 with cosine decay, batches of 500, 60 epochs. PCA is exact, on the same 50,000 training '
        "images. The angle is the largest principal angle between the decoder's columns (the shared kernel's, when tied) "
        "and PCA's components.",
        target="largest principal angle at most 0.5 degree, test squared error within 0.01 % of PCA's",
        chosen="Learning rate of two by the angle to the training split's PCA, seed 0; epochs and batch size were not searched.",
        run=run,
    ),
)
