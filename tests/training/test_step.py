"""One step against optax by hand: which groups move, which keys are used, what is carried on."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.training import state as states
from aejax.training.program import epoch_order
from aejax.training.sources import Resident
from aejax.training.step import make_step
from aejax.types import LossOutput, Phase, Stage, UserError
from tests.support import Stack, assert_equal_bytes, numbered, stack_run


@dataclasses.dataclass(frozen=True)
class Duel:
    """Two phases that pull on one group each; both losses use both groups, the key, the step and a mutable."""

    stages: tuple[Stage, ...]
    hparams: dict
    selection = ('loss', 'min')

    def init(self, key, batch):
        return {'a': {'w': jnp.ones((3,))}, 'b': {'w': 2 * jnp.ones((3,))}, 'still': {'w': jnp.zeros((3,))}}, {
            'calls': jnp.zeros(())
        }


def pull(params, mutables, batch, context):
    noise = jax.random.normal(context.key, (3,))
    loss = jnp.sum(params['a']['w'] ** 2 * params['b']['w'] * context.hparams['weight']) + jnp.sum(noise * params['a']['w'])
    loss += jnp.sum(params['b']['w'] * noise) + mutables['calls'] + context.step
    metrics = {'noise': noise, 'step': context.step, 'calls': mutables['calls'], 'train': jnp.asarray(context.train)}
    return LossOutput(loss, metrics, {'calls': mutables['calls'] + 1})


def duel(repeats: int = 1) -> tuple[Duel, Stage]:
    phases = (Phase('a', pull, ('a',), optax.sgd(0.1)), Phase('b', pull, ('b',), optax.sgd(0.2, momentum=0.9), repeats))
    stage = Stage('only', phases, 5)
    return Duel((stage,), {'weight': 0.5}), stage


def begin(method, step: int = 0):
    return states.create(method, jax.random.key(3), {}).replace(step=jnp.asarray(step, jnp.int32))


def by_hand(state, group, key, calls, optimizer, optimizer_state):
    """Gradient of `pull`, written out, and one optax update of one group."""
    a, b, noise = state['a']['w'], state['b']['w'], jax.random.normal(key, (3,))
    gradient = {'w': a * b + noise} if group == 'a' else {'w': 0.5 * a**2 + noise}
    updates, optimizer_state = optimizer.update({group: gradient}, optimizer_state)
    loss = jnp.sum(0.5 * a**2 * b) + jnp.sum(noise * a) + jnp.sum(noise * b) + calls
    return {**state, **optax.apply_updates({group: state[group]}, updates)}, optimizer_state, loss


@pytest.mark.parametrize('repeats', [1, 3])
def test_a_step_is_what_optax_does_by_hand(repeats):
    method, stage = duel(repeats)
    state = begin(method, step=7)
    step_key = jax.random.fold_in(state.key, 7)
    params, momentum, calls = state.params, optax.sgd(0.2, momentum=0.9), 0
    params, _, loss_a = by_hand(
        params, 'a', jax.random.fold_in(step_key, 0), calls, optax.sgd(0.1), optax.sgd(0.1).init({'a': 0})
    )
    trace = momentum.init({'b': params['b']})
    for repeat in range(repeats):
        calls += 1
        key = jax.random.fold_in(step_key, 1)
        key = jax.random.fold_in(key, repeat) if repeats > 1 else key
        params, trace, loss_b = by_hand(params, 'b', key, calls, momentum, trace)
    after, metrics = jax.jit(make_step(stage))(state, {})
    for name in ('a', 'b', 'still'):
        np.testing.assert_allclose(after.params[name]['w'], params[name]['w'], rtol=1e-6)
    np.testing.assert_allclose(metrics['a/loss'], loss_a + 7, rtol=1e-6)
    np.testing.assert_allclose(metrics['b/loss'], loss_b + 7, rtol=1e-6)
    assert int(after.step) == 8
    assert float(after.mutables['calls']) == 1 + repeats
    assert float(metrics['b/calls']) == repeats
    assert float(metrics['a/step']) == 7
    assert float(metrics['a/train']) == 1
    assert metrics['a/noise'].shape == ()
    assert metrics['a/noise'] != metrics['b/noise']
    assert_equal_bytes(jax.random.key_data(after.key), jax.random.key_data(state.key))


def test_gradient_norms_are_metrics():
    method, stage = duel()
    state = begin(method)
    noise = jax.random.normal(jax.random.fold_in(jax.random.fold_in(state.key, 0), 0), (3,))
    _, metrics = jax.jit(make_step(stage))(state, {})
    np.testing.assert_allclose(metrics['a/gradient_norm'], jnp.linalg.norm(2.0 + noise), rtol=1e-6)


def test_only_the_groups_of_a_phase_move():
    method, stage = duel()
    state = begin(method)
    only_b = jax.jit(make_step(dataclasses.replace(stage, phases=stage.phases[1:])))
    before = state.replace(optimizer_states={'b': state.optimizer_states['b']})
    after, _ = only_b(before, {})
    for name in ('a', 'still'):
        assert_equal_bytes(after.params[name], before.params[name])
    assert not np.array_equal(after.params['b']['w'], before.params['b']['w'])


def test_repeats_take_fresh_keys():
    once, thrice = (stack_run(num=1, log_every=0.2, repeats=repeats)[0].state for repeats in (1, 3))
    assert [int(jax.tree.leaves(state['optimizer_states'])[0]) for state in (once, thrice)] == [1, 3]
    assert int(once['step']) == int(thrice['step']) == 1


def test_a_group_that_does_not_exist_is_named():
    with pytest.raises(KeyError, match='nobody'):
        states.group({'encoder': {}}, ('nobody',))


def test_begin_stage_takes_the_learning_rate_of_the_hparams():
    method, source = Stack(), Resident(numbered(20), 10)
    state = states.create(method, jax.random.key(0), source.example())
    fast = states.with_hparams(state, method.stages[0], {'learning_rate': 0.5, 'noise': 0.3})
    assert float(fast.optimizer_states['lower'].hyperparams['learning_rate']) == 0.5
    assert {name: pytest.approx(float(value)) for name, value in fast.hparams.items()} == {'learning_rate': 0.5, 'noise': 0.3}
    second = states.begin_stage(fast, method.stages[1])
    assert float(second.optimizer_states['upper'].hyperparams['learning_rate']) == 0.5
    assert float(
        states.begin_stage(state, method.stages[1]).optimizer_states['upper'].hyperparams['learning_rate']
    ) == pytest.approx(3e-3)


def test_an_unknown_hyperparameter_is_named_with_the_choices():
    method, source = Stack(), Resident(numbered(20), 10)
    state = states.create(method, jax.random.key(0), source.example())
    with pytest.raises(UserError, match="no hyper-parameter 'beta'; there are learning_rate, lower/learning_rate, noise"):
        states.with_hparams(state, method.stages[0], {'beta': 1.0})


def test_epoch_order_is_a_permutation_of_key_and_step():
    keys = [jax.random.key(seed) for seed in (0, 1)]
    orders = {(seed, step): np.asarray(epoch_order(keys[seed], np.int32(step), 53)) for seed in (0, 1) for step in (0, 5)}
    assert all(sorted(order) == list(range(53)) for order in orders.values())
    assert len({order.tobytes() for order in orders.values()}) == 4
    np.testing.assert_array_equal(orders[0, 5], epoch_order(jax.random.key(0), np.int32(5), 53))
