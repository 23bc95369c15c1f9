"""Small methods and runs on the digits, for the tests of training and of the methods."""

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.experimental.compilation_cache import compilation_cache

from aejax import data, methods
from aejax.training import loop
from aejax.training.checkpoint import from_host, to_host
from aejax.training.sources import Resident
from aejax.types import Context, DataSpec, LossOutput, Phase, Stage

COMPILED = '/jax/core/compile/backend_compile_duration'


@contextlib.contextmanager
def compilation_cache_in(folder: str, optimised: bool = True) -> Iterator[None]:
    """Programs compiled once are read again from `folder`: the loop compiles afresh at every call, and tests call it often.

    Compiling takes half as long, or less, where XLA need not optimise.
    """
    settings = {
        'jax_compilation_cache_dir': folder,
        'jax_persistent_cache_min_compile_time_secs': 0,
        'jax_persistent_cache_min_entry_size_bytes': -1,
        'jax_disable_most_optimizations': not optimised,
    }
    before = {name: jax.config.values[name] for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@contextlib.contextmanager
def compilations() -> Iterator[list[str]]:
    """The names of the functions compiled inside the block."""
    names: list[str] = []

    def listen(event: str, seconds: float, **about: Any) -> None:
        if event == COMPILED:
            names.append(about['fun_name'])

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield names
    jax.monitoring.unregister_event_duration_listener(listen)


def at_once(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function` of `arguments` as one program, on the host: op by op, each operation and shape is a program to compile."""
    return jax.device_get(jax.jit(function)(*arguments))


@functools.lru_cache
def digits(preprocessing: str = 'scale') -> data.Dataset:
    return data.load('digits', preprocessing=preprocessing)


def numbered(num: int) -> dict[str, np.ndarray]:
    """The first training digits, with their row number as label."""
    return {'x': digits().split('train')['x'][:num], 'label': np.arange(num, dtype=np.int32)}


@dataclasses.dataclass(frozen=True)
class Interval:
    """`loop.Interval` with its state on the host."""

    about: loop.Interval
    state: dict[str, Any]

    @property
    def metrics(self) -> Mapping[str, Any]:
        return self.about.metrics


def run(method, source, spec: DataSpec, batch_size: int, num: int | None = None, **options) -> list[Interval]:
    """The first `num` intervals of training, all without `num`."""
    options = {'log_every': 1.0, 'devices': jax.devices()[:1], **options}
    found = []
    for interval in loop.train(method, source, spec, batch_size=batch_size, **options):
        found.append(Interval(interval, to_host(interval.state)))
        if len(found) == num:
            break
    return found


def go_on(intervals: list[Interval], index: int):
    """The state to resume from after interval `index`."""
    return from_host(intervals[index].state)


def assert_equal_bytes(a: Any, b: Any) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), y in zip(jax.tree.leaves_with_path(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype, jax.tree_util.keystr(path)
        assert x.tobytes() == y.tobytes(), jax.tree_util.keystr(path)


def assert_close(a: Any, b: Any, rtol: float = 1e-3, atol: float = 1e-4) -> None:
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for (path, x), y in zip(jax.tree.leaves_with_path(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(x, y, rtol=rtol, atol=atol, err_msg=jax.tree_util.keystr(path))


def adam(learning_rate: float = 3e-3) -> optax.GradientTransformation:
    return optax.inject_hyperparams(optax.adam)(learning_rate=learning_rate)


@dataclasses.dataclass(frozen=True)
class Stack:
    """Two tied linear autoencoders under noise, 64-8 and then 8-3 on the codes of the first.

    How often each of the first `rows` rows was seen is a mutable.
    """

    num_steps: tuple[int, int] = (15, 18)
    learning_rate: float = 3e-3
    repeats: int = 1
    rows: int = 0
    hparams: Mapping[str, float] = dataclasses.field(default_factory=lambda: {'noise': 0.1})
    selection: tuple[str, str] = ('squared_error', 'min')

    @functools.cached_property
    def stages(self) -> tuple[Stage, ...]:
        lower = Phase('lower', functools.partial(self.loss, 'lower'), ('lower',), adam(self.learning_rate), self.repeats)
        upper = Phase('upper', functools.partial(self.loss, 'upper'), ('upper',), adam(self.learning_rate), self.repeats)
        return Stage('first', (lower,), self.num_steps[0]), Stage('second', (upper,), self.num_steps[1], self.codes)

    def codes(self, params, batch):
        return {**batch, 'x': batch['x'].reshape(-1, 64) @ params['lower']['kernel']}

    def init(self, key, batch):
        lower, upper = jax.random.split(key)
        params = {
            'lower': {'kernel': 0.1 * jax.random.normal(lower, (64, 8))},
            'upper': {'kernel': 0.1 * jax.random.normal(upper, (8, 3))},
        }
        return params, {'seen': jnp.zeros((self.rows,), jnp.int32), 'chain': jnp.zeros((3,))}

    def loss(self, group, params, mutables, batch, context: Context) -> LossOutput:
        x, kernel = batch['x'].reshape(batch['x'].shape[0], -1), params[group]['kernel']
        noisy = x + context.hparams['noise'] * jax.random.normal(context.key, x.shape)
        error = jnp.sum(jnp.square(x - noisy @ kernel @ kernel.T), axis=1)
        seen = mutables['seen'].at[batch['label']].add(1) if self.rows else mutables['seen']
        return LossOutput(jnp.mean(error), {'squared_error': error}, {'seen': seen})

    def evaluate(self, params, mutables, batch, context):
        x, kernel = batch['x'].reshape(-1, 64), params['lower']['kernel']
        return {'squared_error': jnp.sum(jnp.square(x - x @ kernel @ kernel.T), axis=1)}


def stack_run(rows_at_hand: int = 530, batch_size: int = 100, **options) -> list[Interval]:
    """`Stack` on some digits: 5 steps an epoch by default, 3 epochs of the first stage and 3.6 of the second."""
    fields = {field.name for field in dataclasses.fields(Stack)}
    method = Stack(**{name: options.pop(name) for name in fields & set(options)})
    source = options.pop('source', None) or Resident(numbered(rows_at_hand), batch_size)
    return run(method, source, digits().spec, batch_size, **options)


def train(config, *, num: int | None = None) -> tuple[Any, Any]:
    """(method, state) of a config of the digits after training on one device."""
    dataset = digits(config.data.preprocessing)
    method, source = methods.build(config, dataset.spec), Resident(dataset.split('train'), config.batch_size)
    return method, go_on(run(method, source, dataset.spec, config.batch_size, num, log_every=1e9), -1)


def scaled(split: str) -> np.ndarray:
    """The digits of a split in [0, 1], float32."""
    return digits().split(split)['x'].astype(np.float32) / 255


def error_from_labels_alone(labelled: Mapping[str, Any], test: Mapping[str, Any]) -> float:
    """Test error of logistic regression on the few digits that have a label: what the images without one must improve on."""
    from sklearn.linear_model import LogisticRegression

    alone = LogisticRegression(max_iter=1000).fit(labelled['x'].reshape(-1, 64) / 255, labelled['label'])
    return float(np.mean(alone.predict(test['x'].reshape(-1, 64) / 255) != test['label']))
