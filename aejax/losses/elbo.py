"""The evidence lower bound."""

import chex
import jax.numpy as jnp

from aejax.types import Array


def elbo(log_likelihood: Array, kl: Array, beta: float | Array = 1.0) -> Array:
    """Evidence lower bound, E_q(z|x) log p(x|z) - beta KL(q(z|x), p(z)); the expectation is a mean over L samples of z.

    At beta = 1 it bounds log p(x) from below; at any other beta it is an objective only. Both terms must be sums over their
    dimensions: a likelihood averaged over D pixels is the same as beta = D.

    Source: Kingma and Welling 2014, equation 3, https://arxiv.org/abs/1312.6114; beta: Higgins et al. 2017,
    https://openreview.net/forum?id=Sy2fzU9gl.

    Args:
        log_likelihood: log p(x|z), [B] for one sample or [L, B].
        kl: [B].
        beta: weight of the KL term, a scalar.

    Returns:
        [B], in nats; the loss is minus its mean.

    Raises:
        AssertionError: a rank is wrong, or the batch sizes differ.
    """
    chex.assert_rank([log_likelihood, kl, beta], [{1, 2}, 1, 0])
    expected = jnp.mean(log_likelihood, axis=0) if log_likelihood.ndim == 2 else log_likelihood
    chex.assert_equal_shape([expected, kl])
    return expected - beta * kl
