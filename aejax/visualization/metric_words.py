"""What metrics mean: definition, unit, which way is better. A metric that is missing here is shown by its name alone."""
# ruff: noqa: RUF001 (mathematical signs are meant)

import re
from typing import Any, NamedTuple

from aejax.visualization.numbers import is_finite, with_error
from aejax.visualization.words import plain


class Meaning(NamedTuple):
    """A metric's heading, its definition, its unit, and which way is better: 'lower', 'higher' or '' where neither is.

    `{part}` stands for a pixel or a dimension, `{one}` for an image, a point or an example. A share is shown in per cent.
    """

    title: str
    definition: str = ''
    unit: str = ''
    better: str = ''
    is_share: bool = False


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
    'denoising_squared_error': Meaning(
        'Squared error of denoising',
        'sum over {part}s of (x − x̂)², x the clean {one}, x̂ what is made of a corrupted one',
        'squared input units per {one}',
        'lower',
    ),
    'denoising_cross_entropy': Meaning(
        'Cross-entropy of denoising',
        'as the cross-entropy, of x the clean {one} and x̂ what is made of a corrupted one',
        'nats per {one}',
        'lower',
    ),
    'corrupted_squared_error': Meaning(
        'Squared error of the corruption',
        'sum over {part}s of (x − x̃)², x̃ the corrupted {one}: the error of doing nothing',
        'squared input units per {one}',
    ),
    'elbo': Meaning(
        'Evidence lower bound',
        'lower bound on log p(x), or on log p(x, y) where the model is told the class y: mean over codes z of log p(x|z), less '
        'the cost of the code, its KL divergence from the prior, and that of the class, where there is one',
        'nats per {one}',
        'higher',
    ),
    'elbo_labelled': Meaning(
        'Bound with the label', 'lower bound on log p(x, y), y the true label', 'nats per {one}', 'higher'
    ),
    'conditional_elbo': Meaning(
        'Bound given the label', 'lower bound on log p(x|y), y the true label', 'nats per {one}', 'higher'
    ),
    'm1_elbo': Meaning(
        'Evidence lower bound of M1', 'lower bound on log p(x) by the autoencoder alone', 'nats per {one}', 'higher'
    ),
    'code_elbo': Meaning(
        'Bound of the codes', 'lower bound on log p(z₁), z₁ a code of M1 that was drawn', 'nats per {one}', 'higher'
    ),
    'code_elbo_labelled': Meaning(
        'Bound of the codes with the label', 'lower bound on log p(z₁, y), y the true label', 'nats per {one}', 'higher'
    ),
    'kept_dimensions': Meaning('Dimensions kept', 'of M1’s code: those whose mean moves with the data, which M2 is trained on'),
    'iwae_bound': Meaning(
        'Importance-weighted bound',
        'log of the mean of k importance weights, a lower bound on log p(x)',
        'nats per {one}',
        'higher',
    ),
    'log_likelihood': Meaning(
        'Reconstruction log-likelihood', 'mean over q(z|x) of log p(x|z), the first term of the bound', 'nats per {one}', 'higher'
    ),
    'kl': Meaning('KL divergence', 'KL(q(z|x) ‖ p(z)), what the code costs', 'nats per {one}'),
    'pseudo_log_likelihood': Meaning(
        'Pseudo-log-likelihood', 'sum over {part}s of log p(xᵢ | all others)', 'nats per {one}', 'higher'
    ),
    'free_energy': Meaning(
        'Free energy', 'F(x) = −log of the sum over h of exp(−E(x, h)); only differences mean anything', 'nats per {one}'
    ),
    'jacobian_norm': Meaning(
        'Jacobian norm', 'Frobenius norm ‖J(x)‖ of the encoder’s Jacobian at x', 'code units per input unit'
    ),
    'code_change': Meaning(
        'Change of the code', '‖h(x) − h(x̃)‖², x̃ the corrupted {one}', 'squared code units'
    ),
    'saturation': Meaning('Saturation', 'share of hidden units below 0.05 or above 0.95', '% of units', is_share=True),
    'active_share': Meaning('Active units', 'share of the code’s units that are active', '% of units', is_share=True),
    'dead_units': Meaning('Dead units', 'share of the code’s units that no {one} makes active', '% of units', is_share=True),
    'active_latents': Meaning(
        'Active latents',
        'share of the code’s dimensions whose posterior mean tells {one}s apart: its variance over {one}s is above 0.01',
        '% of dimensions',
        is_share=True,
    ),
    'lifetime_of_living_units': Meaning(
        'Lifetime of units', 'share of {one}s that make a unit active, mean over the units that are not dead', '% of {one}s',
        is_share=True,
    ),
    'mean_activation': Meaning('Mean activation', 'mean over the units of the code', 'code units'),
    'kl_to_rate': Meaning(
        'KL divergence to the target rate', 'sum over units of KL(ρ ‖ mean activation over the batch)', 'nats per batch'
    ),
    'l1': Meaning('L1 norm of the code', 'sum over units of |z|', 'code units'),
    'classification_error': Meaning(
        'Classification error', 'share of {one}s whose most probable label is wrong', '% of {one}s', 'lower', is_share=True
    ),
    'classification_nll': Meaning(
        'Classification log-loss', '−log p(y|x) of the true label y', 'nats per {one}', 'lower'
    ),
    'head_repulsion': Meaning(
        'Repulsion of the cluster heads', 'sum over pairs of heads of what they lack to the distance asked for', 'code units'
    ),
    'd_reconstruction': Meaning('Discriminator on reconstructions', 'D of reconstructions', '%', is_share=True),
    'code_d_real': Meaning('Code discriminator on the prior', 'D of draws from the prior; near 50 % at best', '%', is_share=True),
    'code_d_fake': Meaning('Code discriminator on codes', 'D of the codes of {one}s', '%', is_share=True),
    'feature_log_likelihood': Meaning(
        'Log-likelihood of features',
        'mean over q(z|x) of log p(f(x)|z), f what the discriminator sees: it moves with the discriminator',
        'nats per {one}',
    ),
    'total_variation': Meaning(
        'Total variation', 'sum over neighbouring pixels of their difference, of the reconstruction', 'input units per {one}'
    ),
    'd_real': Meaning(
        'Discriminator on real', 'D of what is real to it; near 50 % on both where it cannot tell', '%', is_share=True
    ),
    'd_fake': Meaning('Discriminator on fakes', 'D of what it is to tell from that', '%', is_share=True),
    'category_d_real': Meaning(
        'Category discriminator on real', 'D of one-hot draws; near 50 % on both where it cannot tell', '%', is_share=True
    ),
    'category_d_fake': Meaning('Category discriminator on fakes', 'D of the categories of {one}s', '%', is_share=True),
    'r1': Meaning('R1 penalty', 'half the squared gradient of the discriminator’s logits at data', ''),
    'energy_score': Meaning(
        'Energy score',
        'mean distance of {one}s from samples, less half the mean distance between samples; least where both are alike',
        'input units',
        'lower',
    ),
    'cluster_error': Meaning(
        'Clustering error',
        'share of {one}s whose cluster has another label, that of its most confident validation example, than they have',
        '% of {one}s',
        'lower',
        is_share=True,
    ),
    'gradient_norm': Meaning('Gradient norm', 'Euclidean norm of the gradient of all moving parameters', ''),
}  # fmt: skip


def meaning(name: str, one: str = 'example') -> Meaning:
    """The meaning of a metric over images, points or examples; 'phase/' before it and '_64' (a count of samples) behind go."""
    phase, _, metric = name.rpartition('/')
    base, count = re.fullmatch(r'(.*?)(?:_(\d+))?', metric, re.DOTALL).groups()  # type: ignore[union-attr]
    known = METRICS.get(metric) or METRICS.get(base)
    if known is None:
        return Meaning(plain(name))
    part = 'pixel' if one == 'image' else 'dimension'
    definition, unit = (text.replace('{part}', part).replace('{one}', one) for text in known[1:3])
    title = known.title + (f', k = {count}' if count and metric not in METRICS else '') + (f' ({phase})' if phase else '')
    return known._replace(title=title, definition=definition, unit=unit)


def shown(words: Meaning, mean: Any, error: Any = None) -> str:
    """A figure as people read it, with its standard error where it has one: '4.20 ± 0.10'; a share as '2.33 ± 0.87 %'."""
    if not (words.is_share and is_finite(mean)):
        return with_error(mean, error)
    return with_error(100.0 * mean, 100.0 * error if is_finite(error) else None) + ' %'
