"""The prior of a game over codes, that of the config or whatever a user passes in its place; and every class in turn."""

from typing import Any, cast

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax.priors import shapes
from aejax.priors.shapes import Samples
from aejax.types import Array, Key, Mutables, Params, UserError


def chosen(config: ConfigDict, prior: Samples | None) -> Samples:
    """`prior`, or without it that of the config's `prior` section, over `model.latents` dimensions.

    Raises:
        UserError: `prior` does not sample, its samples are not so wide, or are no function of the key; or as from
            `shapes.from_config`.
    """
    latents = config.model.latents
    if prior is None:
        return shapes.from_config(config.prior, latents)
    if isinstance(prior, type) or not callable(getattr(prior, 'sample', None)):
        raise UserError(f'the prior must be an object with sample(key, num) -> [num, latents], not {prior!r}')
    first, again = (np.asarray(prior.sample(jax.random.key(0), 2)) for _ in range(2))
    if first.shape != (2, latents):
        raise UserError(f'two samples of the prior have shape {first.shape}: model.latents={latents} does not fit')
    # What other generators draw (numpy's, say) would be drawn once, when the step is compiled, and never again.
    if not np.array_equal(first, again):
        raise UserError('samples of the prior must depend on their key and nothing else: draw them with jax.random')
    return prior


def in_turn(key: Key, num: int, count: int) -> Array:
    """0, 1, ..., count - 1 in turn, [num]; from a random one on where `num` holds no whole number of rounds.

    So every one of them is drawn as often as any other in the long run, however few are drawn at a time.
    """
    first = jax.random.randint(key, (), 0, count) if num % count else 0
    return (first + jax.numpy.arange(num)) % count


def sample_in_turn(method: Any, params: Params, mutables: Mutables, key: Key, num: int, num_classes: int) -> Array:
    """`method.conditional_sample`, each class as often as any other, in turn: [num, ...]."""
    sample_key, class_key = jax.random.split(key)
    return cast(Array, method.conditional_sample(params, mutables, sample_key, in_turn(class_key, num, num_classes)))
