"""The prior of a game over codes: that of the config, or whatever a user passes in its place."""

import jax
from ml_collections import ConfigDict

from aejax.priors import shapes
from aejax.priors.shapes import Samples
from aejax.types import Array, Key, UserError


def chosen(config: ConfigDict, prior: Samples | None) -> Samples:
    """`prior`, or without it that of the config's `prior` section, over `model.latents` dimensions.

    Raises:
        UserError: its samples are not so wide, or as from `shapes.from_config`.
    """
    latents = config.model.latents
    prior = prior or shapes.from_config(config.prior, latents)
    if (shape := jax.eval_shape(lambda: prior.sample(jax.random.key(0), 2)).shape) != (2, latents):
        raise UserError(f'two samples of the prior have shape {shape}: model.latents={latents} does not fit')
    return prior


def in_turn(key: Key, num: int, count: int) -> Array:
    """0, 1, ..., count - 1 in turn, [num]; from a random one on where `num` holds no whole number of rounds.

    So every one of them is drawn as often as any other in the long run, however few are drawn at a time.
    """
    first = jax.random.randint(key, (), 0, count) if num % count else 0
    return (first + jax.numpy.arange(num)) % count
