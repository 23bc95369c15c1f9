"""What a run shows: in a line of the validation split, and at its end of the test split."""

import pytest

from aejax.runs.console import Lines
from aejax.runs.train import train
from experiments.configs import ae, dae, rbm, sparse_ae, stacked_ae
from tests.running import config, no_pictures, rows


class Shown(Lines):
    """The names of the validation metrics in each line, by stage."""

    def __init__(self):
        self.names = {}

    def say(self, text):
        if '| validation ' in text:
            shown = text.split('| validation ')[1].split('  |')[0].split()[::2]
            self.names.setdefault(text.split()[0], []).append(shown)


@pytest.mark.parametrize(
    ('settings', 'names'),
    [
        (config(rbm, epochs=1), {'train': ['pseudo_log_likelihood']}),
        (config(dae, epochs=1), {'train': ['denoising_cross_entropy']}),
        (config(sparse_ae, 'k_sparse', epochs=1), {'train': ['squared_error']}),
        (
            config(stacked_ae, epochs=1, **{'widths': (8, 6), 'finetune.epochs': 1}),
            {
                'layer_0': ['cross_entropy'],
                'layer_1': ['cross_entropy'],
                'finetune': ['classification_error', 'classification_nll'],
            },
        ),
    ],
)
def test_the_metric_that_chooses_and_the_error_that_is_trained_on(tmp_path, settings, names):
    shown = Shown()
    with no_pictures():
        train(settings, tmp_path, console=shown)
    assert {stage: lines[0] for stage, lines in shown.names.items()} == names


@pytest.mark.parametrize(('target', 'others'), [('classify', False), ('probe', True)])
def test_the_test_figures_are_of_what_still_fits(tmp_path, target, others):
    with no_pictures():
        summary = train(config(ae, epochs=1, **{'finetune.target': target, 'finetune.epochs': 1}), tmp_path)
    assert ('cross_entropy' in summary['metrics'], 'squared_error' in summary['metrics']) == (others, others)
    assert {'classification_error', 'classification_nll'} <= set(summary['metrics'])
    # What the encoder was trained with is in the rows of training, to watch it by.
    assert 'cross_entropy' in rows(tmp_path, 'validation')[0]
