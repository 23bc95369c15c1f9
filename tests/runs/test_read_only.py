"""A folder that cannot be written to: what was computed is said all the same."""

import pytest

from aejax.runs import modes
from aejax.runs.setup import Folders
from tests.running import Heard


def test_an_evaluation_is_shown_before_it_is_written(whole, monkeypatch):
    def refuse(path, value):
        raise PermissionError(13, 'Permission denied', str(path))

    monkeypatch.setattr(modes, 'write_json', refuse)
    heard = Heard()
    with pytest.raises(PermissionError):
        modes.evaluate(whole, 'test', 'last', Folders(), heard)
    assert any('squared_error' in line for line in heard.lines)
