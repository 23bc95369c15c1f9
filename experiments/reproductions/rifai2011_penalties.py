"""Rifai et al. 2011: the contractive penalty exact, estimated by noise, and of second order (CAE+H)."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation import jacobian
from aejax.losses.contractive import jacobian_change
from aejax.models.mlp import dense_layers
from aejax.types import TrainState
from experiments.configs import cae, stochastic_cae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Interval, Tolerance, over_examples, ratio
from experiments.reproductions.finetuning import FINETUNE_EPOCHS, classified
from experiments.reproductions.parts import Values, classification_errors, error_on_test, inputs, mean_on_validation, run_part
from experiments.reproductions.rifai2011 import norms

PENALTY_WEIGHT, RATE = 0.3, 0.1
"""Lambda of the exact penalty, and rate of fine-tuning."""
STDS = (0.1, 0.01)
"""s of the noise by which the stochastic CAE estimates the penalty."""
HESSIAN_WEIGHTS = (1.0, 10.0)
"""Gamma of CAE+H, whose noise is the first of STDS."""
SAME, SMALLER = Interval(0.95, 1.05), Tolerance('at most', 0.9)
"""Ours: with the smallest noise the estimate trains what the exact penalty does; the second-order term lowers its own measure."""


def exact(hessian_weight: float = 0.0) -> ConfigDict:
    """configs/cae.py:mnist, or CAE+H where gamma is above 0."""
    config = cae.get_config('mnist')
    config.penalty_weight, config.hessian.weight, config.hessian.std = PENALTY_WEIGHT, hessian_weight, STDS[0]
    return _trained(config)


def estimated(std: float) -> ConfigDict:
    """configs/stochastic_cae.py:mnist, weighed such that to first order its penalty is that of `exact`."""
    config = stochastic_cae.get_config('mnist')
    config.penalty_weight, config.corruption.level = PENALTY_WEIGHT / std**2, std
    return _trained(config)


def _trained(config: ConfigDict) -> ConfigDict:
    config.optimizer.schedule = 'cosine'
    return classified(config, RATE)


def measure_code(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """At each test image before fine-tuning: ||J_h(x)||_F, ||J_h(x) - J_h(x + eps)||_F^2 of one draw of eps, saturation."""
    x = inputs(dataset, 'test')
    flat = x.reshape(len(x), -1)
    moved = flat + STDS[0] * jax.random.normal(jax.random.key(4), flat.shape)
    change = jacobian_change(dense_layers(state.params['encoder']), [jax.nn.sigmoid], flat, moved)
    saturation = jacobian.saturation(method.encode(state.params, state.mutables, x))
    values = {'norm': norms(method, state, x), 'change': change, 'saturation': saturation}
    return {name: np.asarray(value) for name, value in values.items()}


def _train(bench: Bench, name: str, config: ConfigDict, seeds: Sequence[int] | None = None) -> Part:
    return run_part(bench, name, config, classification_errors, seeds, after={'train': measure_code})


def _figures(name: str, part: Part, reference: Part, target: str = '', bound: Interval | None = None) -> list[Figure]:
    """Error, saturation and, of all but the reference itself, the norm beside the reference's, which the bound is of."""
    saturated = over_examples(part.values['train/saturation']).scaled(100)
    figures = [
        Figure(f'{name}: test error after fine-tuning', error_on_test(part), '%', target),
        Figure(f'{name}: saturated units', saturated, '%'),
    ]
    if part is reference:
        return figures
    rise = ratio(part.values['train/norm'], reference.values['train/norm'])
    return [*figures, Figure(f"{name}: norm of the Jacobian over CAE's", rise, '', '', bound)]


def _search(bench: Bench) -> tuple[float, list[dict[str, Any]]]:
    """Gamma of the lowest validation error after fine-tuning with the first seed."""
    seeds, errors = bench.seeds[:1], {}
    for weight in HESSIAN_WEIGHTS:
        part = _train(bench, f'CAE+H, gamma {weight:g}', exact(weight), seeds)
        errors[weight] = mean_on_validation(part, 'classification_error')
    rows = [{'gamma': weight, 'seeds': list(seeds), 'validation_error': error} for weight, error in errors.items()]
    return min(errors, key=errors.__getitem__), rows


def run(bench: Bench) -> Outcome:
    """The exact penalty, CAE+H with the gamma that validation chose, and the estimates, all with the same seeds."""
    reference = _train(bench, 'CAE', exact())
    weight, rows = _search(bench)
    second = _train(bench, f'CAE+H, gamma {weight:g}', exact(weight))
    names = {std: f'stochastic CAE, s = {std:g}' for std in bench.first(STDS)}
    estimates = {name: _train(bench, name, estimated(std)) for std, name in names.items()}
    less = ratio(second.values['train/change'], reference.values['train/change'])
    figures = [
        *_figures('CAE', reference, reference, '1.14'),
        *_figures('CAE+H', second, reference, '1.04 (from memory)'),
        Figure("CAE+H: change of the Jacobian over CAE's", less, '', '', SMALLER),
    ]
    for std, name in names.items():
        figures += _figures(name, estimates[name], reference, bound=SAME if std == STDS[-1] else None)
    return Outcome(figures, {'CAE': reference, 'CAE+H': second, **estimates}, rows)


TABLES = (
    Reproduction(
        name='rifai2011.penalties',
        title='the contractive penalty, exact, of second order (CAE+H) and estimated by noise',
        source='Rifai et al. 2011, Contractive auto-encoders, https://icml.cc/2011/papers/455_icmlpaper.pdf, and Higher order '
        'contractive auto-encoder, https://doi.org/10.1007/978-3-642-23783-6_41',
        protocol='784-1000 sigmoid units, tied weights, sigmoid output and cross-entropy on grey MNIST, batches of 100, 60 '
        f'epochs of Adam at 1e-3 with cosine decay, lambda {PENALTY_WEIGHT:g}, for CAE+H with '
        f'{cae.get_config("mnist").hessian.num_samples} draws of noise of standard deviation {STDS[0]:g}, for the stochastic CAE '
        f'lambda / s^2 with one draw; then a softmax on the code and gradient descent at {RATE:g} with momentum 0.9 and cosine '
        f'decay on all weights of the encoder, {FINETUNE_EPOCHS} epochs, of which the one with the lowest validation error is '
        'tested. Norm, saturation (activations below 0.05 or above 0.95) and change of the Jacobian (its squared distance from '
        f'that at the same image with noise, one draw of standard deviation {STDS[0]:g}) are means over the test images before '
        'fine-tuning.',
        target=f'norm of the Jacobian, stochastic CAE with s = {STDS[-1]:g} over CAE, {SAME}; change of the Jacobian, CAE+H over '
        f'CAE, {SMALLER}; ours, for the sources have no such figures',
        chosen=f'Gamma of CAE+H, of {", ".join(f"{value:g}" for value in HESSIAN_WEIGHTS)}, by validation error after '
        'fine-tuning with the first seed. Lambda and the rate of fine-tuning, without warm-up, are those that it chose for the '
        'CAE with three seeds, of 0.3 and 1 and of 0.1 and 0.3.',
        run=run,
    ),
)
