"""Optimisers from configs. The learning rate is a leaf of the optimiser's state, so that an ensemble can vary it by member."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

from aejax.settings import check_ranges
from aejax.types import DataSpec, UserError

SCHEDULES: dict[str, Callable[[int], optax.Schedule]] = {
    'constant': lambda num_steps: optax.constant_schedule(1.0),
    'cosine': lambda num_steps: optax.cosine_decay_schedule(1.0, max(num_steps, 1)),
    'linear': lambda num_steps: optax.linear_schedule(1.0, 0.0, max(num_steps, 1)),
}
PIECEWISE = 'piecewise'
"""The schedule that the drops of a config describe: ((share of the updates after which it begins, factor), ...)."""
PIECEWISE_EPOCHS = 'piecewise_epochs'
"""The same with epochs in place of shares, of a phase in an `optimizers` section; a drop that training does not reach is none."""


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam's direction, m_hat / (sqrt(v_hat) + eps), as `optax.scale_by_adam` gives it, in fewer passes over memory.

    Two things differ from optax's, neither of them in value: the bias corrections are gathered into two scalars (section 2 of the
    paper), which leaves one division an element, and the square of the gradient is written so that XLA does not store it. A step
    of the VAE of 784-500-20 on two CPU cores takes 6 % less time for it.

    Source: Kingma & Ba 2015, https://arxiv.org/abs/1412.6980.
    """

    def init(params: optax.Params) -> optax.ScaleByAdamState:
        return optax.ScaleByAdamState(jnp.zeros((), jnp.int32), optax.tree.zeros_like(params), optax.tree.zeros_like(params))

    def update(gradients: optax.Updates, state: Any, params: optax.Params | None = None) -> tuple[optax.Updates, Any]:
        count = optax.safe_increment(state.count)
        mu = jax.tree.map(lambda m, g: b1 * m + (1 - b1) * g, state.mu, gradients)
        nu = jax.tree.map(lambda v, g: b2 * v + (1 - b2) * g * g, state.nu, gradients)
        root = jnp.sqrt(1 - b2**count)
        scale, floor = root / (1 - b1**count), eps * root
        direction = jax.tree.map(lambda m, v: m * scale / (jnp.sqrt(v) + floor), mu, nu)
        return direction, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


MAX_EPOCHS = 1_000_000
MAX_STEPS = 2**31 - 1
"""The step is an int32."""
# The update direction before learning rate and sign.
DIRECTIONS: dict[str, Callable[[ConfigDict], optax.GradientTransformation]] = {
    'adam': lambda config: scale_by_adam(b1=config.b1, b2=config.b2, eps=config.eps),
    'sgd': lambda config: optax.trace(decay=config.momentum) if config.momentum else optax.identity(),
    'rmsprop': lambda config: optax.scale_by_rms(decay=config.b2, eps=config.eps),
}
# What every number of the `optimizer` section must be in: [lowest, end).
RANGES = {
    'learning_rate': (0.0, math.inf),
    'warmup_steps': (0, math.inf),
    'clip_norm': (0.0, math.inf),
    'b1': (0.0, 1.0),
    'b2': (0.0, 1.0),
    'eps': (1e-30, math.inf),  # a gradient that is zero at every step gives 0 / (0 + eps)
    'momentum': (0.0, 1.0),
}


def check_config(config: ConfigDict, section: str = 'optimizer') -> None:
    """Raises UserError where an optimiser's section, of this name, names what does not exist, or a number is out of its range."""
    if config.name not in DIRECTIONS:
        raise UserError(f'{section}.name is {config.name!r}; choose one of {", ".join(DIRECTIONS)}')
    if config.schedule not in (*SCHEDULES, PIECEWISE):
        raise UserError(f'{section}.schedule is {config.schedule!r}; choose one of {", ".join(SCHEDULES)}, {PIECEWISE}')
    check_ranges(config, RANGES, section)
    if bool(config.drops) != (config.schedule == PIECEWISE):
        raise UserError(
            f"{section}.schedule={config.schedule!r} with {section}.drops={config.drops}: 'piecewise' needs drops, no other"
        )
    _check_drops(config.drops, section, 1)


def _check_drops(drops: Any, section: str, end: float) -> None:
    """Raises UserError where `drops` are no pairs (when, factor), or do not ascend between 0 and `end`."""
    when = 'shares' if end == 1 else 'epochs'
    if not all(isinstance(drop, tuple | list) and list(map(_is_number, drop)) == [True, True] for drop in drops):
        raise UserError(f'{section}.drops={drops} must be pairs: {when} at which they begin, and factor of the learning rate')
    ascending = all(first < second for (first, _), (second, _) in itertools.pairwise(drops))
    if not (ascending and all(0 < begins < end and 0 <= factor < math.inf for begins, factor in drops)):
        raise UserError(f'{section}.drops={drops}: {when} must ascend between 0 and {end:g}, factors be at least 0')


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def piecewise_schedule(drops: Sequence[tuple[float, float]], num_steps: int) -> optax.Schedule:
    """1 up to the first drop, then the factor of the last drop that has begun; factors are of the rate, not of each other.

    Args:
        drops: (share, factor): the drop begins at update round(share * num_steps), counted from 0.
        num_steps: of the whole training.
    """
    constants = [optax.constant_schedule(factor) for factor in (1.0, *(factor for _, factor in drops))]
    return optax.join_schedules(constants, [round(share * num_steps) for share, _ in drops])


def default_config(name: str = 'adam', learning_rate: float = 1e-3, schedule: str = 'constant') -> ConfigDict:
    """The `optimizer` section of a config."""
    return ConfigDict(
        {
            'name': name,
            'learning_rate': learning_rate,
            'schedule': schedule,
            # Of schedule 'piecewise': ((share of the training at which it begins, factor of the learning rate), ...), of
            # 'piecewise_epochs', which phases of a game can have, with epochs for shares.
            'drops': (),
            'warmup_steps': 0,
            'clip_norm': 0.0,
            'b1': 0.9,
            'b2': 0.999,
            'eps': 1e-8,
            'momentum': 0.0,
        }
    )


def from_config(config: ConfigDict, num_steps: int, section: str = 'optimizer') -> optax.GradientTransformation:
    """The optimiser of one phase that takes `num_steps` updates.

    update = -learning_rate * schedule(step) * direction(clip(gradient)); the schedule runs from 1 to its end value over
    `num_steps`, after a linear warm-up of `warmup_steps`; that of 'piecewise' by `piecewise_schedule`. `clip_norm` 0 means no
    clipping. What is wrong is told of the section by its name.

    Raises:
        UserError: on an unknown optimiser or schedule, a number out of its range, or a warm-up longer than the training.
    """
    check_config(config, section)
    if config.warmup_steps > num_steps:
        raise UserError(f'{section}.warmup_steps={config.warmup_steps} must be at most the {num_steps} steps of the training')
    schedule = _schedule(config, num_steps - config.warmup_steps)
    if config.warmup_steps:
        warmup = optax.linear_schedule(0.0, 1.0, config.warmup_steps)
        schedule = optax.join_schedules([warmup, schedule], [config.warmup_steps])
    clip = optax.clip_by_global_norm(config.clip_norm) if config.clip_norm else optax.identity()

    def build(learning_rate: float) -> optax.GradientTransformation:
        scale = optax.scale_by_learning_rate(learning_rate)
        return optax.chain(clip, DIRECTIONS[config.name](config), optax.scale_by_schedule(schedule), scale)

    return optax.inject_hyperparams(build)(learning_rate=config.learning_rate)


def _schedule(config: ConfigDict, num_steps: int) -> optax.Schedule:
    return piecewise_schedule(config.drops, num_steps) if config.schedule == PIECEWISE else SCHEDULES[config.schedule](num_steps)


def check_batch_size(batch_size: int, spec: DataSpec) -> None:
    """Raises UserError where not one batch fills."""
    if not 1 <= batch_size <= spec.num_examples:
        raise UserError(f'batch_size={batch_size} must lie between 1 and the {spec.num_examples} training examples')


def num_steps(config: ConfigDict, spec: DataSpec, section: str = '') -> int:
    """Updates in `config.epochs` passes over the training split, in full batches.

    Args:
        config: with `epochs` and `batch_size`.
        spec: of the data.
        section: where the epochs stand in the config of the run, for the message.

    Raises:
        UserError: if not one batch fills, there is nothing to do, or more than can be counted.
    """
    check_batch_size(config.batch_size, spec)
    epochs = f'{section}.epochs' if section else 'epochs'
    if not 1 <= config.epochs <= MAX_EPOCHS:
        raise UserError(f'{epochs}={config.epochs} must lie between 1 and {MAX_EPOCHS:,}')
    steps = config.epochs * (spec.num_examples // config.batch_size)
    if steps > MAX_STEPS:
        raise UserError(f'{epochs}={config.epochs} with batch_size={config.batch_size} are {steps:,} steps, beyond {MAX_STEPS:,}')
    return steps


def by_phase(
    config: ConfigDict, num_steps: int, repeats: Mapping[str, int] | None = None
) -> dict[str, optax.GradientTransformation]:
    """The optimisers of a config's `optimizers`, {phase: `optimizer` section}; a phase takes `repeats` updates a step, or one.

    Raises:
        UserError: as from `from_config`.
    """
    found = {}
    for phase, section in config.optimizers.items():
        name = f'optimizers.{phase}'
        found[phase] = from_config(in_shares(section, config.epochs, name), num_steps * (repeats or {}).get(phase, 1), name)
    return found


def in_shares(config: ConfigDict, epochs: int, section: str) -> ConfigDict:
    """An optimiser's section with the drops of 'piecewise_epochs' as shares of `epochs`; as it is with any other schedule.

    Raises:
        UserError: on no drops, or epochs that do not ascend.
    """
    if config.schedule != PIECEWISE_EPOCHS:
        return config
    if not config.drops:
        raise UserError(f"{section}.schedule='piecewise_epochs' needs {section}.drops: ((epoch, factor), ...)")
    _check_drops(config.drops, section, math.inf)
    found = config.copy_and_resolve_references()
    found.drops = tuple((begins / epochs, factor) for begins, factor in config.drops if begins < epochs)
    found.schedule = PIECEWISE if found.drops else 'constant'
    return found
