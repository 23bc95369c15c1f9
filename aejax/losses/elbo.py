"""The evidence lower bound."""

import chex

from aejax.types import Array


def elbo(log_likelihood: Array, kl: Array, beta: float | Array = 1.0) -> Array:
    """Evidence lower bound, E_q(z|x) log p(x|z) - beta KL(q(z|x), p(z)).

    At beta = 1 it bounds log p(x) from below; at any other beta it is an objective only. Both terms must be sums over their
    dimensions: a likelihood averaged over D pixels is the same as beta = D.

    Source: Kingma and Welling 2014, equation 3, https://arxiv.org/abs/1312.6114; beta: Higgins et al. 2017,
    https://openreview.net/forum?id=Sy2fzU9gl.

    Args:
        log_likelihood: the expectation, or its estimate: the mean of log p(x|z) over samples of z; [B].
        kl: [B].
        beta: weight of the KL term, a scalar.

    Returns:
        [B], in nats; the loss is minus its mean.

    Raises:
        AssertionError: a rank is wrong, or the batch sizes differ.
    """
    chex.assert_rank([log_likelihood, kl, beta], [1, 1, 0])
    chex.assert_equal_shape([log_likelihood, kl])
    return log_likelihood - beta * kl
