"""Larsen et al. 2016: a VAE-GAN beside a VAE of the same nets. The source has faces; these are digits, in kind."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.modes import classifier
from aejax.evaluation.samples import draw
from aejax.evaluation.two_samples import classifier_accuracy
from aejax.runs.codes import over_split
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.sampling import as_sampled
from aejax.spread import spread
from aejax.types import TrainState
from experiments.configs import vae, vae_gan
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples, over_seeds, ratio
from experiments.reproductions.parts import Values, metrics, run_part
from experiments.reproductions.sampled import NUM_SAMPLES, first_of_each_class, sample_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

SOURCE = 'Larsen et al. 2016, Autoencoding beyond pixels using a learned similarity metric, https://arxiv.org/abs/1512.09300'
EPOCHS = 30
NO_GAME = 1e4
"""Gamma, beside which the game is nothing to the decoder: Adam's steps do not grow with the loss."""
NUM_SHOWN = 20
DIVERSITY = 'modes.within_class_diversity'
PIXELS, FEATURES, BOTH = 'VAE', 'VAE of features', 'VAE-GAN'


def configs() -> dict[str, ConfigDict]:
    """configs/vae_gan.py:mnist, the same without the decoder's part of the game, and a VAE of pixels with its nets."""
    both = vae_gan.get_config('mnist')
    both.epochs = EPOCHS
    features = both.copy_and_resolve_references()
    features.gamma = NO_GAME
    pixels = vae.get_config('gaussian')
    pixels.data.name, pixels.epochs = both.data.name, both.epochs
    pixels.model, pixels.optimizer = both.model, both.optimizers.encoder
    return {PIXELS: pixels, FEATURES: features, BOTH: both}


def measure(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The metrics on the test split, figures of samples, and what a picture shows.

    Beside them 'same_class' [n] (whether a classifier gives image and reconstruction one class), 'told_apart' (how often another
    one tells samples from test images) and 'data_told_apart' (the same of training images).
    """
    train, x = (as_sampled(dataset.split(name)['x'], dataset.spec) for name in ('train', 'test'))
    back = over_split(lambda state, x, key: method.reconstruct(state.params, state.mutables, x), dataset, state, 'test')
    samples = draw(method, state, NUM_SAMPLES, EVALUATION_SEED)
    known, rows = classifier(train, dataset.split('train')['label']), first_of_each_class(dataset)
    told_apart = functools.partial(classifier_accuracy, _some(x))
    return {
        **metrics(method, dataset, state, ('test',)),
        **sample_values(method, dataset, state),
        'same_class': known.predict(_flat(x)) == known.predict(_flat(back)),
        'told_apart': np.asarray(told_apart(_flat(samples))),
        'data_told_apart': np.asarray(told_apart(_some(train))),
        'input': x[rows],
        'reconstruction': back[rows],
        'samples': samples[:NUM_SHOWN],
    }


def _flat(x: np.ndarray) -> np.ndarray:
    return x.reshape(len(x), -1)


def _some(x: np.ndarray) -> np.ndarray:
    """As many examples from all over x as there are samples, flat."""
    return _flat(x[spread(len(x), NUM_SAMPLES)])


def run_vae(bench: Bench) -> Outcome:
    """The three systems, with every seed."""
    parts = {name: run_part(bench, name, config, measure) for name, config in configs().items()}
    errors = {name: part.values['test_squared_error'] for name, part in parts.items()}
    worse = ratio(errors[BOTH], errors[PIXELS])
    beside = over_seeds(parts[BOTH].values['data_told_apart']).scaled(100)
    figures = [
        *(figure for name, part in parts.items() for figure in _figures(name, part)),
        Figure('squared error of the VAE-GAN over that of the VAE', worse, ''),
        Figure('training images told from test images', beside, '%'),
    ]
    return Outcome(figures, parts, pictures={'': _picture(parts)})


def _figures(name: str, part: Part) -> list[Figure]:
    """Of one system; only the VAE-GAN is judged."""
    values, judged = part.values, name == BOTH
    same, none_missing = (Tolerance('at least', 90.0), Tolerance('at most', 0.0)) if judged else (None, None)
    samples = f'{NUM_SAMPLES:,} samples'
    return [
        Figure(f'{name}: test squared error', over_examples(values['test_squared_error']), 'per image'),
        Figure(f'{name}: KL of the code to its prior', over_examples(values['test_kl']), 'nats'),
        Figure(
            f'{name}: reconstructions of the same class', over_examples(values['same_class']).scaled(100), '%', tolerance=same
        ),
        Figure(f'{name}: classes missing in {samples}', over_seeds(values['modes.missing']), '', tolerance=none_missing),
        Figure(f'{name}: diversity within classes, of {samples} over test images', over_seeds(values[DIVERSITY]), ''),
        Figure(f'{name}: samples told from test images', over_seeds(values['told_apart']).scaled(100), '%'),
    ]


def _picture(parts: dict[str, Part]) -> 'Picture':
    """Inputs, their reconstructions by each system, and samples of each, of the first seed."""
    from aejax.visualization import image_grid

    shown = [part.values for part in parts.values()]
    rows = [shown[0]['input'][0], *(values[name][0] for name in ('reconstruction', 'samples') for values in shown)]
    title = f'Input; {", ".join(parts)}; then two rows of samples of each'
    return image_grid(np.concatenate(rows), columns=len(rows[0]), title=title, limits=(0.0, 1.0))


TABLES = (
    Reproduction(
        name='larsen2016.vae',
        title='VAE-GAN beside a VAE of the same nets',
        source=SOURCE,
        protocol='In kind: MNIST, grey, in place of faces, perceptrons in place of convolutions. VAE-GAN: 784-500-500-20 and '
        'mirrored, ReLU, discriminator 784-500-500-1 with leaky ReLU and spectral norms, whose second hidden layer is compared '
        'with a variance of exp(-6), gamma 0.2, non-saturating game. VAE: the same encoder and decoder, Gaussian pixels of one '
        f'learned variance. VAE of features: as the VAE-GAN with gamma {NO_GAME:,.0f}, so that the decoder learns from the '
        'features alone and the discriminator has no opponent (the source takes that of a GAN trained before). All: Adam at 3e-4 '
        f'(b1 0.5), batches of 100, {EPOCHS} epochs. Reconstructions are decoded posterior means of the 10,000 test images. '
        'Classes are those of three nearest neighbours among 10,000 training images; a class is missing where samples have less '
        'than a tenth of its share. Diversity is the mean distance between two of a class. Samples are told from as many test '
        'images by a support vector machine in pixels, 50 % is chance. The picture shows the first seed.',
        target='ours, for the source measures faces: the VAE-GAN gives at least 90 % of test images back in a form of the same '
        'class, and leaves out no class among its samples. Its squared error of pixels, which it does not learn, is stated '
        'beside that of the VAE and not judged: their codes hold different numbers of nats',
        chosen='Settings of configs/vae_gan.py:mnist; epochs were set by the time they take, bounds (and what is not judged) '
        "after a look at scikit-learn's digits and before any model was measured on MNIST. Nothing was searched.",
        run=run_vae,
    ),
)
