"""How the difference of the two objectives is judged, without training them."""

from typing import Any

import numpy as np
import pytest

from experiments.reproductions import burda2015
from experiments.reproductions.base import Bench, Part


@pytest.mark.parametrize(('gap', 'verdict'), [(0.93, 'reproduced'), (0.2, 'missed'), (1.9, 'missed')])
def test_the_gap_has_one_row_and_is_judged_at_both_ends(monkeypatch: pytest.MonkeyPatch, gap: float, verdict: str) -> None:
    def run_part(bench: Bench, name: str, config: Any, measure: Any) -> Part:
        nll = np.full((1, 4), 85.0 + (gap if config.objective == 'vae' else 0.0))
        same = {'nll': nll, 'nll_at_50': nll, 'nll_at_500': nll, 'nll_error': 0.1 * nll, 'active_units': np.asarray([20])}
        return Part(config, (0,), {}, same, (0.1,))

    monkeypatch.setattr(burda2015, 'run_part', run_part)
    (row,) = (figure for figure in burda2015.run_one_layer(7, Bench()).figures if 'minus' in figure.name)
    assert (row.verdict, str(row.tolerance)) == (verdict, '0.6 to 1.5')
