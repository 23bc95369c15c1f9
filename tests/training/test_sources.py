"""Where the data come from: each row once an epoch, codes of the layer below computed once, streams that resume."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.training.sources import Resident, stream_of
from aejax.types import Stage, UserError
from tests.support import Stack, assert_equal_bytes, compilations, go_on, numbered, stack_run


def streamed(seed: int = 0, chunk_steps: int = 4, num: int = 530):
    source = stream_of(numbered(num), 100, seed)
    source.chunk_steps = chunk_steps
    return source


def times_seen(intervals) -> np.ndarray:
    return np.stack([interval.state['mutables']['seen'] for interval in intervals])


def test_an_epoch_sees_no_row_twice_and_leaves_out_others_each_time():
    seen = times_seen(stack_run(rows=530, num_steps=(15, 5)))
    epochs = np.diff(seen, axis=0, prepend=0)
    assert epochs.sum(axis=1).tolist() == [500] * 4
    assert epochs.max() == 1
    left_out = {epoch.tobytes() for epoch in epochs}
    assert len(left_out) == 4


def test_the_order_differs_between_epochs_stages_and_seeds():
    rows = [stack_run(rows=530, num=6, log_every=0.2, num_steps=(5, 5), seed=seed) for seed in (0, 1)]
    first, second = (np.diff(times_seen(one), axis=0, prepend=0) for one in rows)
    assert not np.array_equal(first[0], first[5])
    assert not np.array_equal(first[0], second[0])


def test_mapped_is_the_inputs_of_every_row_in_order():
    calls = []

    def inputs(params, batch):
        calls.append(batch['x'].shape)
        return {'x': batch['x'] * params['scale'], 'label': batch['label'], 'sum': batch['x'].sum(axis=(1, 2, 3))}

    data, scale = numbered(237), jnp.asarray(3.0)
    source = Resident(data, 10)
    mapped, prepare = source.mapped(
        Stage('codes', (), 1, inputs),
        {'scale': scale},
        lambda batch, key: {**batch, 'x': batch['x'].astype(jnp.float32) / 255},
        jax.random.key(0),
    )
    assert calls == [(100, 8, 8, 1)]
    expected = data['x'].astype(np.float32) / 255
    np.testing.assert_allclose(mapped.data['x'], 3 * expected, rtol=1e-6)
    np.testing.assert_allclose(mapped.data['sum'], expected.sum(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(mapped.data['label'], np.arange(237))
    assert mapped.steps_per_epoch == source.steps_per_epoch == 23
    batch = {'x': jnp.ones((2, 3))}
    assert prepare(batch, jax.random.key(0)) is batch


def test_mapped_without_inputs_is_the_source_itself():
    source, prepare = Resident(numbered(20), 10), lambda batch, key: batch
    assert source.mapped(Stage('plain', (), 1), {}, prepare, jax.random.key(0)) == (source, prepare)


def test_inputs_are_computed_once_a_stage_and_after_resuming():
    with compilations() as names:
        whole = stack_run(log_every=0.6)
    assert names.count('jit(<lambda>)') == 2  # the initial state is the other
    assert [interval.about.stage for interval in whole].count('second') > 1
    with compilations() as names:
        rest = stack_run(log_every=0.6, state=go_on(whole, -2))
    assert names.count('jit(<lambda>)') == 1
    assert_equal_bytes(rest[-1].state, whole[-1].state)


def test_a_stage_on_codes_in_a_stream_is_refused():
    with pytest.raises(UserError, match=r"stage 'second' maps its inputs.*data.streaming=False"):
        stack_run(source=streamed())


def one_stage(**options):
    return stack_run(num_steps=(15, 0), rows=530, **options)


def test_a_stream_trains_and_resumes_exactly():
    whole = one_stage(source=streamed())
    assert [interval.about.step for interval in whole] == [5, 10, 15]
    assert whole[-1].metrics['lower/loss'] < 0.8 * whole[0].metrics['lower/loss']
    assert times_seen(whole).sum(axis=1).tolist() == [500, 1000, 1500]
    assert times_seen(whole).max() <= 3
    rest = one_stage(source=streamed(), state=go_on(whole, 0))
    assert_equal_bytes(rest[-1].state, whole[-1].state)
    cut = one_stage(source=streamed(), log_every=0.4)
    assert_equal_bytes(cut[-1].state, whole[-1].state)
    other = one_stage(source=streamed(seed=1), num=1)
    assert not np.array_equal(times_seen(other)[0], times_seen(whole)[0])


def test_the_rows_of_a_stream_do_not_depend_on_the_chunks():
    a, b = (times_seen(one_stage(source=streamed(chunk_steps=size), log_every=0.6)) for size in (2, 64))
    np.testing.assert_array_equal(a, b)


def test_chunks_have_one_shape():
    source = streamed(chunk_steps=4)
    chunk, num = source.next(0, 3)
    assert num == 3
    assert {leaf.shape[0] for leaf in jax.tree.leaves(chunk)} == {400}
    following, num = source.next(3, 100)
    assert num == 4
    afresh, _ = streamed(chunk_steps=4).next(3, 100)
    assert_equal_bytes(following, afresh)


def test_examples_have_the_shapes_of_batches():
    assert Resident(numbered(20), 10).example()['x'].shape[1:] == streamed().example()['x'].shape[1:] == (8, 8, 1)


def test_stack_has_no_hidden_state():
    assert Stack() == Stack()
