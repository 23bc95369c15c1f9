"""Rifai et al. 2011: two contractive layers on 10,000 images, after fine-tuning."""

import itertools

from ml_collections import ConfigDict

from experiments.configs import cae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure
from experiments.reproductions.finetuning import FINETUNE_EPOCHS, classified
from experiments.reproductions.parts import classification_errors, error_on_test, mean_on_validation, run_part

PENALTIES = (0.1, 0.3, 1.0)
"""Lambda, of both layers."""
RATES = (0.1, 0.3)
"""Of gradient descent in fine-tuning."""
PRETRAINING_EPOCHS = 100


def config(penalty_weight: float, rate: float) -> ConfigDict:
    """configs/cae.py:two_layers on mnist_basic with this penalty in both layers and this rate of fine-tuning."""
    made = cae.get_config('two_layers')
    made.data.name, made.epochs, made.optimizer.schedule = 'mnist_basic', PRETRAINING_EPOCHS, 'cosine'
    made.layer.penalty_weight = penalty_weight
    return classified(made, rate)


def _train(bench: Bench, penalty_weight: float, rate: float) -> Part:
    name = f'CAE-2, lambda {penalty_weight:g}, rate of fine-tuning {rate:g}'
    return run_part(bench, name, config(penalty_weight, rate), classification_errors)


def run(bench: Bench) -> Outcome:
    """Every pair of settings with every seed; the one with the lowest mean validation error is tested."""
    settings = itertools.product(PENALTIES, RATES)
    trained = {setting: _train(bench, *setting) for setting in settings}
    errors = {setting: mean_on_validation(part, 'classification_error') for setting, part in trained.items()}
    rows = [
        {'lambda': penalty, 'finetuning_rate': rate, 'seeds': list(bench.seeds), 'validation_error': error}
        for (penalty, rate), error in errors.items()
    ]
    best = trained[min(errors, key=errors.__getitem__)]
    figure = Figure('CAE-2: test error after fine-tuning', error_on_test(best), '%', '2.48')
    return Outcome([figure], {'CAE-2': best}, rows)


TABLES = (
    Reproduction(
        name='rifai2011.two_layers',
        title='two contractive layers on 10,000 images',
        source='Rifai et al. 2011, Contractive auto-encoders, https://icml.cc/2011/papers/455_icmlpaper.pdf',
        protocol='784-1000-1000 sigmoid units, tied weights, cross-entropy, each layer a contractive autoencoder of the codes '
        f'below with the exact Jacobian penalty, Adam at 1e-3 with cosine decay, {PRETRAINING_EPOCHS} epochs in batches of 100; '
        'then a softmax on top and gradient descent with momentum 0.9 and cosine decay on all weights, '
        f'{FINETUNE_EPOCHS} epochs, of which the one with the lowest validation error is tested. Data: mnist_basic, '
        '10,000 / 2,000 / 50,000 images drawn from MNIST, where the paper has another draw of the same sizes.',
        target='stated only',
        chosen='By validation error after fine-tuning, mean of all seeds: lambda of both layers of '
        f'{", ".join(f"{value:g}" for value in PENALTIES)}, and the rate of fine-tuning of '
        f'{", ".join(f"{rate:g}" for rate in RATES)}.',
        run=run,
    ),
)
