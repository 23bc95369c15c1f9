"""What a run says of its samples and codes: Parzen windows, missing classes, the codes' fit to the prior, progressions."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.data.attributes import make_measure, split_name
from aejax.evaluation.modes import classifier, mode_figures
from aejax.evaluation.parzen import parzen
from aejax.evaluation.progressions import progression_figures
from aejax.evaluation.samples import draw
from aejax.evaluation.two_samples import NUM_POINTS, prior_fit
from aejax.runs.codes import draw_codes
from aejax.runs.console import table
from aejax.spread import spread
from aejax.types import DataSpec, Method, TrainState, UserError
from aejax.visualization.verdict import verdict

NUM_PROGRESSIONS = 500

SETTINGS = ('parzen_samples', 'samples')
MAX_SAMPLES = 1_000_000
"""They are kept in memory, and each is held against thousands of examples."""


def sample_counts(config: ConfigDict) -> dict[str, int]:
    """`evaluation.parzen_samples` and `evaluation.samples`; 0 in a config that does not have them.

    Raises:
        UserError: one is negative, or more than can be kept.
    """
    found = {name: int(config.get('evaluation', {}).get(name, 0)) for name in SETTINGS}
    for name, num in found.items():
        if not 0 <= num <= MAX_SAMPLES:
            raise UserError(f'evaluation.{name}={num} must lie between 0, which is for none, and {MAX_SAMPLES:,}')
    return found


def as_sampled(x: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Stored examples in the space of a model's samples: grey values in [0, 1] even where training draws binary ones."""
    return x.astype(np.float32) / 255 if x.dtype == np.uint8 else x


def final_samples(
    method: Method, dataset: Dataset, state: TrainState, split: str, config: ConfigDict, seed: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """What a config asks for of the figures of this module, as parts of the summary: {} where that is nothing.

    'parzen' (see `aejax.evaluation.parzen.parzen`) where `evaluation.parzen_samples` is not 0; where `evaluation.samples` is not
    0, 'modes' (see `aejax.evaluation.modes.mode_figures`) of so many samples, and 'prior_fit' (see
    `aejax.evaluation.two_samples.prior_fit`), and 'attribute' (see `figures_of_attribute`); each of a method that can do what it
    takes.
    """
    counts = sample_counts(config)
    found: dict[str, Any] = {}
    num = max(counts.values())
    if num and hasattr(method, 'sample'):
        say(f'drawing {num:,} samples to look at')
        samples = draw(method, state, num, seed)
        if counts['parzen_samples']:
            found['parzen'] = parzen_figures(samples[: counts['parzen_samples']], dataset, split)
        if counts['samples']:
            found['modes'] = figures_of_modes(samples[: counts['samples']], dataset, split)
    if counts['samples'] and hasattr(method, 'encode') and hasattr(method, 'sample_prior'):
        found['prior_fit'] = prior_figures(method, dataset, state, split, seed)
    if counts['samples'] and hasattr(method, 'attribute_decode') and dataset.spec.num_classes:
        found['attribute'] = figures_of_attribute(method, dataset, state, split)
    return found


def parzen_figures(samples: np.ndarray, dataset: Dataset, split: str) -> dict[str, Any]:
    """Parzen windows of samples [S, ...] over a whole split, their width chosen on the first validation examples."""
    validation, test = (as_sampled(dataset.split(name)['x'], dataset.spec) for name in ('validation', split))
    return parzen(samples, validation, test)


def figures_of_modes(samples: np.ndarray, dataset: Dataset, split: str) -> dict[str, Any]:
    """Classes and variety of samples [S, ...] beside those of a split."""
    splits = [dataset.split(name) for name in ('train', split)]
    train, test = ({**arrays, 'x': as_sampled(arrays['x'], dataset.spec)} for arrays in splits)
    return mode_figures(samples, train, test, dataset.spec.num_classes)


def prior_figures(method: Any, dataset: Dataset, state: TrainState, split: str, seed: int) -> dict[str, Any]:
    """How codes from all over a split, one an example, drawn from q(z given x), fit the prior."""
    codes = draw_codes(method, dataset, state, split)
    codes = codes[spread(len(codes), NUM_POINTS)]
    base, state = jax.random.key(seed), state.replace(optimizer_states={})
    sample = jax.jit(lambda key: method.sample_prior(state.params, state.mutables, key, len(codes)))
    return prior_fit(codes, lambda index, num: np.asarray(sample(jax.random.fold_in(base, index))))


def progressions(method: Any, state: TrainState, x: np.ndarray, num_levels: int) -> np.ndarray:
    """Each example of x [n, ...], encoded and decoded at every level of its attribute: [n, levels, ...]."""

    def draw_all(state: TrainState, x: jax.Array) -> jax.Array:
        z = method.encode(state.params, state.mutables, x)
        levels = jax.numpy.tile(jax.numpy.arange(num_levels), len(x))
        return method.attribute_decode(state.params, state.mutables, jax.numpy.repeat(z, num_levels, axis=0), levels)

    drawn = np.asarray(jax.jit(draw_all)(state.replace(optimizer_states={}), x))
    return drawn.reshape(len(x), num_levels, *drawn.shape[1:])


def figures_of_attribute(method: Any, dataset: Dataset, state: TrainState, split: str) -> dict[str, Any]:
    """`progression_figures` of examples from all over a split, and beside them what the data themselves give.

    That is 'name' of the attribute, 'data_measured', its mean in the examples of each level, and 'class_of_data', the share of
    examples whose own class the classifier finds.
    """
    train, test = (
        {**arrays, 'x': as_sampled(arrays['x'], dataset.spec)} for arrays in (dataset.split('train'), dataset.split(split))
    )
    (_, name), rows = split_name(dataset.spec.name), spread(len(test['x']), NUM_PROGRESSIONS)
    measure, known = make_measure(name, train), classifier(train['x'], train['label'])
    x, label, level = (test[array][rows] for array in ('x', 'label', 'attribute'))

    def classify(x: np.ndarray) -> np.ndarray:
        return known.predict(x.reshape(len(x), -1))

    drawn = progressions(method, state, x, dataset.spec.num_levels)
    beside, classes = measure(x), classify(x)
    return {
        'name': name,
        **progression_figures(drawn, label, measure, classify),
        'data_measured': [float(beside[level == index].mean()) for index in range(dataset.spec.num_levels)],
        'class_of_data': float(np.mean(classes == label)),
    }


def sample_tables(split: str, found: dict[str, Any]) -> list[str]:
    """What the console shows of `final_samples`."""
    rows = []
    if figures := found.get('parzen'):
        value = figures['log_likelihood']
        name = f'Parzen log-likelihood, {figures["samples"]} samples, sigma {figures["sigma"]:.3g}'
        rows.append([name, f'{value["mean"]:.6g}', f'± {value["standard_error"]:.2g}'])
    if figures := found.get('prior_fit'):
        for name in ('mmd_squared', 'classifier_accuracy'):
            value = figures[name]
            rows.append([f'codes against prior: {name}', f'{value["value"]:.4g}', f'prior itself {value["prior_mean"]:.4g}'])
    if figures := found.get('attribute'):
        for name in ('rank_correlation', 'class_kept'):
            value = figures[name]
            rows.append([f'{figures["name"]}: {name}', f'{value["mean"]:.4g}', f'± {value["standard_error"]:.2g}'])
    tables = [table([f'{split} split', 'value', ''], rows)] if rows else []
    kind, sentence = verdict(found.get('modes', {}))
    return [*tables, f'warning: {sentence[0].lower()}{sentence[1:]}'] if kind == 'warn' else tables
