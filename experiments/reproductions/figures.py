"""Measured figures: a mean with its standard error, what it is held against, and the verdict."""

import dataclasses
import operator
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from aejax.evaluation.summary import summarise

RELATIONS: dict[str, Callable[[float, float], bool]] = {
    'at most': operator.le,
    'at least': operator.ge,
    'within ±': lambda value, bound: abs(value) <= bound,
}
REPRODUCED, MISSED, STATED = 'reproduced', 'missed', 'stated'


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """When a figure counts as reproduced: 'at most', 'at least' or 'within ±' a bound. NaN never does."""

    relation: str
    bound: float

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f'relation is {self.relation!r}; choose one of {", ".join(RELATIONS)}')

    def __str__(self) -> str:
        return f'{self.relation}{"" if self.relation.endswith("±") else " "}{self.bound:g}'

    def met(self, value: float) -> bool:
        """Whether `value` satisfies it."""
        return RELATIONS[self.relation](value, self.bound)


@dataclasses.dataclass(frozen=True)
class Interval:
    """As `Tolerance`: reproduced from `lowest` to `highest`."""

    lowest: float
    highest: float

    def __str__(self) -> str:
        return f'{self.lowest:g} to {self.highest:g}'

    def met(self, value: float) -> bool:
        """Whether `value` lies in it."""
        return self.lowest <= value <= self.highest


class Measured(NamedTuple):
    """A mean over seeds and, where the figure has them, examples.

    Attributes:
        mean: over all.
        standard_error: of the mean, over examples (each averaged over the seeds first) or draws; over seeds where `n` is None.
        n: examples, or draws of labels; None for a figure that each seed has once.
        per_seed: one mean a seed: their spread is that of training.
    """

    mean: float
    standard_error: float
    n: int | None
    per_seed: tuple[float, ...]

    def scaled(self, scale: float, offset: float = 0.0) -> 'Measured':
        """The same for scale * (value + offset)."""
        per_seed = tuple(scale * (value + offset) for value in self.per_seed)
        return Measured(scale * (self.mean + offset), abs(scale) * self.standard_error, self.n, per_seed)


def over_examples(values: ArrayLike) -> Measured:
    """Of values per example, [seeds, n]."""
    values = np.asarray(values, np.float64)
    summary = summarise(values.mean(axis=0))
    return Measured(summary['mean'], summary['standard_error'], values.shape[1], tuple(values.mean(axis=1).tolist()))


def over_seeds(values: ArrayLike) -> Measured:
    """Of one value a seed, [seeds]."""
    values = np.asarray(values, np.float64)
    summary = summarise(values)
    return Measured(summary['mean'], summary['standard_error'], None, tuple(values.tolist()))


def over_draws(values: ArrayLike) -> Measured:
    """Of one value for each draw of what a system learns from (labels), [draws]; judged by its mean over them."""
    return over_seeds(values)._replace(n=len(np.asarray(values)))


def curve(settings: Sequence[float], measured: Sequence[Measured]) -> tuple[list[float], list[float], list[float]]:
    """Settings, means and standard errors, [k] each: a line of `aejax.visualization.curves.measured_curve`."""
    return list(settings), [found.mean for found in measured], [found.standard_error for found in measured]


def ratio(numerator: ArrayLike, denominator: ArrayLike) -> Measured:
    """r = mean(numerator) / mean(denominator) of values on the same examples, each [seeds, n].

    The standard error is that of the delta method, std_i(a_i - r b_i) / (sqrt(n) mean(b)): example by example the two rise and
    fall together, which independent errors would overlook.
    """
    above, below = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    value = float(above.mean() / below.mean())
    residual = summarise((above - value * below).mean(axis=0))
    per_seed = tuple((above.mean(axis=1) / below.mean(axis=1)).tolist())
    return Measured(value, residual['standard_error'] / abs(float(below.mean())), above.shape[1], per_seed)


@dataclasses.dataclass(frozen=True)
class Figure:
    """One row of a table.

    Attributes:
        name: which system and quantity.
        measured: see `Measured`.
        unit: of the values.
        target: what the source says, in words.
        tolerance: what decides the verdict, on the mean over examples, or on every seed's value where each has one; None for a
            figure that is stated only.
    """

    name: str
    measured: Measured
    unit: str
    target: str = ''
    tolerance: Tolerance | Interval | None = None

    @property
    def verdict(self) -> str:
        """'reproduced', 'missed', or 'stated' without a tolerance."""
        if self.tolerance is None:
            return STATED
        values = self.measured.per_seed if self.measured.n is None else (self.measured.mean,)
        return REPRODUCED if all(map(self.tolerance.met, values)) else MISSED

    def to_json(self) -> dict[str, Any]:
        """As stored in the results."""
        return {
            'name': self.name,
            'mean': self.measured.mean,
            'standard_error': self.measured.standard_error,
            'n': self.measured.n,
            'per_seed': list(self.measured.per_seed),
            'unit': self.unit,
            'target': self.target,
            'tolerance': None if self.tolerance is None else str(self.tolerance),
            'verdict': self.verdict,
        }
