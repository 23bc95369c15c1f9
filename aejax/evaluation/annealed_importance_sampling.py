"""log p(x) of a decoder by annealed importance sampling (AIS), and between two bounds where x was drawn from the decoder itself.

Chains go from the prior to the posterior through p_t(z), proportional to p(z) p(x given z)^beta_t with beta_0 = 0 and beta_T = 1,
by transitions of Hamiltonian Monte Carlo that leave p_t as it is, and collect

    log w = sum_t (beta_t - beta_{t-1}) log p(x given z_{t-1}),   E[w] = p(x).

No encoder is needed, so what it finds does not depend on how good one is. By Jensen's inequality log of the mean w is at most
log p(x) in expectation. In reverse, from an exact draw z of p(z given x) back to the prior, exp(-log w) has mean 1 / p(x) and
the bound is an upper one: bidirectional Monte Carlo (BDMC). An exact draw is at hand where x was simulated: z from the prior,
x from p(x given z). The gap between the bounds says how far AIS is to be trusted with this decoder.

Step sizes are adapted as the chains move, one for all chains of an example. A step that depends on where its chains have been
leaves p_t only nearly as it is, so `bdmc` adapts on chains of their own, and holds the steps fixed in those that count.

Source: Neal 2001, https://doi.org/10.1023/A:1008923215028; Wu, Burda, Salakhutdinov & Grosse 2017,
https://arxiv.org/abs/1611.04273; BDMC: Grosse, Ghahramani & Adams 2015, https://arxiv.org/abs/1511.02543.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp
from jax.typing import ArrayLike

from aejax.distributions.reduction import repeat
from aejax.evaluation import hmc
from aejax.evaluation.hmc import Point
from aejax.evaluation.ladder import checked
from aejax.settings import check_counts
from aejax.types import Array, Key, Mutables, Params, UserError

ACCEPTANCE = 0.65
"""The mean probability of acceptance that steps are adapted to."""
FIRST_STEP = 0.2
ADAPTATION = 0.1
"""log step grows by this times (acceptance - ACCEPTANCE) a transition."""


class Annealed(NamedTuple):
    """What the chains have found.

    Attributes:
        log_weights: [chains, B], nats. exp of it has mean p(x); in reverse exp of minus it has mean 1 / p(x).
        step_sizes: used at each temperature, [T, B].
        acceptance: mean probability of acceptance at each temperature, [T, B].
        z: where the chains ended, [chains, B, d].
    """

    log_weights: Array
    step_sizes: Array
    acceptance: Array
    z: Array


class Sandwich(NamedTuple):
    """Bounds on log p(x) that hold in expectation, [B] each, in nats, and the standard errors of both (delta method).

    That of the upper bound is the error given the one draw z that all its chains begin at: it does not see that another z would
    have given another bound. The spread over many simulated x does.
    """

    lower: Array
    upper: Array
    lower_error: Array
    upper_error: Array


def linear_betas(num: int) -> np.ndarray:
    """beta_t = t / T, t = 0..T: [num + 1] with T = num."""
    check_counts({'num': num})
    return np.linspace(0.0, 1.0, num + 1)


def sigmoidal_betas(num: int, steepness: float = 4.0) -> np.ndarray:
    """beta_t = (s_t - s_0) / (s_T - s_0), s_t = sigmoid(steepness (2 t / T - 1)), [num + 1]: small steps at both ends."""
    check_counts({'num': num})
    s = 1 / (1 + np.exp(-steepness * np.linspace(-1.0, 1.0, num + 1)))
    return (s - s[0]) / (s[-1] - s[0])


def ais(
    method: Any,
    params: Params,
    mutables: Mutables,
    key: Key,
    x: Array,
    betas: ArrayLike,
    num_chains: int = 16,
    num_leapfrog: int = 10,
    step_sizes: Array | None = None,
) -> Annealed:
    """Chains from the prior to p(z given x); `log_mean_weight` makes a lower bound of them.

    Pure: compile it with method, betas and counts held fixed.

    Args:
        method: with sample_prior, prior_log_prob and likelihood.
        params: its parameters.
        mutables: its mutables.
        key: consumed.
        x: [B, ...], in model space.
        betas: beta_0 = 0 .. beta_T = 1, of `sigmoidal_betas` or `linear_betas`.
        num_chains: an example.
        num_leapfrog: steps a transition.
        step_sizes: [T, B] held fixed; by default they are adapted.

    Raises:
        ValueError: betas do not rise from 0 to 1.
        UserError: the method lacks one of the three, or there is no chain or no step.
    """
    ladder = _ladder(method, betas, num_chains, num_leapfrog)
    start_key, chain_key = jax.random.split(key)
    z = method.sample_prior(params, mutables, start_key, num_chains * len(x))
    return _anneal(method, params, mutables, chain_key, x, z, ladder, num_leapfrog, step_sizes)


def reverse_ais(
    method: Any,
    params: Params,
    mutables: Mutables,
    key: Key,
    x: Array,
    z: Array,
    betas: ArrayLike,
    num_chains: int = 16,
    num_leapfrog: int = 10,
    step_sizes: Array | None = None,
) -> Annealed:
    """Chains from z [B, d], an exact draw of p(z given x), to the prior. All arguments are those of `ais`, by the same t.

    Raises:
        ValueError: betas do not rise from 0 to 1.
        UserError: as of `ais`.
    """
    ladder = _ladder(method, betas, num_chains, num_leapfrog)[::-1].copy()
    if step_sizes is not None:
        # The transition to beta_t takes the step that led there forward; that to beta_0 leads nowhere and takes any.
        step_sizes = jnp.concatenate([step_sizes[:-1][::-1], step_sizes[:1]])
    z = repeat(z, num_chains)
    found = _anneal(method, params, mutables, key, x, z, ladder, num_leapfrog, step_sizes)
    return found._replace(log_weights=-found.log_weights)


def bdmc(
    method: Any,
    params: Params,
    mutables: Mutables,
    key: Key,
    x: Array,
    z: Array,
    betas: ArrayLike,
    num_chains: int = 16,
    num_leapfrog: int = 10,
) -> Sandwich:
    """log p(x) of simulated x [B, ...] from both sides; z [B, d] are the codes that they were drawn from. Arguments as in `ais`.

    The upper bound of one x is right on average over draws of (z, x): judge it by its mean over many.

    Raises:
        ValueError: betas do not rise from 0 to 1.
        UserError: as of `ais`.
    """
    pilot_key, forward_key, reverse_key = jax.random.split(key, 3)
    about = (betas, num_chains, num_leapfrog)
    steps = ais(method, params, mutables, pilot_key, x, *about).step_sizes
    forward = ais(method, params, mutables, forward_key, x, *about, steps).log_weights
    reverse = reverse_ais(method, params, mutables, reverse_key, x, z, *about, steps).log_weights
    (lower, lower_error), (upper, upper_error) = log_mean_weight(forward), log_mean_weight(-reverse)
    return Sandwich(lower, -upper, lower_error, upper_error)


def log_mean_weight(log_weights: Array) -> tuple[Array, Array]:
    """log of the mean weight over chains and its standard error by the delta method: [chains, B] -> two of [B], in nats.

    The error is nan of one chain, and too small where few chains carry the sum.
    """
    num = len(log_weights)
    value = logsumexp(log_weights, axis=0) - jnp.log(num)
    return value, jnp.std(jnp.exp(log_weights - value[None]), axis=0, ddof=1) / jnp.sqrt(num)


def _ladder(method: Any, betas: ArrayLike, num_chains: int, num_leapfrog: int) -> np.ndarray:
    """The betas, when they, both numbers and the method are such as `ais` asks for."""
    ladder = checked(betas)
    check_counts({'num_chains': num_chains, 'num_leapfrog': num_leapfrog})
    if lacking := [name for name in ('sample_prior', 'prior_log_prob', 'likelihood') if not hasattr(method, name)]:
        raise UserError(f'annealed importance sampling needs {lacking[0]}, which {type(method).__name__} does not have')
    return ladder


def _anneal(
    method: Any,
    params: Params,
    mutables: Mutables,
    key: Key,
    x: Array,
    z: Array,
    betas: np.ndarray,
    num_leapfrog: int,
    step_sizes: Array | None,
) -> Annealed:
    """Chains from z [chains * B, d] along betas, up or down; log_weights sum (beta_t - beta_{t-1}) log p(x given z_{t-1})."""
    num_chains, num_examples = len(z) // len(x), len(x)
    repeated = repeat(x, num_chains)
    target = (
        functools.partial(method.prior_log_prob, params, mutables),
        lambda z: method.likelihood(params, mutables, z, repeated),
    )

    def step(carry: tuple[Point, Array, Array], inputs: tuple[Array, ...]) -> tuple[Any, tuple[Array, Array]]:
        at, log_weight, adapted = carry
        index, beta, new, fixed = inputs
        size = adapted if step_sizes is None else fixed
        log_weight += (new - beta) * at.log_likelihood
        sizes = jnp.broadcast_to(size[None], (num_chains, num_examples)).reshape(-1)
        at, accept = hmc.transition(*target, at, jax.random.fold_in(key, index), new, sizes, num_leapfrog)
        mean = jnp.mean(accept.reshape(num_chains, num_examples), axis=0)
        return (at, log_weight, adapted * jnp.exp(ADAPTATION * (mean - ACCEPTANCE))), (size, mean)

    ladder = jnp.asarray(betas, jnp.float32)
    given = jnp.zeros((len(betas) - 1, num_examples)) if step_sizes is None else step_sizes
    start = (hmc.point(*target, z), jnp.zeros(len(z)), jnp.full(num_examples, FIRST_STEP))
    (end, log_weight, _), (sizes, means) = jax.lax.scan(step, start, (jnp.arange(len(betas) - 1), ladder[:-1], ladder[1:], given))
    shape = (num_chains, num_examples)
    return Annealed(log_weight.reshape(shape), sizes, means, end.z.reshape(*shape, -1))
