"""Makhzani et al. 2015: adversarial autoencoders on MNIST, by Parzen windows, with few labels, and as clusters."""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.evaluation.clusters import cluster_errors, cluster_labels
from aejax.evaluation.parzen import NUM_VALIDATION, SIGMAS, log_density
from aejax.evaluation.samples import draw
from aejax.runs.codes import encode_split, over_split
from aejax.runs.ending import EVALUATION_SEED
from aejax.runs.sampling import as_sampled
from aejax.types import Method, TrainState
from experiments.configs import adversarial_ae, clustering_aae, gan, semi_supervised_aae
from experiments.reproductions.base import Bench, Outcome, Part, Reproduction
from experiments.reproductions.figures import Figure, Tolerance, over_examples
from experiments.reproductions.parts import Values, metrics, run_part

SOURCE = 'Makhzani et al. 2016, Adversarial autoencoders, https://arxiv.org/abs/1511.05644'
NUM_SAMPLES = 10_000
LABELS = {100: ('1.90 ± 0.10 (from memory)', 5.0), 1_000: ('1.60 ± 0.08 (from memory)', 2.2)}
CLUSTERS = {16: ('9.55 ± 2.05 (from memory)', None), 30: ('4.10 ± 1.13 (from memory)', 6.0)}
DRAWS = (0, 1, 2)
"""Seeds of the choice of labels, as in `kingma2014`."""
PRIORS = ('normal', 'mixture', 'swiss_roll')


def measure_parzen(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """log p(x) of test images under Parzen windows of 10,000 samples [n]; the width, and what the whole grid scores."""
    samples = draw(method, state, NUM_SAMPLES, EVALUATION_SEED)
    validation, test = (as_sampled(dataset.split(name)['x'], dataset.spec) for name in ('validation', 'test'))
    scores = log_density(validation[:NUM_VALIDATION], samples, SIGMAS).mean(axis=1)
    best = int(np.argmax(scores))
    values = log_density(test, samples, SIGMAS[best : best + 1])[0]
    return {'parzen': values, 'sigma': np.asarray(SIGMAS[best]), 'grid': scores}


def parzen_configs() -> dict[str, ConfigDict]:
    """configs/adversarial_ae.py:mnist, and configs/gan.py:mnist beside it."""
    return {'adversarial autoencoder': adversarial_ae.get_config('mnist'), 'GAN': gan.get_config('mnist')}


def run_parzen(bench: Bench) -> Outcome:
    """Both systems."""
    published = {'adversarial autoencoder': '340 ± 2', 'GAN': '225 ± 2'}
    parts = {name: run_part(bench, name, config, measure_parzen) for name, config in parzen_configs().items()}
    figures = []
    for name, part in parts.items():
        ends = [Tolerance('at least', 335.0), Tolerance('at most', 350.0)] if name != 'GAN' else [None]
        for tolerance in ends:
            end = ' (upper end)' if tolerance and tolerance.relation == 'at most' else ''
            title = f'Parzen log-likelihood, {name}, sigma {_sigmas(part)}{end}'
            figures.append(Figure(title, over_examples(part.values['parzen']), 'nats', published[name], tolerance))
    return Outcome(figures, parts)


def _sigmas(part: Part) -> str:
    return ' and '.join(sorted({f'{sigma:.3f}' for sigma in part.values['sigma']}))


def measure_codes(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """The metrics on the test split, and its codes [n, 2]."""
    return {**metrics(method, dataset, state, ('test',)), 'codes': encode_split(method, dataset, state, 'test')}


def prior_config(kind: str) -> ConfigDict:
    """configs/adversarial_ae.py:mnist with a code in the plane under a prior of this shape."""
    config = adversarial_ae.get_config('mnist')
    config.prior.kind, config.prior.scale, config.model.latents = kind, 2.0 if kind == 'normal' else 4.0, 2
    return config


def run_priors(bench: Bench) -> Outcome:
    """Three shapes, with one seed, each pictured under the codes of the test split."""
    import jax

    from aejax.priors import shapes
    from aejax.runs.setup import load_data
    from aejax.visualization import latents

    label = load_data(bench.config(prior_config('normal')), bench.folders).split('test')['label']
    parts: dict[str, Part] = {}
    figures, pictures = [], {}
    for kind in PRIORS:
        config = prior_config(kind)
        parts[kind] = part = run_part(bench, f'prior {kind}', config, measure_codes, tuple(bench.seeds[:1]))
        figures.append(
            Figure(f'squared error of the reconstruction, {kind} prior', over_examples(part.values['test_squared_error']), '')
        )
        drawn = shapes.from_config(config.prior, 2).sample(jax.random.key(0), 5_000)
        pictures[f'-{kind}'] = latents.latent_map(part.values['codes'][0], label, under=np.asarray(drawn))
    return Outcome(figures, parts, pictures=pictures)


def semi_supervised_config(num: int, draw: int) -> ConfigDict:
    """configs/semi_supervised_aae.py:mnist with so many labels, those of this draw."""
    config = semi_supervised_aae.get_config('mnist')
    config.data.num_labelled, config.data.label_seed = num, draw
    return config


def measure_error(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """The metrics on the test split."""
    return metrics(method, dataset, state, ('test',))


def run_semi_supervised(bench: Bench) -> Outcome:
    """One training for each number of labels and each draw of them, with one seed of all else."""
    parts: dict[str, Part] = {}
    figures = []
    draws, counts = (sequence[: 1 if bench.smoke else None] for sequence in (DRAWS, tuple(LABELS)))
    for num in counts:
        published, bound = LABELS[num]
        trained = [_few_labels(bench, num, draw) for draw in draws]
        parts |= {f'{num} labels, draw {draw}': part for draw, part in zip(draws, trained, strict=True)}
        errors = np.stack([part.values['test_classification_error'][0] for part in trained])
        figures.append(
            Figure(f'{num:,} labels: test error', over_examples(errors).scaled(100), '%', published, Tolerance('at most', bound))
        )
    return Outcome(figures, parts)


def _few_labels(bench: Bench, num: int, draw: int) -> Part:
    return run_part(bench, f'{num} labels, draw {draw}', semi_supervised_config(num, draw), measure_error, tuple(bench.seeds[:1]))


def clustering_config(clusters: int) -> ConfigDict:
    """configs/clustering_aae.py:mnist with so many clusters."""
    config = clustering_aae.get_config('mnist')
    config.clusters = clusters
    return config


def measure_clusters(method: Any, dataset: Dataset, state: TrainState) -> Values:
    """cluster_error of the test split, 0 or 1, [n], clusters named by the validation split."""
    logits = functools.partial(over_split, lambda state, x, key: method.cluster_logits(state.params, state.mutables, x), dataset)
    labels = cluster_labels(logits(state, 'validation'), dataset.split('validation')['label'])
    return {'cluster_error': cluster_errors(logits(state, 'test'), dataset.split('test')['label'], labels)}


def run_clustering(bench: Bench) -> Outcome:
    """Both numbers of clusters, with every seed."""
    counts: Sequence[int] = tuple(CLUSTERS)[: 1 if bench.smoke else None]
    parts = {str(num): run_part(bench, f'{num} clusters', clustering_config(num), measure_clusters) for num in counts}
    figures = []
    for num in counts:
        published, bound = CLUSTERS[num]
        error = over_examples(parts[str(num)].values['cluster_error']).scaled(100)
        tolerance = None if bound is None else Tolerance('at most', bound)
        figures.append(Figure(f'{num} clusters: test error', error, '%', published, tolerance))
    return Outcome(figures, parts)


_ADAM = 'Adam at 2e-4 for the reconstruction and 1e-4 for the adversaries (b1 0.5), batches of 100, 200 epochs'
_UNSEARCHED = 'Of published settings and public reproductions; nothing was searched on MNIST.'
TABLES = (
    Reproduction(
        name='makhzani2015.parzen',
        title='Parzen windows of an adversarial autoencoder and of a GAN',
        source=SOURCE,
        protocol='784-1200-1200-8 and mirrored, ReLU, dropout 0.2 in encoder, decoder and discriminator, prior N(0, 5^2 I), '
        f'squared error, {_ADAM}. The GAN: 100-1200-1200-784, dropout 0.3 in D, labels smoothed to 0.9, Adam at 2e-4. '
        f'{NUM_SAMPLES:,} samples; sigma the best of ten between 0.1 and 1, evenly spaced in log, on the first '
        f'{NUM_VALIDATION:,} validation images; all 10,000 test images, pixels in [0, 1].',
        target='at least 335 and at most 350 nats after 200 epochs',
        chosen=_UNSEARCHED,
        run=run_parzen,
    ),
    Reproduction(
        name='makhzani2015.priors',
        title='codes in the plane under three priors',
        source=SOURCE,
        protocol=f'As makhzani2015.parzen with two latents under N(0, 2^2 I), a ring of ten Gaussians and a swiss roll; {_ADAM}. '
        'Pictures of test codes over draws of the prior.',
        target='pictures',
        chosen=_UNSEARCHED,
        run=run_priors,
    ),
    Reproduction(
        name='makhzani2015.semi_supervised',
        title='adversarial autoencoder with few labels',
        source=SOURCE,
        protocol='784-1000-1000-(10 + 10) and mirrored, ReLU, two discriminators of 1000-1000, one with spectral norms, Gaussian '
        f'noise of 0.3 on the input of the encoder, {_ADAM}; 100 and 1,000 labels, balanced, {len(DRAWS)} draws of them.',
        target='test error at most 5 % with 100 labels, at most 2.2 % with 1,000',
        chosen=_UNSEARCHED,
        run=run_semi_supervised,
    ),
    Reproduction(
        name='makhzani2015.clustering',
        title='clusters found by an adversarial autoencoder',
        source=SOURCE,
        protocol='784-1000-1000-(K + 5) and mirrored, ReLU, two discriminators of 1000-1000, one with spectral norms, '
        f'{_ADAM}. Each cluster takes the label of its most confident validation image.',
        target='test error at most 6 % with 30 clusters',
        chosen=_UNSEARCHED,
        run=run_clustering,
    ),
)
