"""How a program is spread over devices and over the members of an ensemble.

'jit' is the default: one global program over a mesh with a 'data' axis; batches are sharded, everything else is replicated, and
the numbers are those of one device whatever the count. 'pmap' gives each device a program of its own and averages gradients:
losses that couple the examples of a batch, and noise, then depend on the number of devices.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from aejax.same import NUM_PROGRAMS, Same
from aejax.training.program import Prepare, Program, make_program
from aejax.training.sources import Source
from aejax.training.state import take
from aejax.types import Array, Batch, Stage, TrainState, UserError

AXIS = 'data'
MODES = ('jit', 'pmap')


@dataclasses.dataclass(frozen=True)
class Placement:
    """Where things live: a compiled program's own way of laying out state and data.

    Attributes:
        compile: (stage, batch size, preparation, source of its data) -> its compiled program.
        place: a pytree of host arrays, replicated over all devices.
        collect: one host-visible copy of a placed pytree (an ensemble's member axis stays).
    """

    compile: Callable[[Stage, int, Prepare, Source], Program]
    place: Callable[[Any], Any]
    collect: Callable[[Any], Any]


def _spread_over_processes(leaf: Any, sharding: NamedSharding) -> Array:
    """`leaf`, of which every process holds the whole, as one array over the devices of all."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_spread_over_processes(jax.random.key_data(leaf), sharding))
    host = np.asarray(leaf)
    return jax.make_array_from_callback(host.shape, sharding, lambda index: host[index])


@jax.jit
def _copies(arrays: list[Array]) -> list[Array]:
    return [jnp.copy(array) for array in arrays]


def _copy_to(sharding: NamedSharding) -> Callable[[Any], Any]:
    if not sharding.is_fully_addressable:
        return lambda tree: jax.tree.map(lambda leaf: _spread_over_processes(leaf, sharding), tree)

    # The program donates its state. device_put shares the buffer of the device that holds an array already, whatever may_alias
    # says, and donation would then delete it under its owner (or twice, where two leaves are one array).
    def copy(tree: Any) -> Any:
        leaves, structure = jax.tree.flatten(tree)
        copied = iter(_copies([leaf for leaf in leaves if isinstance(leaf, jax.Array)]))
        own = [next(copied) if isinstance(leaf, jax.Array) else leaf for leaf in leaves]
        return jax.device_put(jax.tree.unflatten(structure, own), sharding, may_alias=False)

    return copy


class _Layout(NamedTuple):
    """What a program depends on of its source: attributes of `Source`, as pairs where that has mappings."""

    ordered: bool
    stream_sizes: tuple[tuple[str, int], ...]
    data_axes: tuple[tuple[str, int | None], ...]


def _layout(source: Source) -> _Layout:
    return _Layout(source.ordered, tuple(source.stream_sizes.items()), tuple((source.data_axes or {}).items()))


def _jit_placement(mesh: Mesh, members: bool) -> Placement:
    def compile_stage(stage: Stage, batch_size: int, prepare: Prepare, source: Source) -> Program:
        return _jit_program(Same(stage), batch_size, prepare, _layout(source), mesh, members)

    return Placement(compile_stage, _copy_to(NamedSharding(mesh, PartitionSpec())), lambda tree: tree)


@functools.lru_cache(maxsize=NUM_PROGRAMS)
def _jit_program(stage: Same[Stage], batch_size: int, prepare: Prepare, layout: _Layout, mesh: Mesh, members: bool) -> Program:
    """One program over all devices of `mesh`; `members` maps it over those of an ensemble."""
    replicated, sharded = NamedSharding(mesh, PartitionSpec()), NamedSharding(mesh, PartitionSpec(AXIS))

    def constrain(batch: Batch) -> Batch:
        return jax.tree.map(lambda leaf: jax.lax.with_sharding_constraint(leaf, sharded), batch)

    sizes = dict(layout.stream_sizes)
    run = make_program(stage.value, batch_size, prepare, constrain=constrain, ordered=layout.ordered, stream_sizes=sizes)
    if members:
        run = jax.vmap(run, in_axes=(0, dict(layout.data_axes) or None, None, None))
    return jax.jit(run, donate_argnums=0, out_shardings=replicated)


def _pmap_placement(mesh: Mesh) -> Placement:
    count = mesh.size
    per_device = NamedSharding(mesh, PartitionSpec(AXIS))

    def place(tree: Any) -> Any:
        def spread(leaf: Any) -> Any:
            stacked = jnp.stack([leaf] * count)
            return jax.device_put(stacked, per_device)

        return jax.tree.map(spread, tree)

    def compile_stage(stage: Stage, batch_size: int, prepare: Prepare, source: Source) -> Program:
        mapped = _pmap_program(Same(stage), batch_size, prepare, _layout(source), mesh)

        def call(state: TrainState, data: Batch, stage_start: Any, num_steps: Any) -> tuple[TrainState, Any]:
            state, sums = mapped(state, data, stage_start, num_steps)
            return state, take(sums, 0)

        return call

    return Placement(compile_stage, place, lambda tree: take(tree, 0))


@functools.lru_cache(maxsize=NUM_PROGRAMS)
def _pmap_program(stage: Same[Stage], batch_size: int, prepare: Prepare, layout: _Layout, mesh: Mesh) -> Program:
    """A program of its own for each device of `mesh`."""
    shards, sizes = mesh.size, dict(layout.stream_sizes)
    run = make_program(
        stage.value, batch_size, prepare, axis_name=AXIS, shards=shards, ordered=layout.ordered, stream_sizes=sizes
    )
    return jax.pmap(run, AXIS, in_axes=(0, 0, None, None), donate_argnums=0, devices=list(mesh.devices.flat))


def usable_devices(*batch_sizes: int) -> list[Any]:
    """The most devices over which batches split evenly; all where there are several processes, none of which can be spared."""
    devices = jax.devices()
    if jax.process_count() > 1:
        return devices
    return devices[: max(count for count in range(1, len(devices) + 1) if math.gcd(*batch_sizes) % count == 0)]


def make_placement(
    mode: str = 'jit', batch_size: int = 1, members: bool = False, devices: Any = None, stream_sizes: Mapping[str, int] = {}
) -> Placement:
    """The placement called `mode` over `devices` (default: `usable_devices`).

    Raises:
        UserError: on an unknown mode, a batch that does not split evenly, or an ensemble under pmap.
    """
    if mode not in MODES:
        raise UserError(f'parallel is {mode!r}; choose one of {", ".join(MODES)}')
    devices = usable_devices(batch_size, *stream_sizes.values()) if devices is None else devices
    sizes = {'batch_size': batch_size} | {f'data.{name}_batch_size': size for name, size in stream_sizes.items()}
    for name, size in sizes.items():
        if size % len(devices):
            raise UserError(f'{name}={size} does not split over {len(devices)} devices')
    mesh = Mesh(np.asarray(devices), (AXIS,), axis_types=(AxisType.Auto,))
    if mode == 'jit':
        return _jit_placement(mesh, members)
    if members:
        raise UserError("an ensemble needs parallel='jit'")
    return _pmap_placement(mesh)
