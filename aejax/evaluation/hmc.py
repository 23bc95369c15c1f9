"""Hamiltonian Monte Carlo on p_beta(z), proportional to p(z) p(x given z)^beta: many chains side by side, each with its own step.

A transition draws v ~ N(0, I), follows the flow of the Hamiltonian H(z, v) = -log p(z) - beta log p(x given z) + 1/2 |v|^2 by
leapfrog steps, and accepts the end with probability min(1, exp(H_before - H_after)): p_beta is left as it is, whatever the step
size. That is drawn anew within 20 % of what is asked for, lest a trajectory end where it began (section 3.2 of the source).

Source: Neal 2011, https://arxiv.org/abs/1206.1901.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.types import Array, Key

LogProb = Callable[[Array], Array]
"""[N, d] -> [N], nats; row by row."""


class Point(NamedTuple):
    """Where N chains are: z [N, d], both log-densities [N] in nats, and their gradients [N, d]."""

    z: Array
    log_prior: Array
    log_likelihood: Array
    prior_gradient: Array
    likelihood_gradient: Array

    def log_prob(self, beta: Array) -> Array:
        """log p(z) + beta log p(x given z), [N]."""
        return self.log_prior + beta * self.log_likelihood

    def gradient(self, beta: Array) -> Array:
        """Its gradient, [N, d]."""
        return self.prior_gradient + beta * self.likelihood_gradient


def point(log_prior: LogProb, log_likelihood: LogProb, z: Array) -> Point:
    """Both densities and gradients at z [N, d]."""

    def with_gradient(log_prob: LogProb) -> tuple[Array, Array]:
        values, pull_back = jax.vjp(log_prob, z)
        return values, pull_back(jnp.ones_like(values))[0]

    (prior, prior_gradient), (likelihood, likelihood_gradient) = with_gradient(log_prior), with_gradient(log_likelihood)
    return Point(z, prior, likelihood, prior_gradient, likelihood_gradient)


def transition(
    log_prior: LogProb, log_likelihood: LogProb, start: Point, key: Key, beta: Array, step_size: Array, num_leapfrog: int
) -> tuple[Point, Array]:
    """One transition of all chains.

    Args:
        log_prior: log p(z).
        log_likelihood: log p(x given z).
        start: where they are.
        key: consumed.
        beta: inverse temperature of the likelihood.
        step_size: of the leapfrog, [N].
        num_leapfrog: how many steps.

    Returns:
        Where they are now, and the probabilities with which they moved, [N].
    """
    noise_key, step_key, accept_key = jax.random.split(key, 3)
    step = (step_size * jax.random.uniform(step_key, step_size.shape, minval=0.8, maxval=1.2))[:, None]

    def leapfrog(_: int, state: tuple[Point, Array]) -> tuple[Point, Array]:
        at, v = state
        at = point(log_prior, log_likelihood, at.z + step * v)
        return at, v + step * at.gradient(beta)

    v = jax.random.normal(noise_key, start.z.shape)
    half = v + 0.5 * step * start.gradient(beta)
    end, last = jax.lax.fori_loop(0, num_leapfrog, leapfrog, (start, half))
    # The last of the steps in v was a whole one and ought to have been half of it.
    last = last - 0.5 * step * end.gradient(beta)
    energy_lost = end.log_prob(beta) - start.log_prob(beta) + 0.5 * jnp.sum(jnp.square(v) - jnp.square(last), axis=1)
    accept = jnp.where(jnp.isnan(energy_lost), 0.0, jnp.exp(jnp.minimum(energy_lost, 0.0)))
    moved = jax.random.uniform(accept_key, accept.shape) < accept
    chosen = [jnp.where(moved.reshape(-1, *[1] * (a.ndim - 1)), a, b) for a, b in zip(end, start, strict=True)]
    return Point(*chosen), accept
