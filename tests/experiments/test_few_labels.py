"""Tables with few labels: what is trained, and what their errors are judged by."""

import pathlib
from typing import Any

import numpy as np
import pytest

from experiments.configs import m1_m2
from experiments.reproductions import few_labels, kingma2014, makhzani2015
from experiments.reproductions.base import Bench, Part
from tests.support import digits


def test_m1_is_the_same_whatever_the_labels(tmp_path: pathlib.Path) -> None:
    said: list[str] = []
    bench = Bench((0,), cache=tmp_path / 'parts', smoke=True, say=said.append)
    config = m1_m2.get_config()
    first = few_labels.train_draw(bench, 'M1+M2', config, 50, 0)
    assert any(': m1, epoch' in line for line in said)
    said.clear()
    second = few_labels.train_draw(bench, 'M1+M2', config, 100, 1)
    assert said
    assert all(': m2, epoch' in line for line in said)
    np.testing.assert_array_equal(first.values['test_m1_elbo'], second.values['test_m1_elbo'])
    assert not np.array_equal(first.values['test_elbo'], second.values['test_elbo'])
    alone = few_labels.train_draw(Bench((0,), cache=tmp_path / 'others', smoke=True, say=said.append), 'M1+M2', config, 100, 1)
    np.testing.assert_allclose(alone.values['test_elbo'], second.values['test_elbo'], rtol=1e-5)


def test_every_draw_of_labels_is_trained_and_their_mean_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    configs = {}

    def run_part(bench: Bench, name: str, config: Any, measure: Any, seeds: tuple[int, ...]) -> Part:
        assert seeds == (7,), 'one seed of all but the labels'
        configs[name] = config.data
        num_wrong = 31 + 10 * config.data.label_seed if config.data.num_labelled == 100 else 30
        errors = (np.arange(1_000) < num_wrong).astype(float)
        values = {'test_classification_error': errors[None], 'test_elbo': np.full((1, 1_000), -80.0)}
        return Part(config, seeds, digits().describe(), values, (0.1,))

    monkeypatch.setattr(few_labels, 'run_part', run_part)
    outcome = makhzani2015.run_semi_supervised(Bench((7, 8)))
    assert {(data.num_labelled, data.label_seed, data.labelled_batch_size) for data in configs.values()} == {
        *((100, draw, 20) for draw in (0, 1, 2)),
        *((1_000, draw, 100) for draw in (0, 1, 2)),
    }
    hundred, thousand = (figure.measured for figure in outcome.figures)
    assert hundred.per_seed == pytest.approx((3.1, 4.1, 5.1))
    assert (hundred.mean, hundred.standard_error, hundred.n) == (pytest.approx(4.1), pytest.approx(3**-0.5), 3)
    assert thousand.per_seed == pytest.approx((3.0, 3.0, 3.0))
    assert [figure.verdict for figure in outcome.figures] == ['reproduced', 'missed']
    assert list(outcome.parts)[:2] == ['100 labels, draw 0', '100 labels, draw 1']
    figures = kingma2014.run_m1_m2(Bench((7,))).figures
    assert [figure.verdict for figure in figures] == ['missed', 'stated', 'reproduced', 'stated']
    assert len(figures[0].measured.per_seed) == len(kingma2014.DRAWS)
