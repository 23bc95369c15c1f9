"""What metrics mean: definition, unit, which way is better. A metric that is missing here is shown by its name alone."""
# ruff: noqa: RUF001 (mathematical signs are meant)

import re
from typing import NamedTuple

from aejax.visualization.words import plain


class Meaning(NamedTuple):
    """A metric's heading, its definition, its unit, and which way is better: 'lower', 'higher' or '' where neither is.

    `{part}` stands for a pixel or a dimension, `{one}` for an image or an example.
    """

    title: str
    definition: str = ''
    unit: str = ''
    better: str = ''


METRICS = {
    'loss': Meaning('Loss', 'what the optimiser minimises, mean over the batch', '', 'lower'),
    'squared_error': Meaning(
        'Squared error', 'sum over {part}s of (x − x̂)², x̂ the reconstruction', 'squared input units per {one}', 'lower'
    ),
    'cross_entropy': Meaning(
        'Cross-entropy',
        'sum over {part}s of −x log x̂ − (1 − x) log(1 − x̂); for grey x its least value is not zero',
        'nats per {one}',
        'lower',
    ),
    'elbo': Meaning(
        'Evidence lower bound',
        'mean over q(z|x) of log p(x|z), less KL(q(z|x) ‖ p(z)), a lower bound on log p(x)',
        'nats per {one}',
        'higher',
    ),
    'negative_elbo': Meaning('Negative ELBO', 'minus the evidence lower bound', 'nats per {one}', 'lower'),
    'iwae': Meaning(
        'Importance-weighted bound',
        'log of the mean of k importance weights, a lower bound on log p(x)',
        'nats per {one}',
        'higher',
    ),
    'log_likelihood': Meaning(
        'Reconstruction log-likelihood', 'mean over q(z|x) of log p(x|z), the first term of the bound', 'nats per {one}', 'higher'
    ),
    'log_marginal': Meaning('Log-likelihood', 'estimate of log p(x)', 'nats per {one}', 'higher'),
    'log_density': Meaning('Log-density', 'log p(x) under the estimator', 'nats per {one}', 'higher'),
    'kl': Meaning('KL divergence', 'KL(q(z|x) ‖ p(z)), what the code costs', 'nats per {one}'),
    'jacobian_norm': Meaning(
        'Jacobian norm', 'Frobenius norm ‖J(x)‖ of the encoder’s Jacobian at x', 'code units per input unit'
    ),
    'saturation': Meaning('Saturation', 'share of hidden units below 0.05 or above 0.95', 'share in [0, 1]'),
    'l1': Meaning('L1 norm of the code', 'sum over units of |z|', 'code units'),
    'active_units': Meaning('Active units', 'latents whose mean moves with x', 'count'),
    'accuracy': Meaning('Accuracy', 'share of {one}s put in the right class', 'share in [0, 1]', 'higher'),
    'error_rate': Meaning('Error rate', 'share of {one}s put in the wrong class', 'share in [0, 1]', 'lower'),
    'classification_error': Meaning('Classification error', 'share of {one}s put in the wrong class', 'share in [0, 1]', 'lower'),
    'mmd': Meaning('Maximum mean discrepancy', 'distance between the codes and the prior, as a kernel sees it', '', 'lower'),
    'free_energy': Meaning(
        'Free energy', 'F(v) = −log of the sum over h of exp(−E(v, h)); only differences mean anything', 'nats per {one}'
    ),
    'gradient_norm': Meaning('Gradient norm', 'Euclidean norm of the gradient of all moving parameters', ''),
}


def meaning(name: str, is_image: bool) -> Meaning:
    """The meaning of a metric, 'phase/' before it and '_64' (a count of samples) behind it allowed."""
    phase, _, metric = name.rpartition('/')
    base, count = re.fullmatch(r'(.*?)(?:_(\d+))?', metric, re.DOTALL).groups()  # type: ignore[union-attr]
    known = METRICS.get(metric) or METRICS.get(base)
    if known is None:
        return Meaning(plain(name))
    part, one = ('pixel', 'image') if is_image else ('dimension', 'example')
    definition, unit = (text.replace('{part}', part).replace('{one}', one) for text in known[1:3])
    title = known.title + (f', k = {count}' if count and metric not in METRICS else '') + (f' ({phase})' if phase else '')
    return Meaning(title, definition, unit, known.better)
