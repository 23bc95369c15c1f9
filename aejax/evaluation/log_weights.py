"""log of a mean of weights, with its error, from any number of log-weights in the memory of a few.

The log-weights come in chunks under `lax.scan`. Of those so far only the largest is kept, the sum of the weights relative to it
(a running logsumexp), and the sum of their squares, which gives the error.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from aejax.types import Array, Key

LogWeights = Callable[[Key, int], Array]
"""(key, num) -> log w [num, B] of `num` independent draws for each of B examples, in nats."""


class Estimate(NamedTuple):
    """Of log E[w], one an example; in nats where not said otherwise.

    Attributes:
        log_mean: log 1/S sum_s w_s, [B]. By Jensen's inequality it is at most log E[w] in expectation.
        standard_error: of log_mean by the delta method, sqrt((S / ESS - 1) / (S - 1)), [B]; too small where few samples carry the
            sum, nan for a single one.
        effective_sample_size: ESS = (sum w)^2 / sum w^2, a number of samples between 1 and S, [B]; nan where all w are 0.
        running: log_mean of the first `counts[k]` samples, [len(counts), B].
    """

    log_mean: Array
    standard_error: Array
    effective_sample_size: Array
    running: Array


class _Sums(NamedTuple):
    """Of the weights so far, by count and example [K, B]: max log w, sum of w / max w, sum of (w / max w)^2."""

    largest: Array
    first: Array
    second: Array


def growth(num_samples: int) -> tuple[int, ...]:
    """The counts at which a running value is stated: S / 100, S / 10 and S, rounded down, without zeros."""
    return tuple(num_samples // step for step in (100, 10, 1) if num_samples >= step)


def log_mean(log_weights: LogWeights, key: Key, num_samples: int, chunk: int, counts: Sequence[int] = ()) -> Estimate:
    """The estimate from `num_samples` draws, `chunk` of them at once.

    Args:
        log_weights: gives them; what it gives beyond `num_samples` at the end is left out.
        key: consumed; chunk i draws from fold_in(key, i), so that the draws depend on `chunk` too.
        num_samples: S.
        chunk: how many are asked for at once.
        counts: at which the running value is given, between 1 and S.

    Raises:
        ValueError: a count lies outside.
    """
    if any(not 1 <= count <= num_samples for count in counts):
        raise ValueError(f'running values are asked for at {tuple(counts)} samples of {num_samples}')
    ends = jnp.asarray([*counts, num_samples])
    num_examples = jax.eval_shape(lambda key: log_weights(key, chunk), key).shape[1]
    zeros = jnp.zeros((len(ends), num_examples))

    def step(sums: _Sums, index: Array) -> tuple[_Sums, None]:
        taken = (index * chunk + jnp.arange(chunk))[None, :] < ends[:, None]
        return _add(sums, log_weights(jax.random.fold_in(key, index), chunk), taken), None

    sums, _ = jax.lax.scan(step, _Sums(zeros - jnp.inf, zeros, zeros), jnp.arange(math.ceil(num_samples / chunk)))
    running = sums.largest + jnp.log(sums.first / ends[:, None])
    effective = jnp.square(sums.first[-1]) / sums.second[-1]
    variance = (num_samples / effective - 1) / (num_samples - 1) if num_samples > 1 else jnp.full_like(effective, jnp.nan)
    return Estimate(running[-1], jnp.sqrt(jnp.maximum(variance, 0)), effective, running[:-1])


def _add(sums: _Sums, log_weights: Array, taken: Array) -> _Sums:
    """`sums` and those of log_weights [num, B] that are `taken` [K, num], all relative to the new largest."""
    log_w = jnp.where(taken[:, :, None], log_weights[None], -jnp.inf)
    largest = jnp.maximum(sums.largest, jnp.max(log_w, axis=1))
    # As long as all weights are zero, the difference of two infinities would be nan.
    offset = jnp.where(jnp.isneginf(largest), 0.0, largest)
    scale, w = jnp.exp(sums.largest - offset), jnp.exp(log_w - offset[:, None])
    first = scale * sums.first + jnp.sum(w, axis=1)
    return _Sums(largest, first, jnp.square(scale) * sums.second + jnp.sum(jnp.square(w), axis=1))
