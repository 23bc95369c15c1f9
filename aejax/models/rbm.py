"""The restricted Boltzmann machine (RBM) as pure functions of {'kernel': W [D, m], 'visible_bias': b [D], 'hidden_bias': c [m]}.

E(v, h) = u(v) - v b - h c - v W h with h in {0, 1}^m, and p(v, h) = exp(-E(v, h)) / Z. The visible units are a family with
natural parameter eta = b + W h: binary, v in {0, 1}^D with u = 0, or Gaussian of unit variance, v in R^D with u = ||v||^2 / 2.
(Some write ||v - b||^2 / 2 - h c - v W h for the latter: it differs by the constant ||b||^2 / 2, which moves into log Z.)

Both conditionals factorise: p(h_j = 1 given v) = sigmoid(c_j + sum_i v_i W_ij), and p(v given h) is the family's at eta.

Source: Hinton 2012, A practical guide to training restricted Boltzmann machines,
https://www.cs.toronto.edu/~hinton/absps/guideTR.pdf.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.distributions import bernoulli, normal
from aejax.distributions.reduction import sum_per_example
from aejax.types import Array, Key, Params


class Visible(NamedTuple):
    """The family of the visible units.

    Attributes:
        base: u(v), [B, D] -> [B].
        log_partition: A(eta) = log of the sum (or integral) over v of exp(eta v - u(v)), [B, D] -> [B].
        mean: of v at eta, [B, D] -> [B, D].
        sample: (key, eta) -> v.
    """

    base: Callable[[Array], Array]
    log_partition: Callable[[Array], Array]
    mean: Callable[[Array], Array]
    sample: Callable[[Key, Array], Array]


BINARY = Visible(
    base=lambda v: jnp.zeros(len(v)),
    log_partition=lambda eta: sum_per_example(jax.nn.softplus(eta)),
    mean=jax.nn.sigmoid,
    sample=bernoulli.sample,
)
GAUSSIAN = Visible(
    base=lambda v: 0.5 * sum_per_example(jnp.square(v)),
    log_partition=lambda eta: 0.5 * sum_per_example(jnp.square(eta) + math.log(2 * math.pi)),
    mean=lambda eta: eta,
    sample=lambda key, eta: normal.sample(key, eta, jnp.zeros_like(eta)),
)
VISIBLE = {'binary': BINARY, 'gaussian': GAUSSIAN}


def init(key: Key, num_visible: int, num_hidden: int, std: float = 0.01) -> dict[str, Array]:
    """A kernel of normal draws with deviation `std`, and zero biases (Hinton 2012, section 8)."""
    kernel = std * jax.random.normal(key, (num_visible, num_hidden))
    return {'kernel': kernel, 'visible_bias': jnp.zeros(num_visible), 'hidden_bias': jnp.zeros(num_hidden)}


def hidden_logits(params: Params, v: Array) -> Array:
    """c + v W, the logits of p(h given v): [B, D] -> [B, m]."""
    return v @ params['kernel'] + params['hidden_bias'][None, :]


def visible_parameter(params: Params, h: Array) -> Array:
    """eta = b + W h, the natural parameter of p(v given h), logits or means: [B, m] -> [B, D]."""
    return h @ params['kernel'].T + params['visible_bias'][None, :]


def energy(params: Params, v: Array, h: Array, visible: Visible = BINARY) -> Array:
    """E(v, h) = u(v) - v b - h c - v W h: [B, D] and [B, m] -> [B]."""
    return visible.base(v) - v @ params['visible_bias'] - sum_per_example(h * hidden_logits(params, v))


def free_energy(params: Params, v: Array, visible: Visible = BINARY) -> Array:
    """F(v) = -log sum_h exp(-E(v, h)) = u(v) - v b - sum_j softplus(c_j + (v W)_j): [B, D] -> [B], log p(v) = -F(v) - log Z."""
    return visible.base(v) - v @ params['visible_bias'] - sum_per_example(jax.nn.softplus(hidden_logits(params, v)))


def hidden_free_energy(params: Params, h: Array, visible: Visible = BINARY) -> Array:
    """-log sum_v exp(-E(v, h)) = -h c - A(b + W h), the visible units summed (or integrated) out: [B, m] -> [B]."""
    return -h @ params['hidden_bias'] - visible.log_partition(visible_parameter(params, h))


def gibbs_step(params: Params, key: Key, v: Array, visible: Visible = BINARY) -> Array:
    """h ~ p(h given v), then a new v ~ p(v given h): [B, D] -> [B, D]. It leaves p(v) as it is, and is reversible under it."""
    hidden_key, visible_key = jax.random.split(key)
    h = bernoulli.sample(hidden_key, hidden_logits(params, v))
    return visible.sample(visible_key, visible_parameter(params, h))


def gibbs_chain(params: Params, key: Key, v: Array, num_steps: int, visible: Visible = BINARY) -> Array:
    """`num_steps` Gibbs steps from v, each with the key folded with its index: [B, D] -> [B, D]."""

    def step(i: Array, v: Array) -> Array:
        return gibbs_step(params, jax.random.fold_in(key, i), v, visible)

    return jax.lax.fori_loop(0, num_steps, step, v)


def pseudo_log_likelihood(params: Params, v: Array, units: Array) -> Array:
    """D times the mean over `units` of log p(v_i given all other v), of binary visible units, in nats.

    With every unit once it is the pseudo-log-likelihood sum_i log p(v_i given the others), with random units an unbiased
    estimate of it. p(v_i = 1 given the others) has the logit F(v with v_i = 0) - F(v with v_i = 1). Of grey v it is minus a
    cross-entropy.

    Args:
        params: of the RBM.
        v: [B, D].
        units: which ones, for each example, int [U, B].

    Returns:
        [B].
    """
    hidden, rows = hidden_logits(params, v), jnp.arange(len(v))

    def logit(unit: Array) -> Array:
        weights = params['kernel'][unit]
        off = hidden - v[rows, unit][:, None] * weights
        return params['visible_bias'][unit] + sum_per_example(jax.nn.softplus(off + weights) - jax.nn.softplus(off))

    logits = jax.lax.map(logit, units)
    return bernoulli.log_prob(v[rows[:, None], units.T], logits.T) * (v.shape[1] / len(units))


@jax.custom_vjp
def centred(params: Params, visible_mean: Array, hidden_mean: Array) -> Params:
    """`params` as they are; the gradient that comes back through them is the centred one.

    With offsets mu, lambda the same RBM is E = u(v) - v b' - h c' - (v - mu) W (h - lambda), where b = b' - W lambda and
    c = c' - mu W. A gradient step on (W, b', c'), mapped back to the plain parameters, is a step along

      dW = gW - mu gc^T - gb lambda^T,    db = gb - dW lambda,    dc = gc - mu dW

    with g the plain gradient: for any offsets a descent direction, and at offsets near the means of v and h a better conditioned
    one. At zero offsets it is the plain gradient.

    Source: Melchior, Fischer & Wiskott 2016, How to center deep Boltzmann machines, https://jmlr.org/papers/v17/14-237.html.

    Args:
        params: of the RBM.
        visible_mean: mu, [D].
        hidden_mean: lambda, [m].
    """
    return params


def _centred_forward(params: Params, visible_mean: Array, hidden_mean: Array) -> tuple[Params, tuple[Array, Array]]:
    return params, (visible_mean, hidden_mean)


def _centred_backward(offsets: tuple[Array, Array], gradient: Params) -> tuple[Params, Array, Array]:
    mu, lambda_ = offsets
    kernel = gradient['kernel'] - jnp.outer(mu, gradient['hidden_bias']) - jnp.outer(gradient['visible_bias'], lambda_)
    moved = {
        'kernel': kernel,
        'visible_bias': gradient['visible_bias'] - kernel @ lambda_,
        'hidden_bias': gradient['hidden_bias'] - mu @ kernel,
    }
    return moved, jnp.zeros_like(mu), jnp.zeros_like(lambda_)


centred.defvjp(_centred_forward, _centred_backward)
