"""Losses of a discriminator D and of what it is played against, from the logits a of D = sigmoid(a): per example, in nats.

The game is over V = E_real[log D] + E_fake[log(1 - D)]. The discriminator maximises V and the generator minimises it; some
lecture notes have it the other way round, or the second logarithm inside the first. Against the best discriminator,
D = p_real / (p_real + p_fake), V = 2 JSD(p_real, p_fake) - 2 log 2.

Source: Goodfellow et al. 2014, Generative adversarial nets, https://arxiv.org/abs/1406.2661.
"""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp

from aejax.distributions.reduction import sum_per_example
from aejax.types import Array, UserError

GENERATOR_LOSSES = ('non_saturating', 'minimax')


def discriminator_loss(real_logits: Array, fake_logits: Array, real_label: float | Array = 1.0) -> Array:
    """-log D(real) - log(1 - D(fake)) = softplus(-a_real) + softplus(a_fake): its mean is -V.

    With one-sided label smoothing, t = `real_label` < 1, the first term is the cross-entropy to the target t,
    -t log D(real) - (1 - t) log(1 - D(real)), which stops a sure discriminator from growing surer (Salimans et al. 2016,
    https://arxiv.org/abs/1606.03498, section 3.4). The target of fakes stays 0.

    Args:
        real_logits: [B].
        fake_logits: [B].
        real_label: t, in (0, 1].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: a rank is not 1, or the batch sizes differ.
    """
    chex.assert_rank([real_logits, fake_logits], 1)
    chex.assert_equal_shape([real_logits, fake_logits])
    real = real_label * jax.nn.softplus(-real_logits) + (1.0 - real_label) * jax.nn.softplus(real_logits)
    return real + jax.nn.softplus(fake_logits)


def generator_loss(fake_logits: Array, kind: str = 'non_saturating') -> Array:
    """What the generator minimises: -log D(fake) ('non_saturating') or the game's own log(1 - D(fake)) ('minimax').

    Both have the same fixed point; the second loses its gradient where the discriminator is sure, which is where training begins.

    Args:
        fake_logits: [B].
        kind: one of GENERATOR_LOSSES.

    Returns:
        [B], in nats; softplus(-a) or -softplus(a).

    Raises:
        UserError: there is no such kind.
        AssertionError: the rank is not 1.
    """
    chex.assert_rank(fake_logits, 1)
    check_kind(kind)
    return jax.nn.softplus(-fake_logits) if kind == 'non_saturating' else -jax.nn.softplus(fake_logits)


def check_kind(kind: str) -> None:
    """Raises UserError where there is no generator loss of that name."""
    if kind not in GENERATOR_LOSSES:
        raise UserError(f'generator_loss is {kind!r}; choose one of {", ".join(GENERATOR_LOSSES)}')


def check_real_label(real_label: float) -> None:
    """Raises UserError where the discriminator's target for real data is no probability, or 0."""
    if not (isinstance(real_label, int | float) and 0 < real_label <= 1):
        raise UserError(f'real_label={real_label} must be above 0 and at most 1')


def r1_penalty(discriminate: Callable[[Array], Array], x: Array) -> Array:
    """1/2 norm(grad_x a(x))^2 of the discriminator's logits at real x: the weight gamma is the caller's.

    Source: Mescheder et al. 2018, Which training methods for GANs do actually converge?, equation 9,
    https://arxiv.org/abs/1801.04406.

    Args:
        discriminate: x [B, ...] -> logits [B], each of its own example only.
        x: real examples, [B, ...].

    Returns:
        [B], in squared nats per squared unit of x.
    """
    gradient = jax.grad(lambda x: jnp.sum(discriminate(x)))(x)
    return 0.5 * sum_per_example(jnp.square(gradient))


def discriminator_health(real_logits: Array, fake_logits: Array) -> dict[str, Array]:
    """{'d_real': D(real), 'd_fake': D(fake)}, each [B]: both near 1/2 where the two cannot be told apart."""
    return {'d_real': jax.nn.sigmoid(real_logits), 'd_fake': jax.nn.sigmoid(fake_logits)}
