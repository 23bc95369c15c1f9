"""The evidence lower bound, and two changes of its KL term that keep a code from being given up early in training."""

import chex
import jax.numpy as jnp

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


def warmed_up(beta: float | Array, step: Array, num_steps: int) -> Array:
    """beta min(1, step / num_steps): the weight of the KL term while it grows in a line from 0 to beta.

    Source: Bowman et al. 2016, https://arxiv.org/abs/1511.06349; Soenderby et al. 2016, https://arxiv.org/abs/1602.02282.

    Args:
        beta: where it ends.
        step: of the training, from 0.
        num_steps: after which it stays; at least 1.

    Returns:
        A scalar.
    """
    return beta * jnp.minimum(1.0, step / num_steps)


def kl_with_free_bits(kl: Array, free_bits: float | Array) -> Array:
    """sum_j max(lambda, 1/B sum_b KL_bj): each dimension of the code may cost lambda nats before the loss counts it.

    The mean is over the batch, before the maximum: a dimension is free where its average cost is low, whatever single examples
    pay. So the examples of a batch are coupled; where each device averages its own share of a batch (pmap), the maximum is over
    smaller averages and the loss depends on the number of devices.

    Source: Kingma et al. 2016, Improving variational inference with inverse autoregressive flow, equation 15,
    https://arxiv.org/abs/1606.04934.

    Args:
        kl: of each dimension, [B, d].
        free_bits: lambda, in nats a dimension (the name is the literature's).

    Returns:
        A scalar, in nats per example.

    Raises:
        AssertionError: the rank is not 2.
    """
    chex.assert_rank(kl, 2)
    return jnp.sum(jnp.maximum(jnp.mean(kl, axis=0), free_bits))
