"""VampPrior, the variational mixture of posteriors: p(z) = 1/K sum_k q(z given u_k) with K learned pseudo-inputs u_k.

The optimal prior of the bound is the mean of q(z given x) over all the data; this one spends K inputs of its own on it. As the
encoder is part of the prior, gradients of log p(z) move both.

Where data lie in [0, 1] so do pseudo-inputs, as u = sigmoid(a); the paper cuts them off at 0 and 1, which stops the gradient
of what has been cut. Elsewhere u = a.

Source: Tomczak & Welling 2018, VAE with a VampPrior, https://arxiv.org/abs/1705.07120.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from aejax.priors.mixture import Components
from aejax.types import Array, Key


def init(key: Key, num_components: int, shape: Sequence[int]) -> Array:
    """a ~ N(0, I), [K, ...] for examples of this shape: no two pseudo-inputs alike."""
    return jax.random.normal(key, (num_components, *shape))


def pseudo_inputs(free: Array, in_unit_interval: bool) -> Array:
    """u [K, ...] from the parameters a [K, ...]."""
    return jax.nn.sigmoid(free) if in_unit_interval else free


def components(posterior: Callable[[Array], tuple[Array, Array]], pseudo_inputs: Array) -> Components:
    """The mixture that the prior is: q(z given u_k), all of weight 1/K.

    Args:
        posterior: x [K, ...] -> (mean, log_variance), each [K, d].
        pseudo_inputs: u, [K, ...].
    """
    mean, log_variance = posterior(pseudo_inputs)
    return Components(jnp.zeros(len(mean)), mean, log_variance)
