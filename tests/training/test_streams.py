"""A batch of several streams of unequal length, as semi-supervised methods take it."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from aejax.training import loop
from aejax.training.sources import Resident
from aejax.types import DataSpec, LossOutput, Phase, Stage

SPEC = DataSpec('digits', (1,), 'raw', num_examples=40)
DATA = {
    'labelled': {'x': np.arange(7, dtype=np.float32)[:, None], 'label': np.arange(7, dtype=np.int32)},
    'unlabelled': {'x': 100 + np.arange(40, dtype=np.float32)[:, None]},
}


class Counts:
    """Counts how often each row of each stream was seen; learns nothing."""

    hparams: dict = {}  # noqa: RUF012
    selection = ('none', 'min')

    def __init__(self, steps: int):
        phase = Phase('count', self.loss, ('encoder',), optax.sgd(0.0))
        self.stages = (Stage('train', (phase,), steps),)

    def init(self, key, batch):
        assert set(batch) == {'labelled', 'unlabelled'}
        return {'encoder': jnp.zeros(())}, {'labelled': jnp.zeros(7), 'unlabelled': jnp.zeros(40)}

    def loss(self, params, mutables, batch, context):
        seen = batch['labelled']['x'][:, 0].astype(int)
        matching = jnp.mean(seen == batch['labelled']['label'])
        others = batch['unlabelled']['x'][:, 0].astype(int) - 100
        counts = {
            'labelled': mutables['labelled'].at[seen].add(1),
            'unlabelled': mutables['unlabelled'].at[others].add(1),
        }
        values = {name: stream['x'][:, 0] for name, stream in batch.items()}
        rows = jnp.asarray(float(len(seen)))
        return LossOutput(params['encoder'] * 0.0, {'matching': matching, 'labelled_rows': rows, **values}, counts)


def run(steps: int, log_every: float = 1.0, devices: int = 1, **sizes: int):
    source = Resident(DATA, 10, stream_sizes=sizes)
    intervals = loop.train(Counts(steps), source, SPEC, batch_size=10, log_every=log_every, devices=jax.devices()[:devices])
    return [(i.step, i.epoch, i.metrics['count/matching'], jax.device_get(i.state.mutables)) for i in intervals]


def test_the_longest_stream_gives_the_epoch_and_shorter_ones_go_round():
    *_, (step, epoch, matching, counts) = run(4)
    assert (step, epoch, matching) == (4, 1.0, 1.0)
    np.testing.assert_array_equal(counts['unlabelled'], 1)
    assert counts['labelled'].sum() == 40
    assert set(counts['labelled']) == {5, 6}


def test_calls_that_are_cut_see_the_same_rows():
    whole, cut = run(12)[-1][3], run(12, log_every=0.25)[-1][3]
    for name in whole:
        np.testing.assert_array_equal(whole[name], cut[name])
    first = run(1)[-1][3]['unlabelled']
    assert sorted(first) == [0] * 30 + [1] * 10
    assert not np.array_equal(np.flatnonzero(first), np.arange(10))


def test_a_stream_may_give_fewer_rows_a_step():
    *_, (step, epoch, matching, counts) = run(4, labelled=3)
    assert (step, epoch, matching) == (4, 1.0, 1.0)
    np.testing.assert_array_equal(counts['unlabelled'], 1)
    assert counts['labelled'].sum() == 12
    assert set(counts['labelled']) == {1, 2}
    whole, cut = run(12, labelled=3)[-1][3], run(12, log_every=0.25, labelled=3)[-1][3]
    np.testing.assert_array_equal(whole['labelled'], cut['labelled'])


def test_rows_do_not_depend_on_devices_however_many_a_stream_gives():
    one, two = (run(8, devices=count, labelled=2)[-1][3] for count in (1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])
    assert one['labelled'].sum() == 16


def test_two_devices_share_every_stream_under_pmap():
    options = {'batch_size': 10, 'log_every': 0.25}
    source = Resident(DATA, 10, stream_sizes={'labelled': 4})
    of_two, of_one = (
        [dict(interval.metrics) for interval in loop.train(Counts(6), source, SPEC, parallel=parallel, **options)]
        for parallel in ('pmap', 'jit')
    )
    for mapped, whole in zip(of_two, of_one, strict=True):
        assert (mapped.pop('count/labelled_rows'), whole.pop('count/labelled_rows')) == (2, 4)
        assert mapped == pytest.approx(whole)
