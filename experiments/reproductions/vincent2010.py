"""Vincent et al. 2010: stacked denoising autoencoders against stacked plain ones, no pretraining, and an SVM."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.data import Dataset
from aejax.runs.setup import load_data
from experiments.configs import stacked_ae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples
from experiments.reproductions.parts import classification_errors, mean_on_validation, run_part

LEVELS = (0.1, 0.25)
RATES = (0.03, 0.1)
PRETRAINING_EPOCHS, FINETUNE_EPOCHS = 30, 60
# The machine's: penalty C, and gamma as a multiple of 1 / (D var(x)).
MACHINES = tuple((penalty, gamma) for penalty in (3.0, 10.0) for gamma in (0.5, 1.0, 2.0))


def config(level: float | None, rate: float) -> ConfigDict:
    """configs/stacked_ae.py:basic with this share masked, 0 for none and None for no pretraining, fine-tuned at this rate."""
    made = stacked_ae.get_config('basic')
    made.epochs = PRETRAINING_EPOCHS if level is not None else 0
    made.layer.corruption.level = level or 0.0
    made.finetune.epochs, made.finetune.optimizer = FINETUNE_EPOCHS, optimizers.default_config('sgd', rate, 'cosine')
    made.finetune.optimizer.momentum = 0.9
    made.test_checkpoint = 'best'
    return made


def _name(level: float | None) -> str:
    return 'no pretraining' if level is None else f'SDAE-3, {level:.0%} masked' if level else 'SAE-3'


def _train(bench: Bench, level: float | None, rate: float, seeds: Sequence[int] | None = None) -> Part:
    return run_part(bench, f'{_name(level)}, rate {rate:g}', config(level, rate), classification_errors, seeds)


def _search(bench: Bench, levels: Sequence[float | None]) -> tuple[float | None, float, list[dict[str, Any]]]:
    """Level and rate with the lowest validation error, with one seed."""
    rows = []
    for level in levels:
        for rate in RATES:
            error = mean_on_validation(_train(bench, level, rate, tuple(bench.seeds[:1])), 'classification_error')
            row = {'model': _name(level), 'finetuning_rate': rate, 'seed': bench.seeds[0], 'validation_error': error}
            rows.append((error, level, rate, row))
    _, level, rate, _ = min(rows, key=lambda row: row[0])
    return level, rate, [row for *_, row in rows]


def machine_errors(dataset: Dataset, machines: Sequence[tuple[float, float]]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Test errors, 0 or 1, [n], of an RBF support vector machine on grey values; its C and gamma chosen on validation."""
    from sklearn.svm import SVC

    x = {name: dataset.split(name)['x'] for name in ('train', 'validation', 'test')}
    flat = {name: images.reshape(len(images), -1) / 255 for name, images in x.items()}
    unit, found = 1 / (flat['train'].shape[1] * flat['train'].var()), []
    for penalty, gamma in machines:
        machine = SVC(C=penalty, gamma=gamma * unit, cache_size=2_000).fit(flat['train'], dataset.split('train')['label'])
        error = float(np.mean(machine.predict(flat['validation']) != dataset.split('validation')['label']))
        found.append((error, machine, {'model': 'SVM', 'C': penalty, 'gamma': gamma * unit, 'validation_error': error}))
    best = min(found, key=lambda row: row[0])[1]
    return (best.predict(flat['test']) != dataset.split('test')['label']).astype(np.float64), [row for *_, row in found]


def run(bench: Bench) -> Outcome:
    """The machine, then the three ways to begin."""
    dataset = load_data(bench.config(config(0.0, RATES[0])), bench.folders)
    errors, search = machine_errors(dataset, MACHINES[: 1 if bench.smoke else None])
    figures = [Figure('SVM, RBF kernel: test error', over_examples(errors[None]).scaled(100), '%', '3.03 ± 0.15')]
    parts = {}
    for name, levels in (('no pretraining', (None,)), ('SAE-3', (0.0,)), ('SDAE-3', LEVELS)):
        level, rate, rows = _search(bench, levels)
        search += rows
        parts[name] = _train(bench, level, rate)
    published = {'SAE-3': '3.46 ± 0.16', 'SDAE-3': '2.84 ± 0.15'}
    for name, part in parts.items():
        wrong = over_examples(part.values['test_classification_error']).scaled(100)
        bound = Tolerance('at most', 3.1) if name == 'SDAE-3' else None
        figures.append(Figure(f'{name}: test error', wrong, '%', published.get(name, ''), bound))
    difference = parts['SAE-3'].values['test_classification_error'] - parts['SDAE-3'].values['test_classification_error']
    gap = over_examples(difference).scaled(100)
    figures.append(Figure('test error of SAE-3 above that of SDAE-3', gap, '%', '0.62', Tolerance('at least', 0.3)))
    return Outcome(figures, parts, search)


TABLES = (
    Reproduction(
        name='vincent2010.basic',
        title='stacked denoising autoencoders on 10,000 images',
        source='Vincent et al. 2010, Stacked denoising autoencoders, https://jmlr.org/papers/v11/vincent10a.html',
        protocol='784-1000-1000-1000 sigmoid units, tied weights, cross-entropy, each layer pretrained on the clean codes below '
        f'by Adam at 1e-3 for {PRETRAINING_EPOCHS} epochs in batches of 100, with masking noise on the layer in training '
        '(SDAE-3) or without (SAE-3); then a softmax on top and gradient descent with momentum 0.9 and cosine decay on all '
        'weights, '
        f'{FINETUNE_EPOCHS} epochs, of which the one with the lowest validation error is tested. Data: mnist_basic, 10,000 / '
        '2,000 / 50,000 images drawn from MNIST, where the paper has other draws of the same sizes.',
        target='test error of SDAE-3 at most 3.1 %, that of SAE-3 at least 0.3 above it',
        chosen='By validation error after fine-tuning, seed 0: the rate of fine-tuning of '
        f'{", ".join(f"{rate:g}" for rate in RATES)} for each of the three, the share masked of '
        f'{", ".join(f"{level:g}" for level in LEVELS)}, and C and gamma of the SVM. The paper also searched widths and '
        'pretraining.',
        run=run,
    ),
)
