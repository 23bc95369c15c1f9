"""The loop: what is the same however training is cut, what an interval says, and how training stops."""

import math

import jax
import numpy as np
import pytest

from aejax import methods
from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import Stage, UserError
from tests.support import Stack, assert_equal_bytes, compilation_cache_in, compilations, digits, go_on, numbered, run, stack_run


@pytest.fixture(scope='module', autouse=True)
def _optimised(tmp_path_factory):
    """Equal bytes are worth something only from programs that XLA was free to rearrange."""
    with compilation_cache_in(str(tmp_path_factory.mktemp('programs'))):
        yield


@pytest.fixture(scope='module')
def whole():
    return stack_run()


@pytest.mark.parametrize('log_every', [0.2, 0.61, 2.0, 50.0])
def test_the_state_does_not_depend_on_how_training_is_cut(whole, log_every):
    assert_equal_bytes(stack_run(log_every=log_every)[-1].state, whole[-1].state)


def test_the_metrics_of_an_interval_are_means_over_its_steps(whole):
    single = stack_run(log_every=0.2)
    for interval in whole:
        steps = interval.about.examples // 100
        parts = [one for one in single if 0 <= interval.about.step - one.about.step < steps]
        assert len(parts) == steps
        for name, value in interval.metrics.items():
            np.testing.assert_allclose(value, np.mean([one.metrics[name] for one in parts]), rtol=1e-5)


def test_what_an_interval_says(whole):
    about = [interval.about for interval in whole]
    assert [one.step for one in about] == [5, 10, 15, 20, 25, 30, 33]
    assert [one.epoch for one in about] == pytest.approx([1, 2, 3, 4, 5, 6, 6.6])
    assert [one.stage for one in about] == ['first'] * 3 + ['second'] * 4
    assert [one.examples for one in about] == [500] * 6 + [300]
    assert [one.seconds_to_call is not None for one in about] == [True, False, False, True, False, False, False]
    assert all(one.seconds > 0 for one in about)
    assert all(one.seconds_to_call is None or 0 < one.seconds_to_call <= one.seconds for one in about)
    assert [int(interval.state['step']) for interval in whole] == [one.step for one in about]
    assert set(whole[0].metrics) == {'lower/loss', 'lower/squared_error', 'lower/gradient_norm'}
    assert all(isinstance(value, float) for interval in whole for value in interval.metrics.values())


def test_intervals_end_with_the_stage_and_begin_anew():
    steps = [interval.about.step for interval in stack_run(log_every=0.8, num_steps=(7, 9))]
    assert steps == [4, 7, 11, 15, 16]


# After an interval in the first stage; at the end of it, with its optimiser's states; inside the second; at the very end.
@pytest.mark.parametrize('index', [1, 2, 4])
def test_resuming_is_exact(whole, index):
    rest = stack_run(state=go_on(whole, index))
    assert [interval.about.step for interval in rest] == [interval.about.step for interval in whole[index + 1 :]]
    for one, other in zip(rest, whole[index + 1 :], strict=True):
        assert_equal_bytes(one.state, other.state)
        assert one.metrics == other.metrics


def test_nothing_is_left_to_do_after_the_end(whole):
    assert stack_run(state=go_on(whole, -1)) == []


def test_parameters_carry_over_and_optimisers_begin_anew(whole):
    first, second = whole[2].state, stack_run(num=4, log_every=0.2, state=go_on(whole, 2))[0].state
    assert set(first['optimizer_states']) == {'lower'}
    assert set(second['optimizer_states']) == {'upper'}
    assert int(jax.tree.leaves(first['optimizer_states'])[0]) == 15
    assert int(jax.tree.leaves(second['optimizer_states'])[0]) == 1
    for interval in whole[3:]:
        assert_equal_bytes(interval.state['params']['lower'], first['params']['lower'])
    assert not np.array_equal(second['params']['upper']['kernel'], first['params']['upper']['kernel'])
    assert_equal_bytes(whole[0].state['params']['upper'], first['params']['upper'])


def test_both_stages_learn(whole):
    errors = [interval.metrics[f'{phase}/squared_error'] for phase, interval in zip(['lower'] * 3 + ['upper'] * 4, whole)]  # noqa: B905
    assert errors[2] < 0.8 * errors[0]
    assert errors[6] < 0.9 * errors[3]


def test_the_seed_is_the_only_difference():
    a, b, c = (stack_run(num=1, seed=seed)[0].state for seed in (0, 0, 1))
    assert_equal_bytes(a, b)
    assert not np.array_equal(a['params']['lower']['kernel'], c['params']['lower']['kernel'])


def test_a_stage_is_compiled_once():
    with compilations() as names:
        stack_run(log_every=0.61)
    assert names.count('jit(run)') == 2


def test_one_stage_that_is_resumed_is_compiled_once(whole):
    with compilations() as names:
        stack_run(log_every=0.2, state=go_on(whole, 3))
    assert names.count('jit(run)') == 1


@pytest.mark.parametrize('options', [{}, {'devices': jax.devices(), 'parallel': 'pmap'}])
def test_a_method_that_is_trained_again_is_not_compiled_again(options):
    method, source = Stack(), Resident(numbered(530), 100)
    run(method, source, digits().spec, 100, **options)
    with compilations() as names:
        again = run(method, source, digits().spec, 100, seed=1, **options)
    assert not {'jit(run)', 'jit(_fun)'} & set(names)
    assert_equal_bytes(again[-1].state, run(Stack(), source, digits().spec, 100, seed=1, **options)[-1].state)


def test_mutables_carry_over_calls_and_stages():
    states = [interval.state for interval in stack_run(rows=530)]
    assert [int(state['mutables']['seen'].sum()) for state in states] == [500, 1000, 1500, 2000, 2500, 3000, 3300]
    assert all(state['mutables']['chain'].shape == (3,) for state in states)


def test_stage_index():
    stages = Stack().stages
    assert [loop.stage_index(stages, step) for step in (0, 1, 15, 16, 33, 34)] == [0, 0, 0, 1, 1, 1]
    assert loop.stage_index((Stage('only', (), 5),), 3) == 0


def test_loss_that_overflows_names_stage_phase_and_metric():
    with pytest.raises(loop.NonFiniteError, match=r"loss of phase 'lower' in stage 'first' is (nan|inf) .* step 15:") as caught:
        stack_run(learning_rate=1e12, log_every=10.0)
    assert isinstance(caught.value, UserError)
    assert '\n' not in str(caught.value)


def test_a_method_of_the_library_overflows_in_one_line():
    from experiments.configs import ae

    config = ae.get_config('')
    config.optimizer.learning_rate, config.optimizer.name, config.epochs, config.model.output = 1e6, 'sgd', 2, 'identity'
    with pytest.raises(loop.NonFiniteError, match="phase 'reconstruction' in stage 'train'"):
        run(methods.build(config, digits().spec), Resident(digits().split('train'), 100), digits().spec, 100)


@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf, np.array([1.0, math.nan])])
def test_check_finite(bad):
    loop.check_finite({'a/loss': 1.0, 'a/kl': np.array([1.0, 2.0])}, 'train', 3)
    with pytest.raises(loop.NonFiniteError, match="kl of phase 'a' in stage 'train'"):
        loop.check_finite({'a/loss': 1.0, 'a/kl': bad}, 'train', 3)
    with pytest.raises(loop.NonFiniteError, match="loss of phase 'b'"):
        loop.check_finite({'a/kl': bad, 'b/loss': bad}, 'train', 3)


def test_the_data_may_be_of_any_length():
    source = Resident(numbered(250), 50)
    assert source.steps_per_epoch == 5
    intervals = stack_run(source=source, batch_size=50, num_steps=(5, 1))
    assert [interval.about.step for interval in intervals] == [5, 6]


def test_data_that_do_not_fill_a_batch():
    with pytest.raises(UserError, match='100'):
        stack_run(rows_at_hand=99)


def test_initial_state_is_a_function_of_the_seed():
    method, source = Stack(), Resident(numbered(20), 10)
    a, b, c = (loop.initial_state(method, source, digits().spec, seed) for seed in (3, 3, 4))
    assert_equal_bytes(a.params, b.params)
    assert not np.array_equal(a.params['lower']['kernel'], c.params['lower']['kernel'])
    assert not np.array_equal(jax.random.key_data(a.key), jax.random.key_data(c.key))
    assert int(a.step) == 0
