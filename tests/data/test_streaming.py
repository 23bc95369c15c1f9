import itertools

import numpy as np
import pytest

from aejax import data
from aejax.data import prepared


def take(num, *arguments, **keywords):
    return list(itertools.islice(data.batches(*arguments, **keywords), num))


@pytest.fixture(scope='module')
def train():
    return data.load('digits').split('train')


def test_starting_at_a_step_is_skipping_to_it(train):
    whole = take(30, train, 100, seed=3)
    for start in (1, 12, 13, 29):
        resumed = take(1, train, 100, seed=3, start_step=start)[0]
        for name in ('x', 'label'):
            np.testing.assert_array_equal(resumed[name], whole[start][name])


def test_batches_do_not_depend_on_threads(train):
    for one, many in zip(take(20, train, 64, 0, num_threads=1, prefetch=1), take(20, train, 64, 0, num_threads=4), strict=True):
        np.testing.assert_array_equal(one['x'], many['x'])


def test_every_epoch_is_a_permutation_of_its_own():
    rows = {'x': np.arange(10), 'label': np.arange(10) * 2}
    flat = np.concatenate([batch['x'] for batch in take(10, rows, 4, seed=0)]).reshape(4, 10)
    np.testing.assert_array_equal(np.sort(flat, axis=1), np.broadcast_to(np.arange(10), (4, 10)))
    assert len(np.unique(flat, axis=0)) == 4
    assert all((batch['label'] == 2 * batch['x']).all() for batch in take(10, rows, 4, seed=0))


def test_seeds_give_orders_that_have_nothing_in_common():
    rows = {'x': np.arange(50)}
    epochs = np.concatenate([np.stack([batch['x'] for batch in take(4, rows, 50, seed)]) for seed in range(4)])
    assert len(np.unique(epochs, axis=0)) == 16


def test_a_batch_may_be_larger_than_the_data():
    batch = take(1, {'x': np.arange(10)}, 25, seed=0)[0]
    assert sorted(np.bincount(batch['x'])) == [2] * 5 + [3] * 5


def test_records_stream_as_the_arrays_do(tiny, tmp_path):
    loaded = data.load('kmnist', data_dir=tmp_path, download_dir=tiny.folder)
    source = prepared.make_builder('kmnist', tmp_path).as_data_source('test')
    for ours, theirs in zip(take(6, source, 32, seed=1), take(6, loaded.split('test'), 32, seed=1), strict=True):
        assert ours.keys() == theirs.keys() == {'x', 'label'}
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name])
