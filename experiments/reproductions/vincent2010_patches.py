"""Vincent et al. 2010, figures 5 to 7: on natural patches a denoising autoencoder learns oriented edges, a plain one does not."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict
from numpy.typing import ArrayLike

from aejax.data import Dataset
from aejax.evaluation.gabor import gabor_fit, phase_randomised
from aejax.evaluation.summary import summarise
from aejax.types import TrainState
from experiments.configs import dae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Measured, Tolerance, over_examples
from experiments.reproductions.parts import Values, metrics, run_part

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

RATES = (1e-3, 1e-2)
"""Of Adam, for the autoencoders without noise."""
DECAYS = (1e-3, 1e-2, 1e-1, 3e-1)
PLAIN, DECAYED, GAUSSIAN, SALTED = 'AE', 'AE + weight decay', 'DAE, Gaussian', 'DAE, salt and pepper'
DENOISING = {GAUSSIAN: ('gaussian', 0.5), SALTED: ('salt_and_pepper', 0.1)}
"""Kind and level of the noise."""
RANGE = (-1.5, 1.5)
"""Of salt and pepper: between its ends lie 99.8 % of the training values."""
NUM_SHOWN = 64


def measure(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The metrics; the filters [m, h, w], R^2 of their Gabors and whether they are oriented, and both with random phases, [m]."""
    w = np.asarray(method.filters(state.params, state.mutables)).T.reshape(-1, *dataset.spec.shape[:2])
    fits = {'': gabor_fit(w), 'random_': gabor_fit(phase_randomised(w))}
    found = {f'{name}r_squared': fit.r_squared for name, fit in fits.items()}
    found |= {f'{name}oriented': fit.is_oriented().astype(np.float64) for name, fit in fits.items()}
    return {**metrics(method, dataset, state), **found, 'filters': w}


def plain_config(rate: float, decay: float = 0.0) -> ConfigDict:
    """configs/dae.py:patches without its noise, with another rate and weight decay."""
    made = dae.get_config('patches')
    made.method, made.weight_decay, made.optimizer.learning_rate = 'ae', decay, rate
    for name in ('corruption', 'num_corruptions', 'emphasis'):
        del made[name]
    return made


def denoising_config(name: str) -> ConfigDict:
    """configs/dae.py:patches with the noise of a model."""
    made = dae.get_config('patches')
    made.corruption.kind, made.corruption.level = DENOISING[name]
    if name == SALTED:
        made.corruption.range = RANGE
    return made


def _train(bench: Bench, name: str, config: ConfigDict, seeds: Sequence[int] | None = None) -> Part:
    if bench.smoke:
        config.model.latents = 10
    return run_part(bench, name, config, measure, seeds)


def _plain(bench: Bench, rate: float, decay: float, seeds: Sequence[int] | None = None) -> Part:
    name = f'{DECAYED} {decay:g}, rate {rate:g}' if decay else f'{PLAIN}, rate {rate:g}'
    return _train(bench, name, plain_config(rate, decay), seeds)


def _search(bench: Bench, decays: Sequence[float]) -> tuple[float, float, list[dict[str, Any]]]:
    """Rate and weight decay whose filters have the highest mean R^2, with one seed."""
    rows = []
    for decay in decays:
        for rate in RATES:
            values = _plain(bench, rate, decay, tuple(bench.seeds[:1])).values
            means = {name: float(values[name].mean()) for name in ('r_squared', 'oriented', 'validation_squared_error')}
            rows.append({'weight_decay': decay, 'learning_rate': rate, 'seed': bench.seeds[0], **means})
    best = max(rows, key=lambda row: row['r_squared'])
    return best['learning_rate'], best['weight_decay'], rows


def over_filters(values: ArrayLike) -> Measured:
    """Of one value a filter, [seeds, m]: mean and its standard error over all S m filters, for no two networks share any."""
    values = np.asarray(values, np.float64)
    summary = summarise(values.ravel())
    return Measured(summary['mean'], summary['standard_error'], values.size, tuple(values.mean(axis=1).tolist()))


def above(values: ArrayLike, others: ArrayLike) -> Measured:
    """Mean of `values` minus that of `others`, each [seeds, m], of filters that have nothing to do with each other.

    The squared standard errors of the two add up.
    """
    one, other = over_filters(values), over_filters(others)
    per_seed = tuple(a - b for a, b in zip(one.per_seed, other.per_seed, strict=True))
    return Measured(one.mean - other.mean, float(np.hypot(one.standard_error, other.standard_error)), one.n, per_seed)


def gaps(parts: Mapping[str, Part]) -> list[Figure]:
    """How far the R^2 of each denoising autoencoder lies above that of each other one: more than its standard error?"""
    rows = []
    for name in DENOISING:
        for rival in (PLAIN, DECAYED):
            gap = above(parts[name].values['r_squared'], parts[rival].values['r_squared'])
            bound = Tolerance('at least', gap.standard_error)
            rows.append(Figure(f'R² of Gabors, {name} above {rival}', gap, '', 'edges in the one, none in the other', bound))
    return rows


def _figures(name: str, part: Part) -> list[Figure]:
    values = part.values
    return [
        Figure(f'{name}: R² of Gabors', over_filters(values['r_squared']), ''),
        Figure(f'{name}: R² with random phases', over_filters(values['random_r_squared']), ''),
        Figure(f'{name}: oriented filters', over_filters(values['oriented']).scaled(100), '%'),
        Figure(f'{name}: oriented with random phases', over_filters(values['random_oriented']).scaled(100), '%'),
        Figure(f'{name}: test squared error of clean patches', over_examples(values['test_squared_error']), 'per patch'),
    ]


def picture(parts: Mapping[str, Part]) -> 'Picture':
    """The first units of every model, side by side, of the first seed."""
    from aejax.visualization import style
    from aejax.visualization.mosaic import signed_to_rgb, tile

    figure, axes = style.panels(1, len(parts), style.FULL_WIDTH, 0.3 + style.FULL_WIDTH / len(parts))
    for panel, (name, part) in zip(axes[0], parts.items(), strict=True):
        shown, r_squared = part.values['filters'][0][:NUM_SHOWN, ..., None], part.values['r_squared'].mean()
        panel.imshow(tile(signed_to_rgb(shown), round(np.sqrt(NUM_SHOWN)), background=0.82), interpolation='nearest')
        panel.set_title(f'{name}: R² {r_squared:.2f}', fontsize=style.NORMAL, color=style.INK)
        panel.set_axis_off()
    return figure


def run(bench: Bench) -> Outcome:
    """Searches for the plain autoencoders, then trains all four with every seed."""
    parts, search = {}, []
    for name, decays in ((PLAIN, (0.0,)), (DECAYED, DECAYS)):
        rate, decay, rows = _search(bench, decays)
        search += rows
        parts[name] = _plain(bench, rate, decay)
    for name in DENOISING:
        parts[name] = _train(bench, name, denoising_config(name))
    figures = [*gaps(parts), *(figure for name, part in parts.items() for figure in _figures(name, part))]
    return Outcome(figures, parts, search, {'': picture(parts)})


TABLES = (
    Reproduction(
        name='vincent2010.patches',
        title='denoising autoencoders find edges in photographs',
        source='Vincent et al. 2010, Stacked denoising autoencoders, https://jmlr.org/papers/v11/vincent10a.html, figures 5 to 7',
        protocol='144-200 sigmoid units, tied weights, linear output, squared error, Adam with cosine decay, batches of 100, 100 '
        'epochs. 20,000 / 2,000 / 2,000 patches of 12 x 12 from two photographs of scikit-learn, where the paper has whitened '
        'ones of nature: each patch divided by its own contrast, then whitened up to 0.3 cycles a pixel and scaled to a variance '
        'of 0.1, as those of Olshausen & Field are. Gaussian noise of standard deviation 0.5; salt and pepper on a tenth of the '
        f'pixels, which become {RANGE[0]:g} or {RANGE[1]:g}. A filter is the weights of a unit; R² is the share of its variance '
        'that the best fitted Gabor function and a constant explain, and an oriented one has at least 0.7, of which a round blob '
        'reaches at most 0.8. Random phases: filters of the same power spectra, whose R² is that of their smoothness. Standard '
        'errors are over all filters of all seeds. The picture shows the first 64 units of the first seed.',
        target='mean R² of the filters of either denoising autoencoder above that of the autoencoder, and of the autoencoder '
        'with weight decay, by more than the standard error of the difference',
        chosen='Preprocessing, range of salt and pepper, width, rate (0.01) and epochs by hand, by the filters that denoising '
        'autoencoders have with seed 0 in about 40 trainings, and then the same for all. Of the others, the rate of '
        f'{" and ".join(f"{rate:g}" for rate in RATES)} and the weight decay of {", ".join(f"{decay:g}" for decay in DECAYS)} '
        'whose filters have the highest mean R², seed 0: by what is measured, in favour of those that are to stay below.',
        run=run,
    ),
)
