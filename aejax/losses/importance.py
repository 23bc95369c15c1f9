"""Importance-weighted bounds on log p(x), from k log-weights log w_i = log p(x, z_i) - log q(z_i given x) an example.

    L_k = E[log 1/k sum_i w_i],    L_1 = ELBO <= L_k <= L_{k+1} <= log p(x)

Source: Burda, Grosse & Salakhutdinov 2016, Importance weighted autoencoders, https://arxiv.org/abs/1509.00519.
"""

import math
from collections.abc import Callable
from typing import Any

import chex
import jax
import jax.numpy as jnp

from aejax.types import Array

GRADIENTS = ('plain', 'stl', 'dreg')


def iwae_bound(log_weights: Array) -> Array:
    """The bound of each example, log 1/k sum_i w_i = logsumexp(log w) - log k: one unbiased estimate of L_k.

    Args:
        log_weights: [k, B].

    Returns:
        [B], in nats.

    Raises:
        AssertionError: the rank is not 2.
    """
    chex.assert_rank(log_weights, 2)
    return jax.nn.logsumexp(log_weights, axis=0) - math.log(len(log_weights))


def normalised_weights(log_weights: Array) -> Array:
    """w_i / sum_j w_j of each example, [k, B] -> [k, B]: what each sample contributes to the gradient of the bound."""
    chex.assert_rank(log_weights, 2)
    return jax.nn.softmax(log_weights, axis=0)


def surrogate_log_weights(log_weight: Callable[[Array, Any], Array], z: Array, proposal: Any, gradient: str = 'plain') -> Array:
    """Log-weights [k, B] whose `iwae_bound`, or mean over k, has the gradient called `gradient`. Its value is the same for all.

    With phi the parameters of q, theta all others, z_i = z(phi, eps_i) and v_i = w_i / sum_j w_j, the gradient of the bound is

        theta:        sum_i v_i d log w_i / d theta
        phi, 'plain': sum_i v_i (d log w_i / d z_i d z_i / d phi - d log q(z_i) / d phi)
        phi, 'stl':   sum_i v_i d log w_i / d z_i d z_i / d phi
        phi, 'dreg':  sum_i v_i^2 d log w_i / d z_i d z_i / d phi

    'plain' is ordinary reparameterisation. 'stl' (sticking the landing) leaves out the score of q, which has mean zero for one
    sample: it is unbiased for k = 1 and for the mean of log w over k (the ELBO), where its variance falls to zero as q becomes
    exact. For k > 1 the weights depend on phi, the score's mean is not zero, and 'stl' is biased. 'dreg' (doubly
    reparameterised) turns that mean into another path through z and is unbiased for every k; at k = 1 it is 'stl'. It belongs to
    `iwae_bound`, not to the mean over k.

    Source: Roeder, Wu & Duvenaud 2017, https://arxiv.org/abs/1703.09194; Tucker et al. 2018, https://arxiv.org/abs/1810.04152.

    Args:
        log_weight: (z, proposal) -> log w [k, B]. Through `proposal` it may reach nothing but log q(z given x); parameters of the
            model it closes over.
        z: reparameterised samples, [k, B, d].
        proposal: what q is computed from: its mean and log-variance, or an encoder's parameters.
        gradient: one of GRADIENTS.

    Returns:
        [k, B].

    Raises:
        ValueError: there is no such gradient.
        AssertionError: z or the log-weights have another rank.
    """
    if gradient not in GRADIENTS:
        raise ValueError(f'gradient is {gradient!r}; choose one of {", ".join(GRADIENTS)}')
    chex.assert_rank(z, 3)
    if gradient != 'plain':
        proposal = jax.lax.stop_gradient(proposal)
    if gradient == 'dreg':
        # The same numbers are computed twice on paper only: XLA finds that both passes forward are one.
        weights = normalised_weights(jax.lax.stop_gradient(log_weight(z, proposal)))
        z = scale_gradient(z, weights[:, :, None])
    return log_weight(z, proposal)


@jax.custom_vjp
def scale_gradient(values: Array, scale: Array) -> Array:
    """`values` as they are, while gradients that come back through them are multiplied by `scale` (a constant, broadcast)."""
    return values


def _scale_forward(values: Array, scale: Array) -> tuple[Array, Array]:
    return values, scale


def _scale_backward(scale: Array, cotangent: Array) -> tuple[Array, Array]:
    return scale * cotangent, jnp.zeros_like(scale)


scale_gradient.defvjp(_scale_forward, _scale_backward)
