"""Total variation against its double sum."""

import numpy as np
import pytest

from aejax.losses.total_variation import total_variation
from tests.support import scaled


def test_is_the_sum_over_neighbours():
    x = scaled('test')[:3]
    found = [
        sum(abs(float(image[i + 1, j, 0] - image[i, j, 0])) for i in range(7) for j in range(8))
        + sum(abs(float(image[i, j + 1, 0] - image[i, j, 0])) for i in range(8) for j in range(7))
        for image in x
    ]
    np.testing.assert_allclose(total_variation(x), found, rtol=1e-5)
    assert total_variation(np.ones((1, 4, 4, 2)))[0] == 0
    with pytest.raises(AssertionError):
        total_variation(np.ones((4, 4)))
