"""A member of an ensemble is its solo run."""

import jax
import numpy as np
import pytest

from aejax.training import ensemble, fit, loop
from aejax.training import state as states
from aejax.training.sources import Resident
from aejax.types import UserError
from tests.support import Stack, assert_close, compilations, digits, numbered, run, stack_run

SEEDS = (0, 3, 3)
HPARAMS = {'learning_rate': (3e-3, 1e-3, 6e-3), 'noise': (0.1, 0.0, 0.3)}


@pytest.fixture(scope='module')
def source():
    return Resident(numbered(530), 100)


@pytest.fixture(scope='module')
def together(source):
    begun = ensemble.initial_states(Stack(), source, digits().spec, SEEDS, HPARAMS)
    # The second stage takes the codes of each member's own first stage, which one set of data cannot hold.
    return run(Stack(num_steps=(15, 0)), source, digits().spec, 100, state=begun, members=True, devices=jax.devices())


@pytest.mark.parametrize('index', range(3))
def test_a_member_is_its_solo_run(source, together, index):
    method = Stack(num_steps=(15, 0))
    state = loop.initial_state(method, source, digits().spec, SEEDS[index])
    values = {name: values[index] for name, values in HPARAMS.items()}
    alone = run(method, source, digits().spec, 100, state=states.with_hparams(state, method.stages[0], values))
    for one, all_ in zip(alone, together, strict=True):
        assert_close(jax.tree.map(lambda leaf: leaf[index], all_.state['params']), one.state['params'])
        assert_close({name: value[index] for name, value in all_.metrics.items()}, dict(one.metrics))


def test_members_differ(together):
    kernels = together[-1].state['params']['lower']['kernel']
    assert kernels.shape == (3, 64, 8)
    assert all(np.abs(kernels[a] - kernels[b]).max() > 0.01 for a, b in [(0, 1), (0, 2), (1, 2)])
    assert together[0].metrics['lower/loss'].shape == (3,)


def test_given_the_methods_own_values_nothing_changes(source):
    method = Stack(num_steps=(15, 0))
    state = loop.initial_state(method, source, digits().spec, 0)
    same = states.with_hparams(state, method.stages[0], {'learning_rate': 3e-3, 'noise': 0.1})
    with_values = run(method, source, digits().spec, 100, state=same)[-1].state
    assert_close(with_values['params'], stack_run(num_steps=(15, 0))[-1].state['params'], rtol=1e-6, atol=1e-7)


def test_an_ensemble_is_compiled_once(source):
    with compilations() as names:
        begun = ensemble.initial_states(Stack(), source, digits().spec, SEEDS, HPARAMS)
        run(Stack(num_steps=(15, 0)), source, digits().spec, 100, state=begun, members=True, log_every=0.4)
    assert names.count('jit(run)') == 1


def test_member_picks_one(source):
    begun = ensemble.initial_states(Stack(), source, digits().spec, (0, 1))
    one = ensemble.member(begun, 1)
    alone = loop.initial_state(Stack(), source, digits().spec, 1)
    assert_close(one.params, alone.params, rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(jax.random.key_data(one.key), jax.random.key_data(alone.key))


def test_a_member_that_fails_stops_all_with_its_name_in_place(source):
    begun = ensemble.initial_states(Stack(), source, digits().spec, SEEDS, {'learning_rate': (3e-3, 1e12, 3e-3)})
    with pytest.raises(loop.NonFiniteError, match="of phase 'lower' in stage 'first'"):
        run(Stack(), source, digits().spec, 100, state=begun, members=True)


def test_a_stage_on_codes_is_refused(source):
    begun = ensemble.initial_states(Stack(), source, digits().spec, (0, 1))
    with pytest.raises(UserError, match=r"stage 'second' maps its inputs.*one by one"):
        run(Stack(num_steps=(1, 1)), source, digits().spec, 100, state=begun, members=True)


def test_wrong_hyperparameters(source):
    with pytest.raises(UserError, match="no hyper-parameter 'beta'; there are learning_rate, lower/learning_rate, noise"):
        ensemble.initial_states(Stack(), source, digits().spec, (0, 1), {'beta': (1.0, 2.0)})
    with pytest.raises(UserError, match='2 values'):
        ensemble.initial_states(Stack(), source, digits().spec, (0, 1), {'noise': (1.0,)})


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({'batch_size': 0}, 'batch_size=0 must lie between 1 and the 1297 training examples'),
        ({'batch_size': 1298}, 'batch_size=1298 must lie between'),
        ({'log_every': 0.0}, 'log_every=0.0 must be a positive number of epochs'),
        ({'seed': 2**70}, f'seed={2**70} must be a whole number between'),
        ({'seeds': [-1, 0]}, 'seed=-1 must be a whole number between'),
        ({'seeds': []}, 'seeds is empty'),
        ({'seeds': [0, 1], 'hparams': {'noise': [0.1]}}, 'hparams: noise needs 2 values'),
        ({'seeds': [0, 1], 'hparams': {'noise': 0.1}}, 'hparams: noise needs 2 values'),
    ],
)
def test_what_fit_cannot_do_is_one_line(given, message):
    with pytest.raises(UserError, match=message):
        fit(Stack(num_steps=(1, 0)), digits(), **{'batch_size': 100, **given})


def test_fit_gives_history_and_members():
    method = Stack(num_steps=(24, 0))
    several = fit(method, digits(), batch_size=100, seeds=(0, 1), hparams={'noise': (0.1, 0.2)}, log_every=1.0)
    assert [(row['step'], row['epoch'], row['stage']) for row in several.history] == [(12, 1.0, 'first'), (24, 2.0, 'first')]
    assert several.history[1]['validation/squared_error'].shape == several.history[1]['lower/loss'].shape == (2,)
    assert np.all(several.history[1]['validation/squared_error'] < several.history[0]['validation/squared_error'])
    alone = fit(method, digits(), batch_size=100, seed=0)
    np.testing.assert_allclose(
        alone.history[1]['validation/squared_error'], several.history[1]['validation/squared_error'][0], rtol=1e-3
    )
    assert_close(alone.state.params, ensemble.member(several.state, 0).params)
