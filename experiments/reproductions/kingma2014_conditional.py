"""Kingma et al. 2014, M2 with all labels known: what a variational autoencoder gains by being told the class."""

from ml_collections import ConfigDict

from experiments.configs import conditional_vae, vae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, curve, over_examples
from experiments.reproductions.parts import run_part

EPOCHS = (1, 3, 10, 30)
MODELS = {'VAE': vae, 'conditional VAE': conditional_vae}


def config(model: str, epochs: int) -> ConfigDict:
    """configs/vae.py:mnist or configs/conditional_vae.py:mnist, which have the same net and rate, after so many epochs."""
    made = MODELS[model].get_config('mnist')
    made.epochs = epochs
    return made


def run(bench: Bench) -> Outcome:
    """Both after each number of epochs, each a training of its own."""
    from aejax.visualization.curves import measured_curve

    counts = bench.first(EPOCHS)
    parts = {(model, num): run_part(bench, f'{model}, {num} epochs', config(model, num)) for model in MODELS for num in counts}
    bounds = {key: over_examples(part.values['test_elbo']) for key, part in parts.items()}
    figures = [_gap(parts, num) for num in counts]
    figures += [
        Figure(f'test bound after {num} epochs, {model}: {_of(model)}', bound, 'nats') for (model, num), bound in bounds.items()
    ]
    given = over_examples(parts['conditional VAE', counts[-1]].values['test_conditional_elbo'])
    figures.append(Figure(f'test bound on log p(x given y) after {counts[-1]} epochs', given, 'nats'))
    curves = {f'{model}, {_of(model)}': curve(counts, [bounds[model, num] for num in counts]) for model in MODELS}
    picture = measured_curve(curves, 'epochs', 'test bound, nats')
    return Outcome(figures, {f'{model}, {num} epochs': part for (model, num), part in parts.items()}, pictures={'': picture})


def _of(model: str) -> str:
    return 'log p(x)' if model == 'VAE' else 'log p(x, y)'


def _gap(parts: dict[tuple[str, int], Part], num: int) -> Figure:
    gap = parts['conditional VAE', num].values['test_elbo'] - parts['VAE', num].values['test_elbo']
    bound = Tolerance('at least', 0.0) if num < EPOCHS[-1] else None
    return Figure(f'conditional VAE above VAE after {num} epochs', over_examples(gap), 'nats', 'converges faster', bound)


TABLES = (
    Reproduction(
        name='kingma2014.conditional',
        title='conditional variational autoencoder beside the plain one',
        source='Kingma et al. 2014, Semi-supervised learning with deep generative models, https://arxiv.org/abs/1406.5298',
        protocol='784-500-20-500-784, ReLU, Bernoulli decoder, Adam at a constant 1e-3, batches of 128, one sample of z, MNIST '
        'binarised once; the conditional one has the class beside the input of encoder and decoder. Test bounds with one sample '
        f'of z after {", ".join(map(str, EPOCHS))} epochs: on log p(x), and on log p(x, y) = log p(x given y) - log 10, so that '
        'the class is not had for nothing.',
        target=f'the conditional bound on log p(x, y) lies above the plain one on log p(x) at all epochs before {EPOCHS[-1]}',
        chosen='As kingma2013.bound; nothing was searched.',
        run=run,
        num_samples=1,
    ),
)
