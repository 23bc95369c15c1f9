"""Semi-supervised reproductions: M1 is trained once for all labels."""

import pathlib

import numpy as np

from experiments.configs import m1_m2
from experiments.reproductions import kingma2014
from experiments.reproductions.base import Bench


def test_m1_is_the_same_whatever_the_labels(tmp_path: pathlib.Path) -> None:
    said: list[str] = []
    bench = Bench((0,), cache=tmp_path / 'parts', smoke=True, say=said.append)
    config = m1_m2.get_config()
    first = kingma2014.train_draw(bench, 'M1+M2', config, 50, 0)
    assert any(': m1, epoch' in line for line in said)
    said.clear()
    second = kingma2014.train_draw(bench, 'M1+M2', config, 100, 1)
    assert said
    assert all(': m2, epoch' in line for line in said)
    np.testing.assert_array_equal(first.values['test_m1_elbo'], second.values['test_m1_elbo'])
    assert not np.array_equal(first.values['test_elbo'], second.values['test_elbo'])
    alone = kingma2014.train_draw(Bench((0,), cache=tmp_path / 'others', smoke=True, say=said.append), 'M1+M2', config, 100, 1)
    np.testing.assert_allclose(alone.values['test_elbo'], second.values['test_elbo'], rtol=1e-5)
