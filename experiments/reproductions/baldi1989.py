"""Baldi & Hornik 1989: a linear autoencoder learns PCA's subspace, and with tied weights an orthonormal basis of it."""

from collections.abc import Mapping
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
RATES = (3e-3, 1e-3)
CODES = tuple((latents, tied) for latents in SIZES for tied in (False, True))


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


def config(latents: int, tied: bool, learning_rate: float) -> ConfigDict:
    """configs/linear_ae.py:mnist with another code size, tied or not, and another learning rate."""
    changed = linear_ae.get_config('mnist')
    changed.model.latents, changed.model.tied, changed.optimizer.learning_rate = latents, tied, learning_rate
    return changed


def code_name(latents: int, tied: bool) -> str:
    """'10 dimensions, tied'."""
    return f'{latents} dimensions, {"tied" if tied else "untied"}'


def largest_angles(part: Part, baseline: PcaBaseline) -> list[float]:
    """Largest principal angle to PCA of each seed, degrees."""
    return [float(principal_angles(columns, baseline.components.T)[0]) for columns in part.values['directions']]


def _figures(name: str, part: Part, baseline: PcaBaseline, errors: np.ndarray) -> list[Figure]:
    angles, directions = largest_angles(part, baseline), part.values['directions']
    excess = ratio(part.values['test_squared_error'], np.tile(errors, (len(part.seeds), 1))).scaled(100, -1)
    figures = [
        Figure(f'{name}: largest principal angle to PCA', over_seeds(angles), 'degrees', '0', Tolerance('at most', 0.5)),
        Figure(f"{name}: test squared error above PCA's", excess, '%', '0', Tolerance('within ±', 0.01)),
    ]
    if part.config.model.tied:
        deviations = [np.abs(W.T.astype(np.float64) @ W - np.eye(W.shape[1])).max() for W in directions]
        figures.append(Figure(f'{name}: largest |W^T W - I|', over_seeds(deviations), '', '0'))
    return figures


def _search(bench: Bench, baselines: Mapping[int, PcaBaseline]) -> tuple[float, list[dict[str, Any]]]:
    """The learning rate with the smaller mean of the four codes' largest angles to the training split's PCA, with one seed."""
    rows: list[dict[str, Any]] = []
    seeds = tuple(bench.seeds[:1])
    for rate in RATES:
        angles = {
            code_name(*code): largest_angles(
                run_part(bench, f'{code_name(*code)}, rate {rate:g}', config(*code, rate), measure, seeds), baselines[code[0]]
            )[0]
            for code in CODES
        }
        rows.append({'learning_rate': rate, 'seed': seeds[0], 'largest_angle': angles})
    means = [float(np.mean(list(row['largest_angle'].values()))) for row in rows]
    return RATES[int(np.argmin(means))], rows


def run(bench: Bench) -> Outcome:
    """Untied and tied autoencoders of both sizes beside PCA."""
    dataset = load_data(bench.config(config(SIZES[0], False, RATES[0])), bench.folders)
    pca = {latents: pca_errors(dataset, latents) for latents in SIZES}
    rate, search = _search(bench, {latents: baseline for latents, (baseline, _) in pca.items()})
    figures, parts = [], {}
    for latents, (_, errors) in pca.items():
        figures.append(Figure(f'PCA-{latents}: test squared error', over_examples(errors[None]), 'per image'))
    for latents, tied in CODES:
        name = code_name(latents, tied)
        parts[name] = run_part(bench, f'{name}, rate {rate:g}', config(latents, tied, rate), measure)
        figures += _figures(name, parts[name], *pca[latents])
    return Outcome(figures, parts, search)


TABLES = (
    Reproduction(
        name='baldi1989.pca',
        title='linear autoencoder against PCA',
        source='Baldi & Hornik 1989, Neural networks and principal component analysis, '
        'https://doi.org/10.1016/0893-6080(89)90014-2',
        protocol='Linear autoencoders of 10 and 32 dimensions with biases, untied and tied, squared error on grey MNIST in '
        '[0, 1], Adam with cosine decay, batches of 500, 60 epochs. PCA is exact, on the same 50,000 training '
        "images. The angle is the largest principal angle between the decoder's columns (the shared kernel's, when tied) "
        "and PCA's components.",
        target="largest principal angle at most 0.5 degree, test squared error within 0.01 % of PCA's",
        chosen=f"Learning rate of {' and '.join(f'{rate:g}' for rate in RATES)} by the angles to the training split's PCA, "
        'seed 0; epochs and batch size were not searched.',
        run=run,
    ),
)
