"""What has no room on this machine is refused in one line, before anything is computed."""

import numpy as np
import pytest

import aejax
from aejax.runs import loading
from aejax.types import UserError


def test_samples_beyond_the_machines_memory(whole, monkeypatch):
    model = aejax.load(whole)
    with monkeypatch.context() as patch:
        patch.setattr(loading, 'machine_memory', lambda: 5 * 64 * 4)
        assert model.sample(5).shape == (5, 8, 8, 1)
        with pytest.raises(UserError, match='ask for less'):
            model.sample(6)
        with pytest.raises(UserError, match='ask for less'):
            model.reconstruct(np.zeros((6, 8, 8, 1)))
    # Of the machine that this is: it must not come to computing them.
    with pytest.raises(UserError, match=r'^that is [\d,]+ GiB, and this machine has [\d,]+ GiB: ask for less$'):
        model.sample(2 * 10**12)
    # What the estimate lets through, and has no room yet, raises.
    monkeypatch.setattr(loading, 'machine_memory', lambda: 2**80)
    with pytest.raises(Exception, match=r'RESOURCE_EXHAUSTED|[Oo]ut of memory'):
        model.sample(2 * 10**12)
