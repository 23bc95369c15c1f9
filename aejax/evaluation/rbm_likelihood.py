"""log Z of a restricted Boltzmann machine: exact where one side is small, else by annealed importance sampling (AIS).

With it log p(v) = -F(v) - log Z. AIS moves M chains through RBMs p_beta between the base-rate model (no weights, visible biases
b_A) and the model itself,

  log p*_beta(v) = -u(v) + v ((1 - beta) b_A + beta b) + sum_j softplus(beta (c_j + (v W)_j)),

whose partition function at beta = 0 is known, and weighs each chain by the product of p*_{beta'}(v) / p*_beta(v) on its way.
Forward, from exact draws of the base-rate model, the mean weight is an unbiased estimate of Z: by Jensen's inequality its
logarithm is too low in expectation, and log p(v) too high. Reverse, from draws of the model, it is one of 1 / Z, and log Z comes
out too high. Together they bracket log Z; the reverse side is as good as its samples.

Source: Salakhutdinov & Murray 2008, https://doi.org/10.1145/1390156.1390266; reverse: Burda, Grosse & Salakhutdinov 2015,
https://arxiv.org/abs/1412.8566.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from aejax.distributions import bernoulli
from aejax.distributions.reduction import sum_per_example
from aejax.evaluation.ladder import checked
from aejax.models import rbm
from aejax.types import Array, Key, Params, UserError

LARGEST_EXACT = 22
"""Units that are summed out at most: 4 million configurations."""


class LogZ(NamedTuple):
    """An estimate of log Z, in nats.

    Attributes:
        log_z: the estimate.
        standard_error: of log_z, by the delta method from the spread of the weights; too small where few chains carry the sum.
        lower: from the mean weight minus (reverse: plus) three of its standard errors; -inf where that is not positive.
        upper: from the mean weight plus (reverse: minus) three of them; in reverse inf where that is not positive.
        log_weights: one a chain, [M]; its exp is an unbiased estimate of Z, in reverse exp of minus it one of 1 / Z.
    """

    log_z: float
    standard_error: float
    lower: float
    upper: float
    log_weights: np.ndarray


def log_prob(params: Params, v: Array, log_z: float, visible: rbm.Visible = rbm.BINARY) -> Array:
    """log p(v) = -F(v) - log Z, in nats: [B, D] -> [B]."""
    return -rbm.free_energy(params, v, visible) - log_z


def base_rate_bias(x: ArrayLike, visible: rbm.Visible = rbm.BINARY) -> np.ndarray:
    """Visible biases b_A [D] of the RBM without weights that fits x [n, ...] best.

    Binary units: the logit of each mean, with one example of zeros and one of ones added so that it is finite; Gaussian units:
    the mean.
    """
    flat = np.asarray(x, np.float64).reshape(len(np.asarray(x)), -1)
    if visible is not rbm.BINARY:
        return flat.mean(axis=0).astype(np.float32)
    mean = (flat.sum(axis=0) + 1) / (len(flat) + 2)
    return (np.log(mean) - np.log1p(-mean)).astype(np.float32)


def exact_log_z(params: Params, visible: rbm.Visible = rbm.BINARY, chunk: int = 2**13) -> float:
    """log Z = log sum_h exp(h c + A(b + W h)), or of binary visible units log sum_v exp(-F(v)), over the side with fewer units.

    Args:
        params: of the RBM.
        visible: family of its visible units.
        chunk: configurations at once, rounded up to a power of two.

    Raises:
        UserError: neither side can be summed out.
    """
    from scipy.special import logsumexp

    num_visible, num_hidden = params['kernel'].shape
    over_hidden = visible is not rbm.BINARY or num_hidden <= num_visible
    return float(logsumexp(_all_log_weights(params, visible, over_hidden, chunk)))


def exact_samples(
    params: Params, key: Key, num: int, visible: rbm.Visible = rbm.BINARY, chunk: int = 2**13
) -> tuple[Array, Array]:
    """Independent draws of the model: h from p(h), all configurations weighed, then v from p(v given h).

    Args:
        params: of the RBM.
        key: consumed.
        num: how many.
        visible: family of the visible units.
        chunk: configurations weighed at once.

    Returns:
        v [num, D] and h [num, m].

    Raises:
        UserError: there are too many hidden units.
    """
    log_weights = _all_log_weights(params, visible, True, chunk)
    cumulative = np.cumsum(np.exp(log_weights - log_weights.max()))
    hidden_key, visible_key = jax.random.split(key)
    at = np.asarray(jax.random.uniform(hidden_key, (num,)), np.float64) * cumulative[-1]
    h = _configurations(jnp.asarray(np.searchsorted(cumulative, at), jnp.int32), params['kernel'].shape[1])
    return visible.sample(visible_key, rbm.visible_parameter(params, h)), h


def _configurations(numbers: Array, num: int) -> Array:
    """The binary digits of `numbers` [n], lowest first, as floats [n, num]."""
    return ((numbers[:, None] >> jnp.arange(num)[None, :]) & 1).astype(jnp.float32)


def _all_log_weights(params: Params, visible: rbm.Visible, over_hidden: bool, chunk: int) -> np.ndarray:
    """log of the unnormalised probability of every configuration of the hidden (or visible) units, [2^num], float64.

    Raises:
        UserError: there are too many of them.
    """
    num_visible, num_hidden = params['kernel'].shape
    num = num_hidden if over_hidden else num_visible
    if num > LARGEST_EXACT:
        raise UserError(
            f'at most {LARGEST_EXACT} units can be summed out, and this RBM has {num_visible} visible and {num_hidden} hidden '
            'ones: use ais'
        )
    bits = min(num, math.ceil(math.log2(chunk)))
    return np.asarray(_log_weights(params, visible, over_hidden, num, bits), np.float64).ravel()


@functools.partial(jax.jit, static_argnames=('visible', 'over_hidden', 'num', 'bits'))
def _log_weights(params: Params, visible: rbm.Visible, over_hidden: bool, num: int, bits: int) -> Array:
    """Chunks of 2^bits configurations, [2^(num - bits), 2^bits]."""
    function = rbm.hidden_free_energy if over_hidden else rbm.free_energy

    def one(chunk: Array) -> Array:
        return -function(params, _configurations(chunk * 2**bits + jnp.arange(2**bits), num), visible)

    return jax.lax.map(one, jnp.arange(2 ** (num - bits)))


def inverse_temperatures(num: int = 14_500) -> np.ndarray:
    """beta from 0 to 1, [num]: of each 29, 1 below 0.5, 8 from there to 0.9 and 20 above: the paper's 500, 4,000 and 10,000.

    Raises:
        ValueError: fewer than 29 leave none below 0.5, and the first has to be 0.
    """
    if num < 29:
        raise ValueError(f'num={num} inverse temperatures are too few for these shares: give at least 29, or betas of your own')
    low, middle = num // 29, 8 * num // 29
    spans = ((0.0, 0.5, low, False), (0.5, 0.9, middle, False), (0.9, 1.0, num - low - middle, True))
    return np.concatenate([np.linspace(start, end, count, endpoint=last) for start, end, count, last in spans])


def ais(
    params: Params,
    key: Key,
    base_bias: ArrayLike,
    betas: ArrayLike | None = None,
    num_chains: int = 100,
    visible: rbm.Visible = rbm.BINARY,
) -> LogZ:
    """log Z from below: chains from the base-rate model to the RBM.

    Args:
        params: of the RBM.
        key: consumed.
        base_bias: b_A [D], of `base_rate_bias`.
        betas: from 0 up to 1; default `inverse_temperatures()`.
        num_chains: M.
        visible: family of the visible units.

    Raises:
        ValueError: betas do not rise from 0 to 1, or there is no chain.
    """
    if num_chains < 1:
        raise ValueError(f'num_chains={num_chains} must be at least 1')
    ladder, base = _ladder(betas), jnp.asarray(base_bias, jnp.float32)
    base_key, chain_key = jax.random.split(key)
    v = visible.sample(base_key, jnp.broadcast_to(base[None, :], (num_chains, len(base))))
    ratios = _annealed(params, base, chain_key, v, jnp.asarray(ladder, jnp.float32), visible)
    return _estimate(_base_log_z(params, base, visible) + np.asarray(ratios, np.float64))


def reverse_ais(
    params: Params,
    key: Key,
    base_bias: ArrayLike,
    samples: ArrayLike,
    betas: ArrayLike | None = None,
    visible: rbm.Visible = rbm.BINARY,
) -> LogZ:
    """log Z from above: chains from the RBM to the base-rate model; arguments as in `ais`.

    Args:
        params: of the RBM.
        key: consumed.
        base_bias: b_A [D].
        samples: draws of the model, [M, D]: the end of long Gibbs chains from training data, say, or exact ones.
        betas: from 0 up to 1.
        visible: family of the visible units.

    Raises:
        ValueError: betas do not rise from 0 to 1, or there is no sample.
    """
    if not np.size(samples):
        raise ValueError('samples are empty: a chain begins at each')
    ladder, base = _ladder(betas)[::-1].copy(), jnp.asarray(base_bias, jnp.float32)
    ratios = _annealed(params, base, key, jnp.asarray(samples), jnp.asarray(ladder, jnp.float32), visible)
    inverse = _estimate(np.asarray(ratios, np.float64) - _base_log_z(params, base, visible))
    return LogZ(-inverse.log_z, inverse.standard_error, -inverse.upper, -inverse.lower, -inverse.log_weights)


def _ladder(betas: ArrayLike | None) -> np.ndarray:
    return checked(inverse_temperatures() if betas is None else betas)


def _base_log_z(params: Params, base_bias: Array, visible: rbm.Visible) -> float:
    """A(b_A) + m log 2: the hidden units of the base-rate model are fair coins."""
    return float(visible.log_partition(base_bias[None, :])[0]) + params['kernel'].shape[1] * math.log(2)


@functools.partial(jax.jit, static_argnames='visible')
def _annealed(params: Params, base_bias: Array, key: Key, v: Array, betas: Array, visible: rbm.Visible) -> Array:
    """log of the product of p*_{betas[k + 1]}(v_k) / p*_{betas[k]}(v_k) along the chain that starts at v, [M].

    v_{k + 1} is a Gibbs step of the RBM at betas[k + 1] from v_k. The increments are written as differences, which float32 keeps;
    those of the free energies themselves would cancel.
    """

    def step(carry: tuple[Array, Array], inputs: tuple[Array, Array, Array]) -> tuple[tuple[Array, Array], None]:
        v, log_weight = carry
        index, beta, new = inputs
        hidden_key, visible_key = jax.random.split(jax.random.fold_in(key, index))
        logits = rbm.hidden_logits(params, v)
        log_weight += (new - beta) * (v @ (params['visible_bias'] - base_bias))
        log_weight += sum_per_example(jax.nn.softplus(new * logits) - jax.nn.softplus(beta * logits))
        h = bernoulli.sample(hidden_key, new * logits)
        parameter = new * rbm.visible_parameter(params, h) + ((1 - new) * base_bias)[None, :]
        return (visible.sample(visible_key, parameter), log_weight), None

    inputs = (jnp.arange(len(betas) - 1), betas[:-1], betas[1:])
    (_, log_weight), _ = jax.lax.scan(step, (v, jnp.zeros(len(v))), inputs)
    return log_weight


def _estimate(log_weights: np.ndarray) -> LogZ:
    """log of the mean weight, its standard error, and the interval of three standard errors of the mean weight."""
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    mean = weights.mean()
    error = weights.std(ddof=1) / math.sqrt(len(weights)) if len(weights) > 1 else math.nan
    with np.errstate(divide='ignore'):
        lower, upper = largest + np.log(np.maximum([mean - 3 * error, mean + 3 * error], 0.0))
    return LogZ(float(largest + np.log(mean)), float(error / mean), float(lower), float(upper), log_weights)
