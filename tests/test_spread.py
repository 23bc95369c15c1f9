"""Rows from all over."""

import numpy as np

from aejax.spread import spread


def test_rows_are_from_the_first_to_the_last():
    np.testing.assert_array_equal(spread(9, 3), [0, 4, 8])
    np.testing.assert_array_equal(spread(3, 9), [0, 1, 2])
    rows = spread(10_000, 1_000)
    assert (len(np.unique(rows)), rows[0], rows[-1]) == (1_000, 0, 9_999)
    assert set(np.diff(rows)) <= {10, 11}
