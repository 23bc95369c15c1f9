"""Ensembles: many runs as one program, vmapped over `TrainState`. A member equals its solo run."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from aejax.training.loop import initial_state
from aejax.training.sources import Source
from aejax.training.state import take, with_hparams
from aejax.types import DataSpec, Method, TrainState, UserError


def initial_states(
    method: Method,
    source: Source,
    spec: DataSpec,
    seeds: Sequence[int],
    hparams: Mapping[str, Sequence[float]] | None = None,
) -> TrainState:
    """One state for each seed, stacked along a first axis; `hparams` gives each member its own value of a name.

    Raises:
        UserError: on a hyper-parameter that the method does not have, or a list of values that is not as long as `seeds`.
    """
    stacked = jax.vmap(lambda seed: initial_state(method, source, spec, seed))(jnp.asarray(np.asarray(seeds, np.uint32)))
    if not hparams:
        return stacked
    if wrong := [name for name, values in hparams.items() if np.shape(values) != (len(seeds),)]:
        raise UserError(f'hparams: {wrong[0]} needs {len(seeds)} values, one for each seed')
    values = {name: jnp.asarray(list_, jnp.float32) for name, list_ in hparams.items()}
    return jax.vmap(lambda state, values: with_hparams(state, method.stages[0], values))(stacked, values)


def member(states: TrainState, index: int) -> TrainState:
    """The state of one member."""
    return take(states, index)
