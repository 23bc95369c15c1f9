"""What every method owes, whichever it is: each module of aejax.methods, on the data of its own config, cut to three epochs."""

import dataclasses
import functools
import importlib
import pkgutil
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict

from aejax import data, methods, preprocessing
from aejax.evaluation.per_example import make_evaluator
from aejax.runs.setup import make_source
from aejax.training import ensemble, loop
from aejax.training import state as states
from aejax.training.checkpoint import Checkpoints, from_host, to_host
from aejax.training.parallel import make_placement
from aejax.training.step import update
from aejax.types import Context, DataSpec, Method
from experiments import configs
from tests.support import Interval, assert_close, assert_equal_bytes, compilations, run

EPOCHS = 3
SEED = 1
NUM_TEST = 130
"""Of the examples that are evaluated: a multiple of no batch size used here."""
KEY = functools.partial(jax.random.key, 5)
PMAPPED = ('clustering_aae', 'm1_m2', 'stacked_ae', 'vae')
"""Parameters move by averages, whatever the method: what can come apart are mutables. Beside those with any, stages and noise."""
SPECTRAL_NORMS = ('conditional_aae', 'semi_supervised_aae')
"""Whose mutables are those of `Critic.next_mutables` and no others, as in 'clustering_aae'."""


@dataclasses.dataclass
class Case:
    """A method, its data, and a run of it on one device with a learning rate and a hyper-parameter of its own."""

    method: Method
    spec: DataSpec
    dataset: data.Dataset
    batch_size: int
    source: Any
    usual: dict[str, float]
    values: dict[str, float]
    start: Any
    runs: list[Interval]
    compiled: list[str]

    def run(self, **options) -> list[Interval]:
        return run(self.method, self.source, self.spec, self.batch_size, **{'log_every': 0.6, **options})

    @functools.cached_property
    def evaluate(self):
        def call(state, batch, key):
            context = Context(key=key, step=state.step, hparams=state.hparams, train=False)
            return self.method.evaluate(state.params, state.mutables, batch, context)

        return jax.jit(call)

    @property
    def last(self):
        return from_host(self.runs[-1].state)

    @property
    def held_out(self) -> dict:
        return {name: leaf[:NUM_TEST] for name, leaf in self.dataset.split('test').items()}


def small_config(name: str):
    """The method's config without variant, in few epochs."""
    try:
        config = importlib.import_module(f'experiments.configs.{name}').get_config('')
    except ModuleNotFoundError:
        pytest.fail(f'aejax/methods/{name}.py has no experiments/configs/{name}.py: every method needs one', pytrace=False)
    assert config.method == name
    cut(config)
    # Of a network that was hardly pretrained, more is needed before it can tell one class from another.
    config.finetune.epochs = 4 * EPOCHS
    return config


def cut(section) -> None:
    """Every number of epochs in a config, however deep, becomes a few, and every perceptron has one hidden layer at most."""
    for key, value in section.items():
        if isinstance(value, ConfigDict):
            cut(value)
        elif key.endswith('epochs'):
            section[key] = tuple(EPOCHS for _ in value) if isinstance(value, tuple) else EPOCHS
        elif key == 'hidden' and all(isinstance(width, int) for width in value):
            # What is compiled grows with the layers, and nothing here depends on their number.
            section[key] = value[:1]


@functools.cache
def case(name: str) -> Case:
    config = small_config(name)
    section = config.data
    dataset = data.load(section.name, preprocessing=section.preprocessing, seed=section.seed, patch_size=section.patch_size)
    method, source = methods.build(config, dataset.spec), make_source(config, dataset)
    state = loop.initial_state(method, source, dataset.spec, SEED)
    rate = float(next(iter(state.optimizer_states.values())).hyperparams['learning_rate'])
    usual = {'learning_rate': rate, **{name: float(value) for name, value in state.hparams.items()}}
    values = {name: 0.5 * usual[name] for name in list(usual)[:2]}
    start = to_host(states.with_hparams(state, method.stages[0], values))
    made = Case(method, dataset.spec, dataset, config.batch_size, source, usual, values, start, [], [])
    with compilations() as made.compiled:
        made.runs += made.run(state=from_host(start))
    return made


@pytest.fixture(params=methods.names())
def it(request) -> Case:
    return case(request.param)


def in_model_space(it: Case) -> dict:
    """The examples that are evaluated, grey where training draws binary ones."""
    return preprocessing.prepare(jax.tree.map(jnp.asarray, it.held_out), still(it.spec), jax.random.key(0))


def still(spec: DataSpec) -> DataSpec:
    """`spec` without the draws of dynamic binarisation."""
    return dataclasses.replace(spec, preprocessing='scale') if spec.preprocessing == 'dynamic_binarisation' else spec


def selection_score(it: Case, state) -> float:
    """The mean of the metric that chooses checkpoints, on validation data; lower is better."""
    metric, better = it.method.selection
    split = {name: leaf[:NUM_TEST] for name, leaf in it.dataset.split('validation').items()}
    batch = preprocessing.prepare(jax.tree.map(jnp.asarray, split), still(it.spec), jax.random.key(0))
    value = float(np.mean(it.evaluate(state, batch, KEY())[metric]))
    return value if better == 'min' else -value


def test_metrics_are_finite_and_named_by_phase(it):
    phases = {stage.name: {phase.name for phase in stage.phases} for stage in it.method.stages}
    for interval in it.runs:
        assert {name.split('/')[0] for name in interval.metrics} == phases[interval.about.stage]
        for phase in phases[interval.about.stage]:
            assert {f'{phase}/loss', f'{phase}/gradient_norm'} <= set(interval.metrics)
        assert all(np.isfinite(value) for value in interval.metrics.values())
    assert it.runs[-1].about.step == sum(stage.num_steps for stage in it.method.stages)


def test_training_improves_the_metric_that_chooses_checkpoints(it):
    begin, end = (selection_score(it, state) for state in (from_host(it.start), it.last))
    assert end < begin - 0.02 * abs(begin)


def test_a_phase_moves_the_groups_that_it_declares_and_no_other(it):
    """A phase that is alone in its stage by what training left; of several, each by a step of its own."""
    state = from_host(it.start)
    batch = jax.tree.map(lambda leaf: jnp.asarray(leaf[: it.batch_size]), dict(it.source.data))
    batch = preprocessing.prepare(batch, it.spec, jax.random.key(0))
    before = it.start['params']
    for stage in it.method.stages:
        after = next(run.state['params'] for run in reversed(it.runs) if run.about.stage == stage.name)
        if len(stage.phases) == 1:
            assert moved(before, after) == set(stage.phases[0].trains), stage.name
        else:
            assert stage is it.method.stages[0], 'several phases begin here with the state that a run begins with'
            each = jax.jit(lambda state, batch, stage=stage: phase_by_phase(stage, state, batch))(state, batch)
            for phase, params in zip(stage.phases, each, strict=True):
                assert moved(before, params) == set(phase.trains), f'{stage.name}/{phase.name}'
        before = after
    trained = {name for stage in it.method.stages for phase in stage.phases for name in phase.trains}
    assert trained == set(state.params), 'a group that no phase trains'


def phase_by_phase(stage, state, batch) -> list:
    """The parameters after one update by each phase, all from the same state."""
    keys = jax.random.split(KEY(), len(stage.phases))
    return [update(phase, state, batch, key, None)[0].params for phase, key in zip(stage.phases, keys, strict=True)]


def moved(before, after) -> set[str]:
    """The groups of parameters that differ."""
    return {name for name in before if not same(after[name], before[name])}


def same(a, b) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


def test_a_stage_is_compiled_once_whatever_the_lengths_of_calls(it):
    assert len({interval.about.examples for interval in it.runs}) > 1
    assert it.compiled.count('jit(run)') == len(it.method.stages)


def test_a_member_of_an_ensemble_on_two_devices_is_its_solo_run_on_one(it):
    """Vmapped and sharded at once; where no ensemble can be, for the codes of a layer below differ between members, sharded."""
    if any(stage.inputs for stage in it.method.stages):
        for one, other in zip(it.runs, it.run(state=from_host(it.start), devices=jax.devices(), num=3), strict=False):
            assert_close(other.state['params'], one.state['params'])
            assert_close(dict(other.metrics), dict(one.metrics))
        return
    hparams = {name: (it.usual[name], value) for name, value in it.values.items()}
    begun = ensemble.initial_states(it.method, it.source, it.spec, (0, SEED), hparams)
    together = it.run(state=begun, members=True, devices=jax.devices(), num=3)
    for one, both in zip(it.runs, together, strict=False):
        assert_close(jax.tree.map(lambda leaf: leaf[1], both.state['params']), one.state['params'])
        assert_close({name: value[1] for name, value in both.metrics.items()}, dict(one.metrics))
        assert not same(jax.tree.map(lambda leaf: leaf[0], both.state['params']), one.state['params'])


def test_methods_with_mutables_are_tried_under_pmap():
    found = {name for name in methods.names() if case(name).start['mutables']}
    assert found - set(SPECTRAL_NORMS) <= set(PMAPPED)
    for name in (*SPECTRAL_NORMS, 'clustering_aae'):
        assert all(group.endswith('discriminator') for group in case(name).start['mutables']), name


@pytest.mark.parametrize('it', PMAPPED, indirect=True)
def test_pmap_trains_and_keeps_its_devices_equal(it):
    placement = make_placement('pmap', it.batch_size)
    stage = it.method.stages[0]
    program = placement.compile(stage, it.batch_size, lambda batch, key: preprocessing.prepare(batch, it.spec, key), it.source)
    epoch = min(it.source.steps_per_epoch, stage.num_steps)
    state, split = placement.place(from_host(it.start)), placement.place(dict(it.source.data))
    losses = []
    for _ in range(2):
        state, sums = program(state, split, np.int32(0), np.int32(epoch))
        assert all(np.isfinite(value) for value in jax.tree.leaves(sums))
        losses.append(sum(np.mean(value) for name, value in sums.items() if name.endswith('/loss')))
    for leaf in jax.tree.leaves(jax.device_get((state.params, state.mutables))):
        np.testing.assert_array_equal(leaf[0], leaf[1])
    if len(it.method.stages) == 1:
        of_one = from_host(jax.tree.map(lambda leaf: leaf[0], to_host(state)))
        assert selection_score(it, of_one) < selection_score(it, from_host(it.start))
    else:
        assert losses[1] < losses[0], 'the metric that chooses is that of a later stage'


def test_resuming_from_a_checkpoint_is_exact(it, tmp_path):
    index = len(it.runs) // 2
    checkpoints = Checkpoints(tmp_path, it.method.selection)
    checkpoints.save(from_host(it.runs[index].state), {it.method.selection[0]: 0.0})
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, it.method.selection)
    restored = checkpoints.restore(int(it.runs[index].state['step']), from_host(it.runs[index].state))
    checkpoints.close()
    rest = it.run(state=restored)
    assert_equal_bytes(rest[-1].state, it.runs[-1].state)
    assert rest[-1].metrics == it.runs[-1].metrics


def test_evaluate_gives_a_value_for_each_example_and_a_short_batch_counts_once(it):
    spec, seen = still(it.spec), in_model_space(it)
    whole = it.evaluate(it.last, seen, KEY())
    assert it.method.selection[0] in whole
    again = it.evaluate(it.last, seen, jax.random.key(6))
    batched = make_evaluator(it.method, spec, it.held_out, batch_size=50)(it.last)
    assert set(batched) == set(whole)
    for name, values in whole.items():
        assert values.shape == batched[name].shape == (NUM_TEST,)
        assert np.all(np.isfinite(values))
        assert np.all(np.isfinite(batched[name]))
        if np.array_equal(values, again[name]):
            np.testing.assert_allclose(batched[name], values, rtol=2e-4, atol=1e-5, err_msg=name)


def abilities(method: Method, state, batch, key) -> dict[str, Any]:
    """All that a method offers beside training and evaluation, computed at once."""
    x, found = batch['x'], {}
    apply = functools.partial(_apply, method, state)
    for name in ('encode', 'reconstruct', 'posterior'):
        if hasattr(method, name):
            found[name] = apply(name, x)
    keys = jax.random.split(key, 3)
    if hasattr(method, 'sample'):
        found['sample'] = apply('sample', keys[0], 3)
    if hasattr(method, 'sample_prior'):
        found['sample_prior'] = apply('sample_prior', keys[1], 3)
    if hasattr(method, 'propose'):
        found['propose'] = apply('propose', keys[2], x, 4)
    if 'encode' in found:
        z = found['encode']
        found |= {name: apply(name, z) for name in ('decode', 'prior_log_prob') if hasattr(method, name)}
        found |= {'likelihood': apply('likelihood', z, x)} if hasattr(method, 'likelihood') else {}
    return found


def _apply(method: Method, state, name: str, *args) -> Any:
    return getattr(method, name)(state.params, state.mutables, *args)


def test_abilities_have_their_documented_shapes(it):
    batch = in_model_space(it)
    found = jax.jit(functools.partial(abilities, it.method))(it.last, batch, KEY())
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(found))
    for name, rows in {'reconstruct': NUM_TEST, 'decode': NUM_TEST, 'sample': 3}.items():
        assert name not in found or found[name].shape == (rows, *it.spec.shape), name
    for name in ('likelihood', 'prior_log_prob'):
        assert name not in found or found[name].shape == (NUM_TEST,), name
    if 'encode' in found:
        assert found['encode'].ndim == 2
        assert found['encode'].shape[0] == NUM_TEST
    if 'posterior' in found:
        mean, log_variance = found['posterior']
        assert mean.shape == log_variance.shape == found['encode'].shape
        np.testing.assert_allclose(mean, found['encode'], rtol=1e-5, atol=1e-6)
    if {'encode', 'decode', 'reconstruct'} <= set(found):
        np.testing.assert_allclose(found['reconstruct'], found['decode'], rtol=1e-4, atol=1e-5)
    if 'sample_prior' in found:
        latents = found.get('encode', found['sample_prior']).shape[1]
        assert found['sample_prior'].shape == (3, latents)
    if 'propose' in found:
        z, log_q = found['propose']
        assert (z.shape, log_q.shape) == ((4, *found['encode'].shape), (4, NUM_TEST))
    if it.spec.is_unit_interval and 'reconstruct' in found and it.method.selection[0] != 'squared_error':
        assert np.min(found['reconstruct']) >= 0
        assert np.max(found['reconstruct']) <= 1


def test_every_config_belongs_to_a_method():
    with_config = {module.name for module in pkgutil.iter_modules(configs.__path__)} - {'base'}
    assert with_config <= set(methods.names()) | {'base'}
