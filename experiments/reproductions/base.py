"""What a reproduction is, what it is run with, and what comes out."""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from ml_collections import ConfigDict

from aejax.data.attributes import split_name
from aejax.data.preprocessing import IMAGE_PREPROCESSING
from aejax.runs.setup import Folders
from experiments.reproductions.figures import Figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

CACHE = pathlib.Path('runs') / 'reproduce'
T = TypeVar('T')


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where and how a reproduction is run.

    Attributes:
        seeds: of parameters, order and noise; the data's own seed is in the configs.
        folders: of the data.
        cache: where finished parts are kept.
        smoke: the same code on the embedded digits for two epochs.
        ensemble: train all seeds as one vmapped program, instead of one after the other.
        say: takes a line of progress.
        git: the state of the code when the command began, as in a run's provenance.
    """

    seeds: Sequence[int] = (0, 1, 2)
    folders: Folders = dataclasses.field(default_factory=Folders)
    cache: pathlib.Path = CACHE
    smoke: bool = False
    ensemble: bool = False
    say: Callable[[str], None] = print
    git: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def first(self, each: Iterable[T]) -> tuple[T, ...]:
        """All of `each`; of a smoke test the first alone."""
        return tuple(each)[: 1 if self.smoke else None]

    def config(self, config: ConfigDict) -> ConfigDict:
        """A copy of `config`, cut down for a smoke test."""
        copy = config.copy_and_resolve_references()
        if self.smoke:
            # An attribute of the images is part of what is tested.
            _, attribute = split_name(copy.data.name)
            copy.data.name = f'digits:{attribute}' if attribute else 'digits'
            copy.epochs, copy.batch_size, copy.finetune.epochs = min(copy.epochs, 2), 100, 2
            copy.finetune.optimizer.warmup_steps = min(copy.finetune.optimizer.warmup_steps, 2)
            if 'm1_epochs' in copy:
                copy.m1_epochs = 2
            if copy.data.preprocessing not in IMAGE_PREPROCESSING:
                copy.data.preprocessing = 'standardise'
        return copy


@dataclasses.dataclass(frozen=True)
class Part:
    """One config trained with each seed and measured.

    Attributes:
        config: as trained.
        seeds: of its members.
        data: `Dataset.describe()`.
        values: what was measured, each stacked over the seeds, [seeds, ...].
        seconds: of training and measuring, one a seed; those of a pretraining that several parts share count for the first,
            which may be one of the search.
    """

    config: ConfigDict
    seeds: tuple[int, ...]
    data: Mapping[str, Any]
    values: Mapping[str, np.ndarray]
    seconds: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a reproduction found.

    Attributes:
        figures: the rows of the table.
        parts: by name: every training run that stands behind them.
        search: the settings that were compared, on training and validation data only.
        pictures: by the end of their file's name ('' for the table's own).
    """

    figures: Sequence[Figure]
    parts: Mapping[str, Part]
    search: Sequence[Mapping[str, Any]] = ()
    pictures: 'Mapping[str, Picture]' = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """One table of one paper.

    Attributes:
        name: 'PAPER.TABLE'.
        title: the system, for a reader.
        source: paper and address.
        protocol: what is trained and measured, in words.
        target: what must come out, in words.
        chosen: how the hyper-parameters were chosen.
        run: does it.
        num_samples: draws of z an example behind every bound, or chains behind log Z; 0 where nothing is drawn.
    """

    name: str
    title: str
    source: str
    protocol: str
    target: str
    chosen: str
    run: Callable[[Bench], Outcome]
    num_samples: int = 0

    @property
    def paper(self) -> str:
        """The first half of the name."""
        return self.name.partition('.')[0]
