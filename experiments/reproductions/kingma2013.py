"""Kingma & Welling 2013: the variational autoencoder's bound, and what more latents buy."""

import itertools
from typing import Any

import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.runs.codes import encode_split
from aejax.types import TrainState
from aejax.visualization.latents import manifold_grid_points
from experiments.configs import vae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, curve, over_examples
from experiments.reproductions.parts import Values, inputs, metrics, run_part

LATENTS = (2, 5, 10, 20)
SIZES = {1_000: 400, 5_000: 150, 50_000: 30}
"""Training images, and epochs."""
GRID = 20
"""Codes on a side of the picture of the plane."""
SOURCE = 'Kingma & Welling 2013, Auto-encoding variational Bayes, https://arxiv.org/abs/1312.6114'


def measure(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The metrics, and the first test image of each class with its reconstruction at the posterior's mean, [classes, ...]."""
    x = inputs(dataset, 'test', np.unique(dataset.split('test')['label'], return_index=True)[1])
    images = {'input': x, 'reconstruction': method.reconstruct(state.params, state.mutables, x)}
    return {**metrics(method, dataset, state), **{name: np.asarray(image) for name, image in images.items()}}


def _train(bench: Bench, latents: int, seeds: tuple[int, ...] | None = None) -> Part:
    config = vae.get_config('mnist')
    config.model.latents = latents
    return run_part(bench, f'VAE, {latents} latents', config, measure, seeds)


def run_bound(bench: Bench) -> Outcome:
    """The bound of 784-500-20."""
    part = _train(bench, 20)
    bound, target = over_examples(part.values['test_elbo']), '-107.05 ± 0.25 published for this net'
    figures = [
        Figure('test bound, 20 latents', bound, 'nats', target, Tolerance('at least', -101.5)),
        Figure('its KL term', over_examples(part.values['test_kl']), 'nats'),
        Figure('its log-likelihood term', over_examples(part.values['test_log_likelihood']), 'nats'),
        Figure('validation bound, 20 latents', over_examples(part.values['validation_elbo']), 'nats'),
    ]
    return Outcome(figures, {'20 latents': part})


def run_latents(bench: Bench) -> Outcome:
    """Bounds and squared errors of four code sizes, with their reconstructions of ten digits."""
    from aejax.visualization import image_grid

    parts = {size: _train(bench, size, tuple(bench.seeds[:1])) for size in LATENTS}
    bounds = [part.values['test_elbo'] for part in parts.values()]
    gains = [over_examples(more - fewer) for fewer, more in itertools.pairwise(bounds)]
    smallest, name = min(gains, key=lambda gain: gain.mean), 'smallest gain in the test bound from 2 to 5 to 10 to 20 latents'
    figures = [Figure(name, smallest, 'nats', 'more latents do not hurt the bound', Tolerance('at least', 0.0))]
    for size, part in parts.items():
        figures.append(Figure(f'test bound, {size} latents', over_examples(part.values['test_elbo']), 'nats'))
        error = over_examples(part.values['test_squared_error'])
        figures.append(Figure(f'test squared error, {size} latents', error, 'per image'))
    rows = [parts[2].values['input'][0], *(part.values['reconstruction'][0] for part in parts.values())]
    title = 'Input, then reconstructions from 2, 5, 10 and 20 latents'
    picture = image_grid(np.concatenate(rows), columns=len(rows[0]), title=title, limits=(0.0, 1.0))
    return Outcome(figures, {f'{size} latents': part for size, part in parts.items()}, pictures={'': picture})


def size_config(num: int) -> ConfigDict:
    """configs/vae.py:mnist with so many training images; tested at the epoch that validation prefers."""
    config = vae.get_config('mnist')
    config.data.num_train, config.epochs, config.test_checkpoint = num, SIZES[num], 'best'
    return config


def measure_size(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The metrics on all splits."""
    return metrics(method, dataset, state, ('train', 'validation', 'test'))


def run_sizes(bench: Bench) -> Outcome:
    """Bounds after training with more and more images, and how far that of the training images lies above."""
    from aejax.visualization.curves import measured_curve

    sizes = bench.first(SIZES)
    parts = {num: run_part(bench, f'VAE, {num:,} images', size_config(num), measure_size) for num in sizes}
    bounds = {split: [over_examples(part.values[f'{split}_elbo']) for part in parts.values()] for split in ('train', 'test')}
    figures = [
        Figure(f'{split} bound, {num:,} training images', bound, 'nats')
        for split in bounds
        for num, bound in zip(sizes, bounds[split], strict=True)
    ]
    for (fewer, first), (more, second) in itertools.pairwise(parts.items()):
        gain = over_examples(second.values['test_elbo'] - first.values['test_elbo'])
        figures.append(Figure(f'gain in the test bound from {fewer:,} to {more:,}', gain, 'nats', '', Tolerance('at least', 0.0)))
    curves = {f'{split} images': curve(sizes, found) for split, found in bounds.items()}
    picture = measured_curve(curves, 'training images', 'bound on log p(x), nats')
    return Outcome(figures, {f'{num:,} images': part for num, part in parts.items()}, pictures={'': picture})


def measure_plane(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """The metrics; posterior means of the test images, [n, 2], with their classes; what a grid over the plane decodes to."""
    grid = jnp.asarray(manifold_grid_points(GRID), jnp.float32)
    return {
        **metrics(method, dataset, state, ('test',)),
        'codes': encode_split(method, dataset, state, 'test'),
        'label': dataset.split('test')['label'],
        'grid': np.asarray(method.decode(state.params, state.mutables, grid)),
    }


def run_manifold(bench: Bench) -> Outcome:
    """The bound of two latents, and the plane that the first seed has learned."""
    from aejax.visualization import image_grid, latent_map

    part = run_part(bench, 'VAE, 2 latents', vae.get_config('manifold'), measure_plane)
    names = {'elbo': ('test bound', 'nats'), 'kl': ('its KL term', 'nats'), 'squared_error': ('squared error', 'per image')}
    figures = [
        Figure(f'{title}, 2 latents', over_examples(part.values[f'test_{name}']), unit) for name, (title, unit) in names.items()
    ]
    pictures = {
        '': image_grid(part.values['grid'][0], columns=GRID, limits=(0.0, 1.0)),
        '-codes': latent_map(part.values['codes'][0], part.values['label'][0]),
    }
    return Outcome(figures, {'2 latents': part}, pictures=pictures)


_TRAINING = (
    '784-500-d-500-784, ReLU, Bernoulli decoder, Adam at a constant 1e-3, batches of 128, 30 epochs, one sample of z. MNIST is '
    'binarised once (one seeded Bernoulli draw for each of the splits). The test bound is taken after the last epoch with one '
    'sample of z an image.'
)
TABLES = (
    Reproduction(
        name='kingma2013.bound',
        title='variational autoencoder, 784-500-20',
        source=SOURCE,
        protocol=f'{_TRAINING} d = 20.',
        target='test bound at least -101.5 nats (a public reference of this net: -107.05 ± 0.25)',
        chosen="The public reference's settings; nothing was searched.",
        run=run_bound,
        num_samples=1,
    ),
    Reproduction(
        name='kingma2013.latents',
        title='variational autoencoders with 2, 5, 10 and 20 latents',
        source=SOURCE,
        protocol=f'{_TRAINING} d in {{2, 5, 10, 20}}, one seed. Squared error is that of the decoded posterior mean. The picture '
        'shows the first test image of each class.',
        target='the test bound rises with every step from 2 to 5, 10 and 20 latents',
        chosen='As kingma2013.bound; nothing was searched.',
        run=run_latents,
        num_samples=1,
    ),
    Reproduction(
        name='kingma2013.sizes',
        title='variational autoencoders trained with 1,000, 5,000 and 50,000 images',
        source=SOURCE,
        protocol='784-500-20-500-784, ReLU, Bernoulli decoder, Adam at a constant 1e-3, batches of 128, one sample of z, MNIST '
        f'binarised once. {", ".join(f"{epochs} epochs with {num:,} images" for num, epochs in SIZES.items())}, of which the one '
        'with the highest validation bound (10,000 images) is tested. Bounds with one sample of z an image, of the training '
        'images that were used and of the 10,000 test images.',
        target='the test bound rises with the number of images (the source compares 1,000 and 50,000, by the likelihood)',
        chosen='As kingma2013.bound, the epoch on validation; nothing else was searched.',
        run=run_sizes,
        num_samples=1,
    ),
    Reproduction(
        name='kingma2013.manifold',
        title='the plane of digits that a variational autoencoder learns',
        source=SOURCE,
        protocol=f'{_TRAINING} d = 2. Pictures of the first seed: decoded means of a grid of {GRID} by {GRID} codes, spread '
        'evenly in probability between the quantiles .05 and .95 of the prior, and posterior means of the 10,000 test images.',
        target='pictures',
        chosen='As kingma2013.bound; nothing was searched.',
        run=run_manifold,
        num_samples=1,
    ),
)
