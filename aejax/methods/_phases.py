"""Phases of a game: each a loss, the groups of parameters that it moves, and an optimiser of its own."""

from collections.abc import Mapping

import optax

from aejax.types import LossFn, Phase, Stage, UserError

Moves = Mapping[str, tuple[LossFn, tuple[str, ...]]]
"""Phase -> its loss and the groups that it moves, in the order in which they take their turns."""


def one_stage(
    moves: Moves, optimizers: Mapping[str, optax.GradientTransformation], num_steps: int, repeats: Mapping[str, int] = {}
) -> tuple[Stage, ...]:
    """One stage of `num_steps` steps, the phases in turn, each once or as often as `repeats` says.

    Raises:
        UserError: a phase has no optimiser: the config is that of another method.
    """
    if missing := [name for name in moves if name not in optimizers]:
        raise UserError(f'the config lacks optimizers.{missing[0]}: this method has the phases {", ".join(moves)}')
    phases = (Phase(name, loss, groups, optimizers[name], repeats.get(name, 1)) for name, (loss, groups) in moves.items())
    return (Stage('train', tuple(phases), num_steps),)
