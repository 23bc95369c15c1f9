"""For the benchmark: the matrix products that a step of an adversarial autoencoder cannot do without, phase by phase."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from aejax.types import Array
from experiments.configs import adversarial_ae

Layers = Sequence[tuple[int, int]]


class Product(NamedTuple):
    """A dense layer n -> m at `rows` examples: x W, and where they are asked for x^T g and g W^T."""

    rows: int
    n: int
    m: int
    weights: bool
    inputs: bool


def config() -> Any:
    """784-1000-1000-8, deterministic posterior, SGD with momentum, batch 100: configs/adversarial_ae.py:paper."""
    return adversarial_ae.get_config('paper')


def products() -> list[Product]:
    """Of one step: what the losses need of each net, and no gradient that is thrown away.

    Reconstruction goes through encoder and decoder and back. The discriminator goes forward and back at codes and at draws of
    the prior. The generator goes through encoder and discriminator and back, without a gradient for the discriminator's weights.
    The encoder has not moved between the latter two, which can share its codes: those count once.
    """
    section, rows = config(), config().batch_size
    up = (784, *section.model.hidden, section.model.latents)
    encoder, decoder = _layers(up), _layers(tuple(reversed(up)))
    critic = _layers((section.model.latents, *section.discriminator.hidden, 1))
    reconstruction = _back(rows, [*encoder, *decoder])
    discriminator = _back(2 * rows, critic)
    generator = [*_back(rows, encoder), *(Product(rows, *layer, False, True) for layer in critic)]
    return [*reconstruction, *discriminator, *generator]


def _layers(widths: Sequence[int]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(widths))


def _back(rows: int, layers: Layers) -> list[Product]:
    """Forward and backward through `layers`; no gradient reaches the input of the first."""
    return [Product(rows, *layer, True, i > 0) for i, layer in enumerate(layers)]


def adversarial_matmul_runner() -> Callable[[int], None]:
    """`products`, and nothing else, as many times as asked for."""
    wanted, key = products(), jax.random.key(0)
    shapes = [((p.rows, p.n), (p.n, p.m), (p.rows, p.m)) for p in wanted]
    operands = [
        tuple(jax.random.normal(jax.random.fold_in(key, 3 * i + j), shape) for j, shape in enumerate(three))
        for i, three in enumerate(shapes)
    ]

    def multiply(operands: Any) -> list[Array]:
        results = []
        for product, (x, w, g) in zip(wanted, operands, strict=True):
            results += [x @ w] + ([x.T @ g] if product.weights else []) + ([g @ w.T] if product.inputs else [])
        return results

    def body(i: Array, results: list[Array]) -> list[Array]:
        # As in the benchmark: without the barrier the products would be constants of the loop.
        return multiply(jax.lax.optimization_barrier((operands, i))[0])

    run_all = jax.jit(lambda steps: jax.lax.fori_loop(0, steps, body, multiply(operands)))

    def run(steps: int) -> None:
        jax.block_until_ready(run_all(steps))

    return run
