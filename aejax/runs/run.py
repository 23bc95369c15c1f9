"""What the parts of one run share while it works."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from aejax.data import Dataset
from aejax.runs.console import Console
from aejax.training import loop
from aejax.training import state as states
from aejax.training.checkpoint import Checkpoints
from aejax.training.sources import Source
from aejax.types import Method, TrainState


@dataclasses.dataclass
class Run:
    """A run at work.

    Attributes:
        began: time.time() at which the user's command began.
        finished: the summary of a run that had finished before, and of which something is missing; {} of any other.
        gaps: what is missing of it, see `aejax.runs.missing`.
        rows: of metrics.jsonl.
        first_step_seconds: from `began` to the first training step, None before that.
    """

    config: ConfigDict
    folder: pathlib.Path
    dataset: Dataset
    method: Method
    source: Source
    checkpoints: Checkpoints
    console: Console
    began: float
    finished: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    gaps: Mapping[str, str] = dataclasses.field(default_factory=dict)
    rows: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    first_step_seconds: float | None = None

    @property
    def total_steps(self) -> int:
        """Of all stages."""
        return sum(stage.num_steps for stage in self.method.stages)

    def interval_ends(self) -> list[int]:
        """The steps that have rows in metrics.jsonl, see `aejax.training.loop.train`."""
        per_epoch, every = self.source.steps_per_epoch, self.config.log_every
        spans = loop.spans(self.method.stages)
        return [step for start, end, _ in spans for step in loop.interval_ends(start, end, per_epoch, every)]

    def template(self, step: int) -> TrainState:
        """A state with the structure of one stored at `step`."""
        state = loop.initial_state(self.method, self.source, self.dataset.spec, self.config.seed)
        return states.begin_stage(state, self.method.stages[loop.stage_index(self.method.stages, step)])

    def warn(self, text: str) -> None:
        """One line that begins with 'warning: '."""
        self.console.say(f'warning: {text}')
