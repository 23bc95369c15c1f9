"""A trained model from a run's folder: `aejax.load(run_dir)`."""

import dataclasses
import functools
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from aejax import methods
from aejax.runs import folder as folders
from aejax.runs.folder import CHECKPOINTS, CONFIG, PROVENANCE, SUMMARY
from aejax.runs.setup import complete, machine_memory, num_bytes
from aejax.settings import check_counts, check_seed
from aejax.training import loop
from aejax.training import state as states
from aejax.training.checkpoint import Checkpoints, stored_steps
from aejax.training.sources import Resident
from aejax.types import DataSpec, Method, TrainState, UserError

CAPABILITIES = (
    'encode',
    'decode',
    'reconstruct',
    'sample',
    'class_logits',
    'conditional_encode',
    'conditional_decode',
    'conditional_sample',
    'attribute_decode',
)


def restore_config(values: dict[str, Any]) -> ConfigDict:
    """The config that was stored as JSON: lists are tuples again."""

    def thaw(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: thaw(item) for key, item in value.items()}
        return tuple(value) if isinstance(value, list) else value

    return ConfigDict(thaw(values))


def spec_of(description: Any) -> DataSpec:
    """The DataSpec in a provenance's `data`.

    Raises:
        UserError: if it is not all there.
    """
    try:
        return DataSpec(
            name=description['name'],
            shape=tuple(description['shape']),
            preprocessing=description['preprocessing'],
            num_classes=description['num_classes'],
            num_examples=description['sizes']['train'],
            num_levels=description.get('num_levels', 0),
        )
    except (KeyError, TypeError):
        raise UserError(
            f'{PROVENANCE} is lost, or does not say what data the run was trained on; the command that trained it writes it again'
        ) from None


@dataclasses.dataclass(frozen=True, repr=False)
class Model:
    """A trained method with its parameters. All arrays are numpy, in model space: what `aejax.data` and `preprocessing` make.

    Attributes:
        method: the pure functions.
        state: parameters and all else that was stored.
        config: of the run.
        spec: of the data it was trained on.
        checkpoint: the step that was loaded.
    """

    method: Method
    state: TrainState
    config: ConfigDict
    spec: DataSpec
    checkpoint: int

    @property
    def abilities(self) -> list[str]:
        """Which of CAPABILITIES this model has."""
        return [name for name in CAPABILITIES if hasattr(self.method, name)]

    def _call(self, capability: str, *arguments: Any) -> np.ndarray:
        if not hasattr(self.method, capability):
            raise UserError(f'method {self.config.method} cannot {capability}: it can {", ".join(self.abilities)}')
        function, given = self._compiled(capability), (self.state.params, self.state.mutables, *arguments)
        if (size := num_bytes(function.eval_shape(*given))) > (memory := machine_memory()):
            raise UserError(f'that is {size / 2**30:,.0f} GiB, and this machine has {memory / 2**30:,.0f} GiB: ask for less')
        # Waited for first: numpy ends the process where what it is to look at could not be computed for lack of memory.
        return np.asarray(jax.block_until_ready(function(*given)))

    @functools.cache  # noqa: B019 (a model is few and lives as long as its compiled functions)
    def _compiled(self, capability: str) -> Any:
        return jax.jit(getattr(self.method, capability), static_argnums=3 if capability == 'sample' else ())

    def __repr__(self) -> str:
        return f'<Model {self.config.method} of {self.spec.name}, step {self.checkpoint}: {", ".join(self.abilities)}>'

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def encode(self, x: Any) -> np.ndarray:
        """Codes [n, d] of x [n, ...]."""
        return self._call('encode', self._batch(x))

    def decode(self, z: Any) -> np.ndarray:
        """Outputs [n, ...] for codes z [n, d]."""
        return self._call('decode', self._codes(z, 'encode'))

    def reconstruct(self, x: Any) -> np.ndarray:
        """What comes back for x [n, ...]."""
        return self._call('reconstruct', self._batch(x))

    def sample(self, num: int, seed: int = 0) -> np.ndarray:
        """`num` examples from the model."""
        check_seed(seed)
        check_counts({'num': num})
        return self._call('sample', jax.random.key(seed), int(num))

    def class_logits(self, x: Any) -> np.ndarray:
        """Logits of q(y given x), [n, classes], for x [n, ...]."""
        return self._call('class_logits', self._batch(x))

    def conditional_encode(self, x: Any, label: Any) -> np.ndarray:
        """Codes [n, d] of x [n, ...] with classes label [n]."""
        return self._call('conditional_encode', *_as_many(self._batch(x), self._labels(label)))

    def conditional_decode(self, z: Any, label: Any) -> np.ndarray:
        """Outputs [n, ...] for codes z [n, d] and classes label [n]."""
        z = self._codes(z, 'conditional_encode', np.zeros(1, np.int32))
        return self._call('conditional_decode', *_as_many(z, self._labels(label)))

    def conditional_sample(self, label: Any, seed: int = 0) -> np.ndarray:
        """An example from the model for each class in label [n]."""
        check_seed(seed)
        return self._call('conditional_sample', jax.random.key(seed), self._labels(label))

    def attribute_decode(self, z: Any, level: Any) -> np.ndarray:
        """Outputs [n, ...] for codes z [n, d] at levels [n] of the attribute, 0 to `spec.num_levels` - 1."""
        return self._call('attribute_decode', *_as_many(self._codes(z, 'encode'), _below(self.spec.num_levels, level, 'levels')))

    def _labels(self, label: Any) -> Any:
        return _below(self.spec.num_classes, label, 'labels')

    def _codes(self, z: Any, encode: str, *label: np.ndarray) -> Any:
        """z, held against what the method's own encoder would give, or its prior where it has none."""
        method, known = self.method, (self.state.params, self.state.mutables)
        if hasattr(method, encode):
            code = jax.eval_shape(getattr(method, encode), *known, np.zeros((1, *self.spec.shape), np.float32), *label)
        elif hasattr(method, 'sample_prior'):
            code = jax.eval_shape(lambda key: method.sample_prior(*known, key, 1), jax.random.key(0))
        else:
            return jax.numpy.asarray(z, jax.numpy.float32)
        if not np.size(z) or np.shape(z)[1:] != code.shape[1:]:
            raise UserError(f'codes of this model are [n, {", ".join(map(str, code.shape[1:]))}], not {list(np.shape(z))}')
        return jax.numpy.asarray(z, jax.numpy.float32)

    def _batch(self, x: Any) -> Any:
        if not np.size(x) or np.shape(x)[1:] != self.spec.shape:
            raise UserError(f'this model takes [n, {", ".join(map(str, self.spec.shape))}], not {list(np.shape(x))}')
        kind = np.asarray(x).dtype
        if kind.kind in 'iu' and kind != np.uint8 and np.max(x) > 1:
            raise UserError(f'pixels are uint8, and what was prepared is floats: these are {kind}')
        if kind == np.uint8:
            if not self.spec.is_unit_interval:
                raise UserError(f'this model was trained on {self.spec.preprocessing!r} data: give floats that were prepared so')
            return jax.numpy.asarray(x, jax.numpy.float32) / 255.0
        return jax.numpy.asarray(x, jax.numpy.float32)


def _below(count: int, values: Any, name: str) -> Any:
    """The whole numbers below `count` that `values` [n] holds; what they are called is for the message."""
    if not count:
        raise UserError(f'the data that this model was trained on have no {name}')
    values = np.asarray(values)
    whole = values.ndim == 1 and values.size and values.dtype.kind in 'iu'
    if not whole or np.any((values < 0) | (values >= count)):
        raise UserError(f'{name} are whole numbers from 0 to {count - 1}, one an example: [n]')
    return jax.numpy.asarray(values, jax.numpy.int32)


def _as_many(x: Any, label: Any) -> tuple[Any, Any]:
    """Both, where there is one label or level for each example."""
    if len(x) != len(label):
        raise UserError(f'{len(label)} labels or levels for {len(x)} examples: give one for each')
    return x, label


def load(run_dir: str | os.PathLike[str], checkpoint: str | int = 'configured') -> Model:
    """The model that a run trained.

    Args:
        run_dir: the run's folder.
        checkpoint: 'last', 'best', a step, or 'configured' for the one that the run's test figures come from.

    Raises:
        UserError: if there is no run, or no checkpoint of that kind that can be read; and where that of a finished run is lost,
            which an older one does not replace.
    """
    folder = pathlib.Path(run_dir)
    folders.check_kinds(folder)
    config = restore_config(folders.read_config(folder))
    if not stored_steps(folder / CHECKPOINTS):
        raise UserError(f'{folder} holds no trained model yet; train first')
    spec = spec_of(folders.read_object(folder / PROVENANCE).get('data'))
    with complete(config):
        method = _build(config, spec, folder)
        wanted = config.test_checkpoint if checkpoint == 'configured' else checkpoint
    checkpoints = Checkpoints(folder / CHECKPOINTS, method.selection, read_only=True)
    try:
        _check_not_lost(checkpoints, str(wanted), folders.read_object(folder / SUMMARY))
        state = _restore(checkpoints, wanted, method, spec)
    finally:
        checkpoints.close()
    return Model(method, state, config, spec, int(state.step))


def _build(config: ConfigDict, spec: DataSpec, folder: pathlib.Path) -> Method:
    """The method of a stored config. It was built from this config before, so what fails by a type now was edited since."""
    try:
        return methods.build(config, spec)
    except TypeError as error:
        raise UserError(f'{folder / CONFIG} holds a setting of a wrong type, and was edited by hand: {error}') from None


def due_steps(summary: Mapping[str, Any]) -> dict[str, int]:
    """The steps of the 'last' and the 'best' checkpoint that a finished run left; {} of a run that has not finished."""
    if summary.get('status') != 'finished':
        return {}
    steps = {'last': summary.get('steps'), 'best': (summary.get('best') or {}).get('step')}
    return {name: step for name, step in steps.items() if isinstance(step, int)}


def _check_not_lost(checkpoints: Checkpoints, wanted: str, summary: Mapping[str, Any]) -> None:
    due, there = due_steps(summary).get(wanted), checkpoints.steps()
    if due is not None and due not in there:
        raise UserError(
            f'the {wanted} checkpoint of this finished run, {checkpoints.directory / str(due)}, is gone; '
            f'the command that trained it mends that, or choose one of {there}'
        )


def _restore(checkpoints: Checkpoints, wanted: str | int, method: Method, spec: DataSpec) -> TrainState:
    steps = checkpoints.steps()
    if not steps:
        raise UserError(f'{checkpoints.directory} holds no checkpoint yet; train first')
    choices = {'last': steps[-1], 'best': checkpoints.best_step(), **{str(step): step for step in steps}}
    step = choices.get(str(wanted))
    if step is None:
        raise UserError(f"there is no checkpoint {wanted!r}; choose 'last', 'best' or one of {steps}")
    row = np.zeros((2, *spec.shape), np.float32)
    state = loop.initial_state(method, Resident({'x': row}, 1), spec, 0)
    return checkpoints.restore(step, states.begin_stage(state, method.stages[loop.stage_index(method.stages, step)]))
