"""Optimisers from configs against optax's own, and their schedules update by update."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from ml_collections import ConfigDict

from aejax import optimizers
from aejax.types import DataSpec, UserError
from experiments.configs import iwae

GRADIENTS = [jnp.asarray([3.0, -4.0]), jnp.asarray([0.3, 0.1]), jnp.asarray([-1.0, 2.0]), jnp.asarray([0.0, 5.0])]


def config(**changes):
    made = optimizers.default_config()
    made.update(changes)
    return made


def updates(optimizer, gradients=GRADIENTS) -> np.ndarray:
    state, found = optimizer.init(gradients[0]), []
    for gradient in gradients:
        update, state = optimizer.update(gradient, state)
        found.append(update)
    return np.stack(found)


def sizes(num_steps: int, **changes) -> np.ndarray:
    """The learning rate that each of `num_steps` updates had."""
    optimizer = optimizers.from_config(config(name='sgd', **changes), num_steps)
    return -updates(optimizer, [jnp.ones(())] * num_steps)


@pytest.mark.parametrize(
    ('changes', 'expected'),
    [
        ({'b1': 0.8, 'b2': 0.99, 'eps': 1e-3}, optax.adam(0.1, b1=0.8, b2=0.99, eps=1e-3)),
        ({'name': 'sgd'}, optax.sgd(0.1)),
        ({'name': 'sgd', 'momentum': 0.7}, optax.sgd(0.1, momentum=0.7)),
        ({'name': 'rmsprop', 'b2': 0.9}, optax.rmsprop(0.1, decay=0.9)),
        ({'clip_norm': 1.0}, optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.1))),
        ({'name': 'sgd', 'clip_norm': 1.0}, optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1))),
    ],
)
def test_it_is_the_optimiser_of_optax(changes, expected):
    found = updates(optimizers.from_config(config(learning_rate=0.1, **changes), 4))
    np.testing.assert_allclose(found, updates(expected), rtol=1e-5, atol=1e-8)


def test_clipping_bounds_the_norm_and_leaves_small_gradients():
    found = -updates(optimizers.from_config(config(name='sgd', learning_rate=1.0, clip_norm=1.0), 4))
    np.testing.assert_allclose(found[0], [0.6, -0.8], rtol=1e-5)
    np.testing.assert_allclose(found[1], [0.3, 0.1], rtol=1e-5)


def test_a_constant_schedule():
    np.testing.assert_allclose(sizes(5, learning_rate=0.2), 0.2, rtol=1e-6)


def test_a_cosine_ends_at_zero():
    found = sizes(11, learning_rate=0.2, schedule='cosine')
    np.testing.assert_allclose(found[:10], 0.1 * (1 + np.cos(np.pi * np.arange(10) / 11)), rtol=1e-5)
    assert 0 < found[-1] < 0.01
    assert np.all(np.diff(found) < 0)


def test_a_line_ends_at_zero():
    np.testing.assert_allclose(sizes(5, learning_rate=0.5, schedule='linear'), [0.5, 0.4, 0.3, 0.2, 0.1], rtol=1e-5)


def test_drops_begin_at_their_share_of_the_training():
    found = sizes(10, learning_rate=0.5, schedule='piecewise', drops=((0.3, 0.1), (0.75, 0.02)))
    np.testing.assert_allclose(found, [0.5] * 3 + [0.05] * 5 + [0.01] * 2, rtol=1e-5)
    after = sizes(12, learning_rate=0.5, schedule='piecewise', drops=((0.3, 0.1), (0.75, 0.02)), warmup_steps=2)
    np.testing.assert_allclose(after[2:], found, rtol=1e-5)


@pytest.mark.parametrize(
    ('epochs', 'expected'), [(6, [0.5] * 4 + [0.05] * 6 + [0.01] * 2), (4, [0.5] * 4 + [0.05] * 4), (2, [0.5] * 4)]
)
@pytest.mark.parametrize('repeats', [1, 3])
def test_drops_of_a_phase_may_begin_at_epochs(epochs, expected, repeats):
    """At two steps an epoch; a drop that training does not reach is none."""
    phase = config(name='sgd', learning_rate=0.5, schedule='piecewise_epochs', drops=((2.0, 0.1), (5, 0.02)))
    made = ConfigDict({'epochs': epochs, 'optimizers': {'game': phase}})
    optimizer = optimizers.by_phase(made, 2 * epochs, {'game': repeats})['game']
    found = -updates(optimizer, [jnp.ones(())] * (2 * epochs * repeats))
    np.testing.assert_allclose(found, np.repeat(expected, repeats), rtol=1e-5)


def test_epochs_that_cannot_be():
    made = ConfigDict({'epochs': 6, 'optimizers': {'game': config(schedule='piecewise_epochs', drops=((5.0, 0.1), (2.0, 0.02)))}})
    with pytest.raises(UserError, match=r'^optimizers\.game\.drops=.*: epochs must ascend between 0 and inf'):
        optimizers.by_phase(made, 12)
    made.optimizers.game.drops = ()
    with pytest.raises(UserError, match=r"optimizers\.game\.schedule='piecewise_epochs' needs optimizers\.game\.drops"):
        optimizers.by_phase(made, 12)
    with pytest.raises(UserError, match=r'optimizer\.schedule is .piecewise_epochs.; choose one of constant'):
        optimizers.from_config(config(schedule='piecewise_epochs', drops=((2.0, 0.1),)), 12)


@pytest.mark.parametrize(('num', 'epochs'), [(7, 1_093), (8, 3_280)])
def test_the_stages_of_burda_2015(num, epochs):
    """3^i epochs at 1e-3 * 10^(-i/7), which the paper's table rounds to 10, 7.2, 5.2, 3.7, 2.7, 1.9, 1.4 and 1 times 1e-4."""
    made, steps = iwae.get_config('mnist'), 2_500
    iwae.burda2015(made, num)
    assert made.epochs == epochs
    schedule = optimizers.piecewise_schedule(made.optimizer.drops, epochs * steps)
    ends = np.cumsum(3 ** np.arange(num))
    for i, rate in enumerate([10, 7.2, 5.2, 3.7, 2.7, 1.9, 1.4, 1.0][:num]):
        begin = 0 if i == 0 else int(ends[i - 1]) * steps
        for step in (begin, begin + 1, int(ends[i]) * steps - 1):
            assert 1e4 * made.optimizer.learning_rate * float(schedule(step)) == pytest.approx(rate, abs=0.051)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'schedule': 'piecewise'}, "'piecewise' needs drops, no other"),
        ({'drops': ((0.5, 0.1),)}, "'piecewise' needs drops, no other"),
        ({'schedule': 'piecewise', 'drops': (0.5, 0.1)}, 'must be pairs'),
        ({'schedule': 'piecewise', 'drops': ((0.5, 'a'),)}, 'must be pairs'),
        ({'schedule': 'piecewise', 'drops': ((0.5, 0.1), (0.4, 0.01))}, 'shares must ascend between 0 and 1'),
        ({'schedule': 'piecewise', 'drops': ((1.0, 0.1),)}, 'shares must ascend between 0 and 1'),
        ({'schedule': 'piecewise', 'drops': ((0.5, -0.1),)}, 'factors be at least 0'),
        ({'schedule': 'piecewise', 'drops': ((0.5, float('nan')),)}, 'factors be at least 0'),
    ],
)
def test_drops_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        optimizers.from_config(config(**changes), 10)


def test_warm_up_comes_first_and_the_rest_takes_what_is_left():
    found = sizes(14, learning_rate=0.2, schedule='cosine', warmup_steps=4)
    np.testing.assert_allclose(found[:5], [0, 0.05, 0.1, 0.15, 0.2], atol=1e-6)
    np.testing.assert_allclose(found[4:], sizes(10, learning_rate=0.2, schedule='cosine'), rtol=1e-5)


def test_the_learning_rate_is_a_leaf_that_counts():
    optimizer = optimizers.from_config(config(name='sgd', learning_rate=0.1), 4)
    state = optimizer.init(GRADIENTS[0])
    assert float(state.hyperparams['learning_rate']) == pytest.approx(0.1)
    assert set(state.hyperparams) == {'learning_rate'}
    state = state._replace(hyperparams={'learning_rate': jnp.asarray(0.5)})
    update, state = jax.jit(optimizer.update)(GRADIENTS[0], state)
    np.testing.assert_allclose(update, -0.5 * GRADIENTS[0], rtol=1e-6)
    assert float(state.hyperparams['learning_rate']) == 0.5


def spec(num_examples=1297):
    return DataSpec('made', (2,), num_examples=num_examples)


def test_steps_are_full_batches():
    assert optimizers.num_steps(config(epochs=3, batch_size=100), spec()) == 36
    assert optimizers.num_steps(config(epochs=1, batch_size=1297), spec()) == 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'name': 'adagrad'}, "optimizer.name is 'adagrad'; choose one of adam, sgd, rmsprop"),
        ({'schedule': 'steps'}, "optimizer.schedule is 'steps'; choose one of constant, cosine, linear"),
    ],
)
def test_unknown_names_are_refused_with_the_choices(changes, message):
    with pytest.raises(UserError, match=message):
        optimizers.from_config(config(**changes), 10).init(GRADIENTS[0])


@pytest.mark.parametrize('changes', [{'batch_size': 0}, {'batch_size': 1298}, {'epochs': 0}, {'epochs': 1_000_001}])
def test_numbers_that_cannot_be(changes):
    with pytest.raises(UserError, match=next(iter(changes))):
        optimizers.num_steps(config(**{'epochs': 1, 'batch_size': 10, **changes}), spec())


def test_epochs_of_a_section_are_told_by_their_full_name():
    with pytest.raises(UserError, match=r'^finetune\.epochs=0 must lie between 1 and'):
        optimizers.num_steps(config(epochs=0, batch_size=10), spec(), 'finetune')


def test_steps_beyond_what_an_int32_counts_are_refused():
    assert optimizers.num_steps(config(epochs=1_000_000, batch_size=1), spec(2147)) == 2_147_000_000
    with pytest.raises(UserError, match=r'epochs=1000000 with batch_size=1 are 2,148,000,000 steps, beyond 2,147,483,647'):
        optimizers.num_steps(config(epochs=1_000_000, batch_size=1), spec(2148))


def test_a_warm_up_may_fill_the_training_and_no_more():
    np.testing.assert_allclose(sizes(4, learning_rate=0.4, warmup_steps=4), [0.0, 0.1, 0.2, 0.3], atol=1e-6)
    with pytest.raises(UserError, match=r'optimizer.warmup_steps=5 must be at most the 4 steps of the training'):
        optimizers.from_config(config(warmup_steps=5), 4)
