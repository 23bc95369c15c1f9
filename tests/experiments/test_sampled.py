from typing import Any

import pytest

from aejax.types import UserError
from experiments.reproductions import sampled


def test_samples_that_are_not_finite_end_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {'modes': {'samples': 9, 'not_finite': 2, 'collapsed': None}}
    monkeypatch.setattr(sampled, 'final_samples', lambda *arguments: broken)
    nothing: Any = None
    with pytest.raises(UserError, match='2 of 9 samples are not finite'):
        sampled.sample_values(nothing, nothing, nothing)
