"""For the benchmark: log p(x) from 5,000 importance samples, and the matrix products of the decoder that it cannot do without.

A step of either runner is the evaluation of 20 images by the network of Burda et al. 2015, 784-200-200-50 and back.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from aejax import methods
from aejax.evaluation.importance_sampling import chunk_size, importance_sampling
from aejax.types import Array, DataSpec, Params
from experiments.configs import iwae

NUM_SAMPLES, NUM_IMAGES = 5_000, 20
DECODER = ((50, 200), (200, 200), (200, 784))


def likelihood_runner(spec: DataSpec) -> Callable[[int], None]:
    """The estimate itself: draws of z, decoder, likelihood, running sums."""
    method = methods.build(iwae.get_config('mnist'), spec)
    x = _images(spec)
    params, mutables = method.init(jax.random.key(1), {'x': x})

    def estimate(params: Params, key: Array, x: Array) -> Array:
        return importance_sampling(method, params, mutables, key, x, NUM_SAMPLES).log_mean

    compiled = jax.jit(estimate)

    def run(steps: int) -> None:
        for step in range(steps):
            jax.block_until_ready(compiled(params, jax.random.key(step), x))

    return run


def decoder_matmul_runner(spec: DataSpec) -> Callable[[int], None]:
    """As many rows through the products of the decoder, in chunks of the same size, and nothing else."""
    chunk = chunk_size(_images(spec))
    keys = jax.random.split(jax.random.key(0), 2 * len(DECODER))
    operands = [
        (jax.random.normal(keys[2 * i], (chunk * NUM_IMAGES, n)), jax.random.normal(keys[2 * i + 1], (n, m)))
        for i, (n, m) in enumerate(DECODER)
    ]

    def body(i: Array, _: Any) -> list[Array]:
        # As in the benchmark: without the barrier the products would be constants of the loop.
        return [x @ w for x, w in jax.lax.optimization_barrier((operands, i))[0]]

    start = [jnp.zeros((chunk * NUM_IMAGES, m)) for _, m in DECODER]
    run_all = jax.jit(lambda chunks: jax.lax.fori_loop(0, chunks, body, start))

    def run(steps: int) -> None:
        jax.block_until_ready(run_all(steps * math.ceil(NUM_SAMPLES / chunk)))

    return run


def _images(spec: DataSpec) -> Array:
    return jax.random.bernoulli(jax.random.key(0), 0.2, (NUM_IMAGES, *spec.shape)).astype(jnp.float32)
