"""Checkpoints of a whole `TrainState` through Orbax: the last two and the best.

Orbax writes in the background and commits by a rename. Once a checkpoint is committed, the digests of its files go into
digests.json beside it: a damaged one is recognised before anything tries to read it.
"""

import contextlib
import errno
import hashlib
import json
import logging
import os
import pathlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

import jax
import numpy as np

from aejax.files import write_json
from aejax.types import TrainState, UserError

Warn = Callable[[str], None]
DIGESTS = 'digests.json'
MISFIT = 'config.json does not fit the checkpoint'


def to_host(state: TrainState) -> dict[str, Any]:
    """The state as a dictionary of numpy arrays of its own, the key as its data: the next call takes the device's buffers."""
    fields = {name: getattr(state, name) for name in ('step', 'params', 'mutables', 'optimizer_states', 'hparams')}
    fields['key'] = jax.random.key_data(state.key)
    return jax.tree.map(np.array, jax.device_get(fields))


def from_host(fields: Mapping[str, Any]) -> TrainState:
    """The inverse of `to_host`."""
    arrays = {name: jax.tree.map(jax.numpy.asarray, value) for name, value in fields.items() if name != 'key'}
    return TrainState(key=jax.random.wrap_key_data(jax.numpy.asarray(fields['key'])), **arrays)


def file_digests(folder: pathlib.Path) -> dict[str, str]:
    """SHA-256 of every file under `folder`, by relative path."""
    files = sorted(path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def stored_steps(directory: pathlib.Path) -> list[int]:
    """Steps of the checkpoints in `directory`, whole or not, oldest first."""
    return sorted(int(path.name) for path in directory.glob('*') if path.name.isdecimal())


def read_digests(directory: pathlib.Path) -> dict[str, dict[str, str]]:
    """The digests that were recorded, by step; {} where they cannot be read."""
    try:
        value = json.loads((directory / DIGESTS).read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def damage(directory: pathlib.Path, step: int) -> str:
    """What is wrong with the checkpoint of `step`, in words; '' where nothing is known to be."""
    folder, known = directory / str(step), read_digests(directory).get(str(step))
    if not folder.is_dir():
        return f'checkpoint {folder} is gone'
    if known is not None and known != file_digests(folder):
        return f'checkpoint {folder} is damaged: its bytes are not those that were saved'
    return ''


def metrics_alone_are_damaged(directory: pathlib.Path, step: int) -> bool:
    """Whether the bytes of the checkpoint of `step` differ from those that were saved, but only those of its metrics."""
    known, found = read_digests(directory).get(str(step), {}), file_digests(directory / str(step))
    differing = {name for name, _ in known.items() ^ found.items()}
    return bool(known and differing) and all(name.startswith('metrics/') for name in differing)


def check_room(directory: pathlib.Path, fields: Mapping[str, Any]) -> None:
    """Raises OSError where the disk has no room for `fields` and a little more: found early, nothing is left half-written."""
    needed = sum(leaf.nbytes for leaf in jax.tree.leaves(fields)) + 2**20
    if shutil.disk_usage(directory).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(directory))


def check_fit(folder: pathlib.Path, fields: Mapping[str, Any], template: Mapping[str, Any]) -> None:
    """Raises UserError on the first array in `fields`, which `folder` holds, that has another shape or type than in `template`.

    Orbax gives back what was stored, whatever the template's shapes.
    """
    for part in ('params', *fields):  # what the user set, before what follows from it
        for (path, stored), wanted in zip(jax.tree.leaves_with_path(fields[part]), jax.tree.leaves(template[part]), strict=True):
            if (stored.shape, stored.dtype) != (wanted.shape, wanted.dtype):
                name = jax.tree_util.keystr(path, simple=True, separator='/')
                raise UserError(
                    f'{MISFIT} {folder}: {part}/{name} is {stored.dtype}{list(stored.shape)} there, '
                    f'and by the config {wanted.dtype}{list(wanted.shape)}'
                )


@contextlib.contextmanager
def writing(directory: pathlib.Path) -> Iterator[None]:
    """What TensorStore raises when a file cannot be written (a ValueError with the system's error in its text), as an OSError."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        code = re.search(r"os_error_code='(\d+)'", str(error))
        if code is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(directory)) from error


class Checkpoints:
    """The checkpoints of one run's folder. Writing is atomic and goes on in the background; `close` waits for it."""

    def __init__(self, directory: pathlib.Path, selection: tuple[str, Literal['min', 'max']], read_only: bool = False):
        """Opens, or makes, `directory`; the best checkpoint is chosen by `selection`, (metric, 'min' or 'max').

        Raises:
            UserError: if `read_only`, and the metrics of a checkpoint cannot be read.
        """
        import orbax.checkpoint as ocp
        from orbax.checkpoint.checkpoint_managers import preservation_policy as keep

        for noisy in ('absl', 'asyncio'):
            logging.getLogger(noisy).setLevel(logging.CRITICAL)
        self._ocp = ocp
        self.directory = directory.absolute()
        self.metric, self.mode = selection
        folders = [self.directory / str(step) for step in stored_steps(self.directory)]
        self._read_only = read_only
        for folder in folders:
            if self._metrics_are_damaged(folder):
                self._drop_metrics(folder)
        best = keep.BestN(
            get_metric_fn=lambda metrics: metrics[self.metric],
            reverse=self.mode == 'min',
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        # Each of several processes has checkpoints of its own and waits for no other.
        alone = ocp.options.MultiprocessingOptions(
            primary_host=jax.process_index(),
            active_processes={jax.process_index()},
            barrier_sync_key_prefix=f'process-{jax.process_index()}',
        )
        if jax.process_count() > 1:
            self.directory.mkdir(parents=True, exist_ok=True)
        options = ocp.CheckpointManagerOptions(
            create=jax.process_count() == 1,
            async_options=ocp.AsyncOptions(create_directories_asynchronously=False),
            multiprocessing_options=alone if jax.process_count() > 1 else ocp.options.MultiprocessingOptions(),
            best_fn=lambda metrics: metrics[self.metric],
            best_mode=self.mode,
            preservation_policy=keep.AnyPreservationPolicy([keep.LatestN(2), best]),
            cleanup_tmp_directories=not read_only,
            read_only=read_only,
        )
        self._manager = ocp.CheckpointManager(self.directory, options=options)

    def _metrics_are_damaged(self, folder: pathlib.Path) -> bool:
        """Whether Orbax, which reads the metrics of every checkpoint as it opens a folder, would stop at this one."""
        try:
            return self.metric not in json.loads((folder / 'metrics' / 'metrics').read_text())
        except FileNotFoundError:
            return False
        except (ValueError, TypeError):
            return True

    def _drop_metrics(self, folder: pathlib.Path) -> None:
        if self._read_only:
            raise UserError(f'checkpoint {folder} is damaged: its metrics cannot be read; the command that trained it mends that')
        (folder / 'metrics' / 'metrics').unlink()

    def save(self, state: TrainState, metrics: Mapping[str, float] | None) -> None:
        """Stores `state` under its step; `metrics`, of the validation split, decide which checkpoint is the best.

        One without metrics is there to go on from, and is never the best.

        Raises:
            OSError: if this one, or the one before, could not be written.
        """
        self._seal()
        fields = to_host(state)
        check_room(self.directory, fields)
        items = self._ocp.args.Composite(state=self._ocp.args.StandardSave(fields))
        with writing(self.directory):
            self._manager.save(int(fields['step']), args=items, metrics=dict(metrics) if metrics else None, force=True)

    def _seal(self) -> None:
        """Waits for what is being written, then records its digests and forgets those of checkpoints that are gone."""
        with writing(self.directory):
            self._manager.wait_until_finished()
        if self._read_only:
            return
        self._prune()
        known = read_digests(self.directory)
        digests = {str(step): known.get(str(step)) or file_digests(self.directory / str(step)) for step in self.steps()}
        if digests != known:
            write_json(self.directory / DIGESTS, digests)

    def _prune(self) -> None:
        """Removes what is neither one of the last two nor the best: a process that ended between a save and that left it."""
        steps = self.steps()
        for step in set(steps) - {*steps[-2:], self.best_step()}:
            self._remove(step)

    def steps(self) -> list[int]:
        """Steps of the checkpoints there are, oldest first."""
        return sorted(self._manager.all_steps())

    def best_step(self) -> int | None:
        """The step of the best checkpoint, or None where there is none."""
        return self._manager.best_step()

    def metrics(self, step: int) -> dict[str, float]:
        """The metrics that the checkpoint of `step` was saved with; {} where there were none."""
        return dict(self._manager.metrics(step) or {})

    def restore(self, step: int, template: TrainState) -> TrainState:
        """The checkpoint of `step`; `template` gives structure and shapes.

        Raises:
            UserError: if it is incomplete, its bytes are not those that were saved, or it is the state of another model.
        """
        folder = self.directory / str(step)
        if wrong := damage(self.directory, step):
            raise UserError(wrong)
        wanted = to_host(template)
        try:
            args = self._ocp.args.Composite(state=self._ocp.args.StandardRestore(wanted))
            fields = self._manager.restore(step, args=args)['state']
        except Exception as error:  # Orbax and TensorStore raise whatever they meet in a damaged folder
            reason = f'{type(error).__name__}: {" ".join(str(error).split())[:200]}'
            if str(step) in read_digests(self.directory):  # then its bytes are those that were saved
                raise UserError(f'{MISFIT} {folder}: it is whole, but not of such a model ({reason})') from error
            raise UserError(f'checkpoint {folder} cannot be read ({reason})') from error
        check_fit(folder, fields, wanted)
        return from_host(fields)

    def restore_last(self, template_at: Callable[[int], TrainState], warn: Warn) -> TrainState | None:
        """The newest checkpoint that can be read, None if there is none at all; damaged ones are reported and removed.

        One whose metrics alone are damaged gives way like any other, so that training reaches it, whole, again; where there is no
        other, it does. `template_at(step)` gives the template for a state stored at that step. Where none can be read, all stay.

        Raises:
            UserError: if there are checkpoints, but none can be read.
        """
        steps, damaged, state = self.steps(), [], None
        while steps and state is None:
            step = steps.pop()
            try:
                state = self.restore(step, template_at(step))
            except UserError as error:
                warn(f'{error}; falling back to the one before')
                damaged.append(step)
        if whole := [step for step in damaged if state is None and metrics_alone_are_damaged(self.directory, step)]:
            self._forget_metrics(whole[0])
            warn(
                f'no checkpoint before it can be read: {self.directory / str(whole[0])}, damaged in its metrics alone, has to do'
            )
            state = self.restore(whole[0], template_at(whole[0]))
            damaged.remove(whole[0])
        if state is None and damaged:
            raise UserError(f'no checkpoint in {self.directory} can be read; start again with --overwrite')
        for step in steps:
            if wrong := damage(self.directory, step):
                warn(f'{wrong}; it is removed')
                damaged.append(step)
        for step in damaged:
            self._remove(step)
        return state

    def _forget_metrics(self, step: int) -> None:
        """Makes the checkpoint of `step` one that was saved without metrics: there to go on from, and never the best."""
        shutil.rmtree(self.directory / str(step) / 'metrics', ignore_errors=True)
        digests = {**read_digests(self.directory), str(step): file_digests(self.directory / str(step))}
        write_json(self.directory / DIGESTS, digests)
        self._manager.reload()

    def _remove(self, step: int) -> None:
        shutil.rmtree(self.directory / str(step), ignore_errors=True)
        self._manager.reload()

    def close(self) -> None:
        """Waits for what is being written.

        Raises:
            OSError: if it could not be.
        """
        with writing(self.directory):
            try:
                self._seal()
            finally:
                self._manager.close()
