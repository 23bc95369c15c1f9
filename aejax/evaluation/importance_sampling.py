"""log p(x) of a latent-variable model by importance sampling.

    log p(x) = log E_q[w],  w = p(x given z) p(z) / q(z given x),  estimated by log 1/S sum_s w_s with z_s ~ q.

The estimate is too low in expectation, the less so the larger S: with S = 1 it is the ELBO, and it tends to log p(x). So a figure
is worth little without S, its Monte-Carlo error and what it still grows with S; the effective sample size says how many of the
samples carry the sum. Naive Monte Carlo is the same with the prior for q, whose draws hardly ever explain an x.

Source: Burda, Grosse & Salakhutdinov 2016, https://arxiv.org/abs/1509.00519.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from aejax import preprocessing
from aejax.distributions import normal
from aejax.distributions.reduction import repeat
from aejax.evaluation.log_weights import Estimate, LogWeights, log_mean
from aejax.evaluation.per_example import batch_keys, evaluation_key, padded_batches
from aejax.settings import check_counts
from aejax.types import Array, Batch, DataSpec, Key, Mutables, Params, TrainState, UserError

Propose = Callable[[Key, int], tuple[Array, Array]]
"""(key, num) -> z [num, B, d] and its log-density [num, B] in nats."""


def is_evaluable(method: Any) -> bool:
    """Whether a method has what importance sampling asks for: likelihood, prior_log_prob, and propose or posterior."""
    can_propose = hasattr(method, 'propose') or hasattr(method, 'posterior')
    return can_propose and hasattr(method, 'likelihood') and hasattr(method, 'prior_log_prob')


def proposal(method: Any, params: Params, mutables: Mutables, x: Array) -> Propose:
    """q(z given x) of a method: its `propose` or, where it has none, its diagonal Gaussian `posterior`."""
    if hasattr(method, 'propose'):
        return lambda key, num: method.propose(params, mutables, key, x, num)
    mean, log_variance = method.posterior(params, mutables, x)
    return lambda key, num: normal.propose(key, mean, log_variance, num)


def importance_sampling(
    method: Any,
    params: Params,
    mutables: Mutables,
    key: Key,
    x: Array,
    num_samples: int,
    counts: Sequence[int] = (),
    chunk: int | None = None,
) -> Estimate:
    """log p(x) of x [B, ...], in model space, from `num_samples` draws an example: `log_mean` is the estimate [B], nats.

    Pure, and to be compiled with the method, `num_samples`, `counts` and `chunk` held fixed.

    Args:
        method: see `is_evaluable`.
        params: its parameters.
        mutables: its mutables.
        key: consumed.
        x: [B, ...].
        num_samples: S.
        counts: at which the running value is given, see `aejax.evaluation.log_weights.growth`.
        chunk: samples an example that are decoded at once, in one call on [chunk * B, d]; by default `chunk_size(x)`.

    Raises:
        UserError: the method lacks what is needed, or a number is no whole one above 0.
    """
    if not is_evaluable(method):
        raise UserError(
            f'{type(method).__name__} lacks likelihood, prior_log_prob, or propose and posterior: log p(x) needs them'
        )
    propose = proposal(method, params, mutables, x)
    log_weights = functools.partial(_log_weights, method, params, mutables, x, propose)
    return _estimate(log_weights, key, x, num_samples, counts, chunk)


def naive_monte_carlo(
    method: Any, params: Params, mutables: Mutables, key: Key, x: Array, num_samples: int, counts: Sequence[int] = ()
) -> Estimate:
    """log 1/S sum_s p(x given z_s), z_s ~ p(z) drawn for each example anew; arguments and result as of `importance_sampling`.

    Raises:
        UserError: the method lacks likelihood or sample_prior, or a number is no whole one above 0.
    """
    if lacking := [name for name in ('likelihood', 'sample_prior') if not hasattr(method, name)]:
        raise UserError(f'naive Monte Carlo needs {lacking[0]}, which {type(method).__name__} does not have')

    def log_likelihood(key: Key, num: int) -> Array:
        z = method.sample_prior(params, mutables, key, num * len(x))
        return method.likelihood(params, mutables, z, repeat(x, num)).reshape(num, len(x))

    return _estimate(log_likelihood, key, x, num_samples, counts)


def _estimate(
    log_weights: LogWeights, key: Key, x: Array, num_samples: int, counts: Sequence[int], chunk: int | None = None
) -> Estimate:
    """`log_mean` in chunks of `chunk` samples an example, or of as many as `chunk_size` says."""
    chunk = chunk_size(x) if chunk is None else chunk
    check_counts({'num_samples': num_samples, 'chunk': chunk})
    return log_mean(log_weights, key, num_samples, min(chunk, num_samples), counts)


def _log_weights(method: Any, params: Params, mutables: Mutables, x: Array, propose: Propose, key: Key, num: int) -> Array:
    """log p(x given z) + log p(z) - log q(z given x), [num, B]."""
    z, log_q = propose(key, num)
    rows = z.reshape(num * len(x), -1)
    log_joint = method.likelihood(params, mutables, rows, repeat(x, num)) + method.prior_log_prob(params, mutables, rows)
    return log_joint.reshape(log_q.shape) - log_q


def chunk_size(x: Array) -> int:
    """Samples an example that are decoded at once: so that the outputs stay in the cache of a CPU, or fill an accelerator.

    There is a limit on the rows, too, for hidden layers may be wider than small examples.
    """
    numbers, rows = (2**19, 2**15) if jax.default_backend() == 'cpu' else (2**25, 2**20)
    return max(1, min(numbers // x.size, rows // len(x)))


def make_likelihood_evaluator(
    method: Any, spec: DataSpec, split: Batch, num_samples: int, counts: Sequence[int] = (), batch_size: int = 500, seed: int = 0
) -> Callable[[TrainState], dict[str, np.ndarray]]:
    """evaluate(state) -> the fields of `Estimate` for every example of a split in order, [n], and 'running' [counts, n].

    With the same seed and batch size the pixels of dynamic binarisation are those of `per_example.make_evaluator`. One program
    is compiled, and called batch after batch.
    """
    count = len(split['x'])
    batches = padded_batches({'x': split['x']}, min(batch_size, count))['x']

    def one(state: TrainState, x: Array, index: Array) -> Estimate:
        prepare_key, sample_key = batch_keys(evaluation_key(seed), index)
        x = preprocessing.to_model_space(x, spec, prepare_key)
        return importance_sampling(method, state.params, state.mutables, sample_key, x, num_samples, counts)

    compiled = jax.jit(one)

    def evaluate(state: TrainState) -> dict[str, np.ndarray]:
        state = state.replace(optimizer_states={})
        found = [jax.device_get(compiled(state, x, index)) for index, x in enumerate(batches)]
        return {name: np.concatenate([getattr(part, name) for part in found], -1)[..., :count] for name in Estimate._fields}

    return evaluate
