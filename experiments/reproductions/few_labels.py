"""Tables of test errors with few labels: one training for each number of labels and each draw of them."""

from collections.abc import Callable, Iterable

import numpy as np
from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.types import Method, TrainState
from experiments.reproductions.base import Bench, Part
from experiments.reproductions.figures import Figure, Tolerance, over_draws
from experiments.reproductions.parts import Values, metrics, run_part


def measure(method: Method, dataset: Dataset, state: TrainState) -> Values:
    """The metrics on the test split."""
    return metrics(method, dataset, state, ('test',))


def train_draws(
    bench: Bench, system: str, config: Callable[[int], ConfigDict], counts: Iterable[int], draws: Iterable[int]
) -> dict[int, dict[int, Part]]:
    """Number of labels -> draw -> what was trained with those labels, with one seed of all else, and measured.

    Args:
        bench: see `Bench`; only the first of its seeds counts.
        system: for the lines of progress.
        config: number of labels -> config; which labels they are is set here.
        counts: numbers of labels; a smoke test takes the first.
        draws: seeds of the choice of labels; a smoke test takes the first.
    """
    return {
        num: {draw: train_draw(bench, system, config(num), num, draw) for draw in bench.first(draws)}
        for num in bench.first(counts)
    }


def train_draw(bench: Bench, system: str, config: ConfigDict, num: int, draw: int) -> Part:
    """`config` with `num` labels, those of this draw, trained and measured."""
    own = config.copy_and_resolve_references()
    own.data.num_labelled, own.data.label_seed = num, draw
    return run_part(bench, f'{system}, {num} labels, draw {draw}', own, measure, tuple(bench.seeds[:1]))


def named(trained: dict[int, dict[int, Part]]) -> dict[str, Part]:
    """The parts as a file of results names them."""
    return {f'{num} labels, draw {draw}': part for num, parts in trained.items() for draw, part in parts.items()}


def error_figure(system: str, num: int, errors: np.ndarray, published: str = '', bound: float | None = None) -> Figure:
    """Of test errors, 0 or 1, [draws, n]: draws of labels differ by far more than test images let a draw's error vary."""
    tolerance = None if bound is None else Tolerance('at most', bound)
    return Figure(f'{system}, {num:,} labels: test error', over_draws(100 * errors.mean(axis=1)), '%', published, tolerance)


def classifier_errors(parts: dict[int, Part]) -> np.ndarray:
    """[draws, n], 0 or 1, of the classifier of each draw's part."""
    return np.stack([part.values['test_classification_error'][0] for part in parts.values()])
