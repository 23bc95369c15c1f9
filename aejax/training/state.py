"""Making a `TrainState`, and handing it from one stage to the next."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from aejax.types import Array, Batch, Key, Method, Params, Stage, TrainState, UserError


def create(method: Method, key: Key, batch: Batch) -> TrainState:
    """The state at step 0 of the method's first stage; `batch` is prepared as in training."""
    params, mutables = method.init(jax.random.fold_in(key, 0), batch)
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        mutables=mutables,
        optimizer_states={},
        hparams={name: jnp.asarray(value, jnp.float32) for name, value in method.hparams.items()},
        key=jax.random.fold_in(key, 1),
    )
    return begin_stage(state, method.stages[0])


def group(params: Params, names: tuple[str, ...]) -> Params:
    """The top-level groups that a phase moves."""
    return {name: params[name] for name in names}


def begin_stage(state: TrainState, stage: Stage) -> TrainState:
    """`state` with fresh optimiser states for the phases of `stage`; all else carries over.

    Where `state.hparams` holds a 'PHASE/learning_rate', or a 'learning_rate' for all phases, it replaces that of the optimiser.
    """
    states = {}
    for phase in stage.phases:
        optimizer = phase.optimizer.init(group(state.params, phase.trains))
        rate = state.hparams.get(f'{phase.name}/learning_rate', state.hparams.get('learning_rate'))
        if rate is not None:
            optimizer = optimizer._replace(hyperparams={**optimizer.hyperparams, 'learning_rate': rate})
        states[phase.name] = optimizer
    return state.replace(optimizer_states=states)


def with_hparams(state: TrainState, stage: Stage, values: Mapping[str, float]) -> TrainState:
    """`state` at the start of `stage` with other hyper-parameters: names of `method.hparams`, or a learning rate.

    'learning_rate' is that of every phase of every stage, 'PHASE/learning_rate' that of one phase of this stage.

    Raises:
        UserError: on a name that the method does not have.
    """
    known = {*state.hparams, 'learning_rate', *(f'{phase.name}/learning_rate' for phase in stage.phases)}
    if unknown := sorted(set(values) - known):
        raise UserError(f'no hyper-parameter {unknown[0]!r}; there are {", ".join(sorted(known))}')
    arrays = {name: jnp.asarray(value, jnp.float32) for name, value in values.items()}
    return begin_stage(state.replace(hparams={**state.hparams, **arrays}), stage)


def take(tree: Any, index: int) -> Any:
    """Row `index` of every leaf: one member of an ensemble, the copy of one device."""

    def one(leaf: Array) -> Array:
        # By its data: a slice of a key that a step has folded counts as a second use of it (jax_debug_key_reuse).
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jax.random.wrap_key_data(jax.random.key_data(leaf)[index])
        return leaf[index]

    return jax.tree.map(one, tree)
