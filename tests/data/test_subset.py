"""Fewer training examples: which are kept, what stays whole, and what is refused."""

import numpy as np
import pytest

from aejax import data
from aejax.data.labels import training_data
from aejax.types import UserError


def rows(few: data.Dataset, whole: data.Dataset) -> set[bytes]:
    kept = {image.tobytes() for image in few.split('train')['x']}
    assert kept <= {image.tobytes() for image in whole.split('train')['x']}
    return kept


def test_keeps_labelled_examples_in_the_order_of_the_whole() -> None:
    whole, few = data.load('digits'), data.load('digits', num_train=50)
    where = [int(np.flatnonzero((whole.split('train')['x'] == x).all(axis=(1, 2, 3)))[0]) for x in few.split('train')['x']]
    assert where == sorted(where)
    assert len(where) == 50
    np.testing.assert_array_equal(few.split('train')['label'], whole.split('train')['label'][where])
    assert few.spec.num_examples == 50
    assert few.describe()['sizes'] == {'train': 50, 'validation': 200, 'test': 300}


def test_more_examples_hold_those_of_fewer_and_another_seed_chooses_others() -> None:
    whole = data.load('digits')
    few, more, other = (rows(data.load('digits', num_train=n, seed=seed), whole) for n, seed in ((100, 0), (300, 0), (100, 1)))
    assert few < more
    assert few != other


def test_validation_and_test_stay_whole_and_the_fingerprint_tells_the_sets_apart() -> None:
    whole, few, all_of_them = data.load('digits'), data.load('digits', num_train=100), data.load('digits', num_train=1297)
    for name in ('validation', 'test'):
        np.testing.assert_array_equal(few.split(name)['x'], whole.split(name)['x'])
    assert few.fingerprint != whole.fingerprint == all_of_them.fingerprint
    assert not few.split('train')['x'].flags.writeable


def test_labels_are_drawn_from_what_is_kept() -> None:
    few = data.load('digits', num_train=400)
    streams = training_data(few, num_labelled=20)
    assert streams['labelled']['x'].shape == (20, 8, 8, 1)
    assert streams['unlabelled']['x'].shape == (400, 8, 8, 1)


@pytest.mark.parametrize('num', [-1, 1298])
def test_refuses_what_is_not_there(num: int) -> None:
    with pytest.raises(UserError, match=f'data.num_train={num} must lie between 1 and the 1297 training examples'):
        data.load('digits', num_train=num)
