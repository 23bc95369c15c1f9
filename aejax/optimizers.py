"""Optimisers from configs. The learning rate is a leaf of the optimiser's state, so that an ensemble can vary it by member."""

from collections.abc import Callable

import optax
from ml_collections import ConfigDict

from aejax.types import DataSpec, UserError

SCHEDULES: dict[str, Callable[[int], optax.Schedule]] = {
    'constant': lambda num_steps: optax.constant_schedule(1.0),
    'cosine': lambda num_steps: optax.cosine_decay_schedule(1.0, max(num_steps, 1)),
    'linear': lambda num_steps: optax.linear_schedule(1.0, 0.0, max(num_steps, 1)),
}


def _direction(config: ConfigDict) -> optax.GradientTransformation:
    """The update direction before learning rate and sign."""
    directions: dict[str, Callable[[], optax.GradientTransformation]] = {
        'adam': lambda: optax.scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps),
        'sgd': lambda: optax.trace(decay=config.momentum) if config.momentum else optax.identity(),
        'rmsprop': lambda: optax.scale_by_rms(decay=config.b2, eps=config.eps),
    }
    if config.name not in directions:
        raise UserError(f'optimizer.name is {config.name!r}; choose one of {", ".join(directions)}')
    return directions[config.name]()


def default_config(name: str = 'adam', learning_rate: float = 1e-3, schedule: str = 'constant') -> ConfigDict:
    """The `optimizer` section of a config."""
    return ConfigDict(
        {
            'name': name,
            'learning_rate': learning_rate,
            'schedule': schedule,
            'warmup_steps': 0,
            'clip_norm': 0.0,
            'b1': 0.9,
            'b2': 0.999,
            'eps': 1e-8,
            'momentum': 0.0,
        }
    )


def from_config(config: ConfigDict, num_steps: int) -> optax.GradientTransformation:
    """The optimiser of one phase that takes `num_steps` updates.

    update = -learning_rate * schedule(step) * direction(clip(gradient)); the schedule runs from 1 to its end value over
    `num_steps`, after a linear warm-up of `warmup_steps`. `clip_norm` 0 means no clipping.

    Raises:
        UserError: on an unknown optimiser or schedule.
    """
    if config.schedule not in SCHEDULES:
        raise UserError(f'optimizer.schedule is {config.schedule!r}; choose one of {", ".join(SCHEDULES)}')
    schedule = SCHEDULES[config.schedule](num_steps - config.warmup_steps)
    if config.warmup_steps:
        warmup = optax.linear_schedule(0.0, 1.0, config.warmup_steps)
        schedule = optax.join_schedules([warmup, schedule], [config.warmup_steps])
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()

    def build(learning_rate: float) -> optax.GradientTransformation:
        scale = optax.scale_by_learning_rate(learning_rate)
        return optax.chain(clip, _direction(config), optax.scale_by_schedule(schedule), scale)

    return optax.inject_hyperparams(build)(learning_rate=config.learning_rate)


def num_steps(config: ConfigDict, spec: DataSpec) -> int:
    """Updates in `config.epochs` passes over the training split, in full batches.

    Raises:
        UserError: if not one batch fills, or there is nothing to do.
    """
    if config.batch_size < 1 or config.batch_size > spec.num_examples:
        raise UserError(f'batch_size={config.batch_size} must lie between 1 and the {spec.num_examples} training examples')
    if config.epochs < 1:
        raise UserError(f'epochs={config.epochs} must be at least 1')
    return config.epochs * (spec.num_examples // config.batch_size)
