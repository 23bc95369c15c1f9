"""Training in memory, for notebooks and studies: one call, one run or an ensemble of them."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from aejax.data import Dataset
from aejax.data.labels import stream_sizes, training_data
from aejax.evaluation.per_example import make_evaluator
from aejax.optimizers import check_batch_size
from aejax.settings import check_seed
from aejax.training import ensemble, loop
from aejax.training.sources import Resident
from aejax.types import Batch, DataSpec, Method, TrainState, UserError


@dataclasses.dataclass(frozen=True)
class Fit:
    """A trained state and its history.

    Attributes:
        state: at the end; with a leading member axis if `seeds` were given.
        history: a row a logging interval: step, epoch, stage, seconds, 'phase/metric', and 'validation/metric' means.
    """

    state: TrainState
    history: list[dict[str, Any]]


def fit(
    method: Method,
    dataset: Dataset,
    *,
    batch_size: int,
    seed: int = 0,
    seeds: Sequence[int] | None = None,
    hparams: Mapping[str, Sequence[float]] | None = None,
    log_every: float = 1.0,
    parallel: str = 'jit',
    num_labelled: int = 0,
    label_seed: int | Sequence[int] = 0,
    labelled_batch_size: int = 0,
) -> Fit:
    """Trains `method` on the training split of `dataset`, looking at the validation split at every logging interval.

    What is compiled is kept: `method` trained again, with another seed say, compiles none of its stages again.

    Args:
        method: from `aejax.methods.build`.
        dataset: from `aejax.data.load`.
        batch_size: examples a step; the one that the method was built with.
        seed: of a single run.
        seeds: of the members of an ensemble, trained as one program.
        hparams: name -> one value for each member ('learning_rate', 'beta', ...).
        log_every: epochs between two rows.
        parallel: 'jit' or 'pmap'.
        num_labelled: labels that a semi-supervised method is given, see `aejax.data.labels`; its config's `data.num_labelled`.
        label_seed: which; a sequence gives each member of an ensemble its own.
        labelled_batch_size: labelled examples a step; 0 for as many as `batch_size`.

    Raises:
        UserError: on settings that cannot be.
        NonFiniteError: when a metric of any member is not finite.
    """
    check_batch_size(batch_size, dataset.spec)
    if not log_every > 0:
        raise UserError(f'log_every={log_every} must be a positive number of epochs')
    for member_seed in (seed,) if seeds is None else seeds:
        check_seed(member_seed)
    _check_members(seeds, hparams)
    _check_labels(method, dataset.spec, num_labelled)
    data, own_streams = _training_data(dataset, num_labelled, label_seed, seeds)
    sizes, members = stream_sizes(labelled_batch_size, batch_size, num_labelled), seeds is not None
    source = Resident(data, batch_size, own_streams=own_streams, stream_sizes=sizes)
    if seeds is not None:
        state = ensemble.initial_states(method, source, dataset.spec, seeds, hparams)
    else:
        state = loop.initial_state(method, source, dataset.spec, seed)
    validate = make_evaluator(method, dataset.spec, dataset.split('validation'), members=members)
    history = []
    for interval in loop.train(
        method,
        source,
        dataset.spec,
        batch_size=batch_size,
        state=state,
        log_every=log_every,
        parallel=parallel,
        members=members,
    ):
        state = interval.state
        history.append(_row(interval, validate(state)))
    return Fit(state, history)


def _row(interval: loop.Interval, on_validation: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A row of the history: where the interval ended, its metrics, and the means of those on validation."""
    checks = {f'validation/{name}': np.mean(value, axis=-1) for name, value in on_validation.items()}
    at = {'step': interval.step, 'epoch': interval.epoch, 'stage': interval.stage, 'seconds': interval.seconds}
    return {**at, **interval.metrics, **checks}


def _check_members(seeds: Sequence[int] | None, hparams: Mapping[str, Sequence[float]] | None) -> None:
    if seeds is not None and not len(seeds):
        raise UserError('seeds is empty: give one for each member of the ensemble, or seed for a single run')
    if hparams and seeds is None:
        raise UserError('hparams has one value for each member of an ensemble: give seeds as well')


def _check_labels(method: Method, spec: DataSpec, num_labelled: int) -> None:
    if hasattr(method, 'streams') != bool(num_labelled):
        raise UserError('num_labelled is for semi-supervised methods, which need it, and for no other')
    share = getattr(method, 'labelled_share', num_labelled / spec.num_examples)
    if round(share * spec.num_examples) != num_labelled:
        raise UserError(f'the method was built with another data.num_labelled than {num_labelled}, and weighs the labels by it')


def _training_data(
    dataset: Dataset, num_labelled: int, label_seed: int | Sequence[int], seeds: Sequence[int] | None
) -> tuple[Batch, tuple[str, ...]]:
    """The training split, with one choice of labels for all or one for each member, and the streams that each has for itself."""
    label_seeds = np.atleast_1d(label_seed).tolist()
    for one in label_seeds:
        check_seed(one, 'label_seed')
    if np.ndim(label_seed) == 0:
        return training_data(dataset, num_labelled, label_seeds[0]), ()
    if not num_labelled or len(label_seeds) != len(seeds or ()):
        raise UserError('label_seed has one value for each member of an ensemble with few labels: give seeds and num_labelled')
    draws = [training_data(dataset, num_labelled, one) for one in label_seeds]
    labelled = jax.tree.map(lambda *leaves: np.stack(leaves), *(draw['labelled'] for draw in draws))
    return {**draws[0], 'labelled': labelled}, ('labelled',)
