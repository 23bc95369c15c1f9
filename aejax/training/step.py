"""From the phases of a stage to one training step: a pure function from (state, batch) to (state, metrics)."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from aejax.training.state import group
from aejax.types import Array, Batch, Context, Key, Phase, Stage, TrainState

Metrics = dict[str, Array]
Step = Callable[[TrainState, Batch], tuple[TrainState, Metrics]]


def _mean_over_devices(tree: Any, axis_name: str) -> Any:
    """Floats averaged; counters and keys, which are the same on all devices, as they are."""
    return jax.tree.map(lambda leaf: jax.lax.pmean(leaf, axis_name) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf, tree)


def update(phase: Phase, state: TrainState, batch: Batch, key: Key, axis_name: str | None) -> tuple[TrainState, Metrics]:
    """One gradient update of `phase`: the groups in `phase.trains` move, all others are constants of the loss.

    Under `axis_name` (pmap) gradients, metrics and mutables are averaged over devices before they are used; mutables that are not
    floats must be the same on all devices.
    """
    context = Context(key=key, step=state.step, hparams=state.hparams, train=True)
    moving = group(state.params, phase.trains)

    def loss(moving: dict) -> tuple[Array, tuple]:
        out = phase.loss({**state.params, **moving}, state.mutables, batch, context)
        return out.loss, (out.metrics, out.mutables)

    (value, (metrics, mutables)), gradients = jax.value_and_grad(loss, has_aux=True)(moving)
    metrics = {'loss': value, **{name: jnp.mean(metric) for name, metric in metrics.items()}}
    if axis_name is not None:
        gradients, metrics, mutables = _mean_over_devices((gradients, metrics, mutables), axis_name)
    updates, optimizer_state = phase.optimizer.update(gradients, state.optimizer_states[phase.name], moving)
    metrics['gradient_norm'] = optax.tree.norm(gradients)
    state = state.replace(
        params={**state.params, **optax.apply_updates(moving, updates)},
        mutables={**state.mutables, **mutables},
        optimizer_states={**state.optimizer_states, phase.name: optimizer_state},
    )
    return state, {f'{phase.name}/{name}': metric for name, metric in metrics.items()}


def make_step(stage: Stage, axis_name: str | None = None) -> Step:
    """The step of `stage`: its phases in turn, each `repeats` times, then the counter goes up by one.

    The key of phase i is fold_in(fold_in(state.key, step), i), folded once more with the repeat where there are several, and with
    the device's index under pmap: the numbers drawn depend on the step alone.
    """

    def step(state: TrainState, batch: Batch) -> tuple[TrainState, Metrics]:
        step_key = jax.random.fold_in(state.key, state.step)
        if axis_name is not None:
            step_key = jax.random.fold_in(step_key, jax.lax.axis_index(axis_name))
        collected: Metrics = {}
        for i, phase in enumerate(stage.phases):
            phase_key = jax.random.fold_in(step_key, i)
            for repeat in range(phase.repeats):
                key = jax.random.fold_in(phase_key, repeat) if phase.repeats > 1 else phase_key
                state, metrics = update(phase, state, batch, key, axis_name)
                collected |= metrics
        return state.replace(step=state.step + 1), collected

    return step
