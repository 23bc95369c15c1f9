"""One device, several under jit, several under pmap: what is equal, and what is refused."""

import jax
import numpy as np
import pytest

from aejax.training import loop
from aejax.training.parallel import make_placement, usable_devices
from aejax.training.sources import Resident
from aejax.types import UserError
from tests.support import Stack, assert_close, assert_equal_bytes, compilations, digits, go_on, numbered, stack_run


@pytest.fixture(scope='module')
def plain():
    return stack_run(rows=530)


def test_two_devices_draw_the_same_noise_and_rows_as_one(plain):
    sharded = stack_run(rows=530, devices=jax.devices())
    for one, other in zip(plain, sharded, strict=True):
        assert_close(other.state['params'], one.state['params'])
        assert_equal_bytes(other.state['mutables'], one.state['mutables'])
        assert_close(dict(other.metrics), dict(one.metrics))


def test_the_batch_is_really_spread():
    method, source = Stack(), Resident(numbered(530), 100)
    placement = make_placement('jit', 100)
    state = placement.place(loop.initial_state(method, source, digits().spec, 0))
    program = placement.compile(method.stages[0], 100, lambda batch, key: {**batch, 'x': batch['x'] / 255.0}, source)
    text = program.lower(state, placement.place(source.data), np.int32(0), np.int32(1)).compile().as_text()
    assert 'all-reduce' in text
    assert 'f32[50,64]' in text


def test_a_run_may_move_to_other_devices(plain):
    rest = stack_run(rows=530, devices=jax.devices(), state=go_on(plain, 3))
    assert_close(rest[-1].state['params'], plain[-1].state['params'])


def pmapped(num_steps: int, **fields):
    """The states of both devices, and the metrics, after `num_steps` of the first stage."""
    method, source = Stack(**fields), Resident(numbered(530), 100)
    placement = make_placement('pmap', 100)
    state = placement.place(loop.initial_state(method, source, digits().spec, 0))
    program = placement.compile(method.stages[0], 100, lambda batch, key: {**batch, 'x': batch['x'] / 255.0}, source)
    state, sums = program(state, placement.place(source.data), np.int32(0), np.int32(num_steps))
    return state, sums


def test_pmap_keeps_the_devices_equal():
    state, _ = pmapped(5, rows=530)
    parameters = jax.device_get(state.params)
    for leaf in jax.tree.leaves(parameters):
        assert leaf.shape[0] == 2
        np.testing.assert_array_equal(leaf[0], leaf[1])


def test_pmap_without_noise_is_one_device():
    calm = {'hparams': {'noise': 0.0}}
    one, several = stack_run(**calm), stack_run(**calm, devices=jax.devices(), parallel='pmap')
    assert_close(several[-1].state['params'], one[-1].state['params'])
    assert_close([dict(interval.metrics) for interval in several], [dict(interval.metrics) for interval in one])


def test_pmap_draws_other_noise_on_each_device_and_learns_all_the_same(plain):
    noisy = stack_run(devices=jax.devices(), parallel='pmap')
    assert noisy[2].metrics['lower/loss'] < 0.8 * noisy[0].metrics['lower/loss']
    assert noisy[0].metrics['lower/loss'] != plain[0].metrics['lower/loss']
    assert noisy[0].metrics['lower/loss'] == pytest.approx(plain[0].metrics['lower/loss'], rel=0.02)


def test_pmap_is_compiled_once_a_stage():
    with compilations() as names:
        stack_run(devices=jax.devices(), parallel='pmap', log_every=0.6)
    assert names.count('jit(_fun)') == 2  # pmap's own name for it


def test_devices_that_a_batch_does_not_split_over_are_left_out():
    assert [len(usable_devices(size)) for size in (100, 101, 2, 1)] == [2, 1, 2, 1]
    assert [len(usable_devices(100, size)) for size in (20, 21)] == [2, 1]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'mode': 'tpu'}, "parallel is 'tpu'; choose one of jit, pmap"),
        ({'batch_size': 101, 'devices': jax.devices()}, 'batch_size=101 does not split over 2 devices'),
        (
            {'batch_size': 100, 'stream_sizes': {'labelled': 21}, 'devices': jax.devices()},
            'data.labelled_batch_size=21 does not split over 2 devices',
        ),
        ({'mode': 'pmap', 'batch_size': 2, 'members': True}, "an ensemble needs parallel='jit'"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(UserError, match=message):
        make_placement(**options)
