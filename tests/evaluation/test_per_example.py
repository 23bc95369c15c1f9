"""Metrics of every example, once each, in order, whatever the batches."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.evaluation.per_example import make_evaluator, padded_batches
from aejax.types import DataSpec, TrainState
from tests.support import compilations, numbered


@dataclasses.dataclass(frozen=True)
class Ruler:
    """Metrics that give away what they were computed from."""

    def evaluate(self, params, mutables, batch, context):
        return {
            'row': batch['label'].astype(jnp.float32),
            'sum': params['scale'] * jnp.sum(batch['x'], axis=(1, 2, 3)),
            'noise': jax.random.normal(context.key, batch['label'].shape),
            'hparam': jnp.full(batch['label'].shape, context.hparams['beta'] + context.step + mutables['extra']),
            'train': jnp.full(batch['label'].shape, context.train),
        }


SPEC = DataSpec('digits', (8, 8, 1))


def state(scale=2.0):
    numbers = {
        'params': {'scale': jnp.asarray(scale)},
        'mutables': {'extra': jnp.asarray(0.25)},
        'hparams': {'beta': jnp.asarray(0.5)},
    }
    return TrainState(step=jnp.asarray(7), optimizer_states={'phase': jnp.zeros(1000)}, key=jax.random.key(0), **numbers)


@pytest.mark.parametrize(('num', 'batch_size'), [(10, 3), (10, 10), (10, 500), (7, 1), (9, 8)])
def test_every_example_counts_once_and_in_order(num, batch_size):
    split = numbered(num)
    found = make_evaluator(Ruler(), SPEC, split, batch_size)(state())
    np.testing.assert_array_equal(found['row'], np.arange(num))
    np.testing.assert_allclose(found['sum'], 2 * split['x'].astype(np.float64).sum(axis=(1, 2, 3)) / 255, rtol=1e-5)
    np.testing.assert_array_equal(found['hparam'], np.full(num, 7.75))
    np.testing.assert_array_equal(found['train'], np.zeros(num))
    assert len(np.unique(found['noise'])) == num


def test_the_noise_is_that_of_the_seed():
    first, again, other = (make_evaluator(Ruler(), SPEC, numbered(10), 4, seed)(state())['noise'] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.any(first == other)


def test_binary_draws_are_those_of_the_seed():
    spec = dataclasses.replace(SPEC, preprocessing='dynamic_binarisation')
    evaluate, other = (make_evaluator(Ruler(), spec, numbered(10), 4, seed) for seed in (1, 2))
    sums = evaluate(state(1.0))['sum']
    np.testing.assert_array_equal(sums, np.round(sums))
    np.testing.assert_array_equal(evaluate(state(3.0))['sum'], 3 * sums)
    assert not np.array_equal(other(state(1.0))['sum'], sums)


def test_members_have_an_axis_of_their_own():
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), state(1.0), state(3.0))
    found = make_evaluator(Ruler(), SPEC, numbered(10), 4, members=True)(both)
    assert found['sum'].shape == (2, 10)
    np.testing.assert_allclose(3 * found['sum'][0], found['sum'][1], rtol=1e-6)
    np.testing.assert_array_equal(found['row'], np.tile(np.arange(10), (2, 1)))
    alone = make_evaluator(Ruler(), SPEC, numbered(10), 4)(state(3.0))
    np.testing.assert_allclose(found['noise'][1], alone['noise'], rtol=1e-6)


def test_it_is_compiled_once():
    evaluate = make_evaluator(Ruler(), SPEC, numbered(10), 4)
    with compilations() as names:
        for scale in (1.0, 2.0, 3.0):
            evaluate(state(scale))
    assert names.count('jit(run)') == 1


def test_a_method_that_is_looked_at_again_is_not_compiled_again():
    method, split, others = Ruler(), numbered(10), numbered(20)
    others = jax.tree.map(lambda leaf: leaf[10:], others)
    before = make_evaluator(method, SPEC, split, 4)(state(1.0))['row']
    with compilations() as names:
        after = make_evaluator(method, SPEC, others, 4)(state(1.0))['row']
    assert 'jit(run)' not in names
    np.testing.assert_array_equal(after, before + 10)


def test_the_filling_is_real_rows():
    batches = padded_batches(numbered(7), 3)
    assert batches['x'].shape == (3, 3, 8, 8, 1)
    np.testing.assert_array_equal(batches['label'], [[0, 1, 2], [3, 4, 5], [6, 0, 1]])
