"""Few labels of a training split: balanced, seeded, nothing given away."""

import numpy as np
import pytest

from aejax.data.labels import split_labels, stream_sizes, training_data
from aejax.types import UserError
from tests.support import digits


def split():
    return digits().split('train')


def rows(streams) -> set[bytes]:
    return {image.tobytes() + bytes([label]) for image, label in zip(streams['x'], streams['label'], strict=True)}


def test_labels_are_balanced_true_and_the_rest_has_none():
    streams = split_labels(split(), 100, 0, 10)
    np.testing.assert_array_equal(np.bincount(streams['labelled']['label']), np.full(10, 10))
    assert rows(streams['labelled']) <= rows(split())
    assert set(streams['unlabelled']) == {'x'}
    np.testing.assert_array_equal(streams['unlabelled']['x'], split()['x'])


def test_the_seed_chooses_and_more_labels_keep_those_of_fewer():
    few, again, other, more = (split_labels(split(), num, seed, 10) for num, seed in ((50, 1), (50, 1), (50, 2), (200, 1)))
    np.testing.assert_array_equal(few['labelled']['x'], again['labelled']['x'])
    assert rows(few['labelled']) != rows(other['labelled'])
    assert rows(few['labelled']) < rows(more['labelled'])


def test_without_few_labels_the_split_is_as_it_was():
    assert training_data(digits()) is split()
    assert set(training_data(digits(), 20)) == {'labelled', 'unlabelled'}


def test_the_labelled_stream_may_give_fewer_a_step():
    assert stream_sizes(0, 100, 50) == stream_sizes(0, 100, 0) == {}
    assert stream_sizes(20, 100, 50) == {'labelled': 20}


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ((-1, 100, 50), r'data.labelled_batch_size=-1 must lie between 0 \(a whole batch\) and batch_size=100'),
        ((101, 100, 50), 'data.labelled_batch_size=101 must lie between'),
        ((20, 100, 0), 'data.labelled_batch_size is for semi-supervised methods'),
    ],
)
def test_sizes_that_no_step_can_have(sizes, message):
    with pytest.raises(UserError, match=message):
        stream_sizes(*sizes)


@pytest.mark.parametrize(
    ('changes', 'num', 'message'),
    [
        ({'label': None}, 100, 'this data has none'),
        ({}, 5, r'num_labelled=5 must be .* a multiple of 10'),
        ({}, 105, 'a multiple of 10'),
        ({}, 1300, 'more than the 1297 training examples'),
        ({}, 1290, r'needs 129 examples of every class, and class \d has 12\d: choose fewer'),
        ({'label': np.zeros(1297, np.int32)}, 10, 'class 1 has none'),
    ],
)
def test_what_cannot_be_is_one_line(changes, num, message):
    data = {name: value for name, value in {**split(), **changes}.items() if value is not None}
    with pytest.raises(UserError, match=message):
        split_labels(data, num, 0, 10)
