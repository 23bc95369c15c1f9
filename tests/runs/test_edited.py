"""A config.json that was edited by hand: what it then says of the model is held against what is stored."""

import json
import shutil

import pytest

import aejax
from aejax.types import UserError


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        ({'model': {'latents': 3}}, r'does not fit the checkpoint .*/36: params/.* is float32\[2, .* float32\[3,'),
        ({'optimizer': {'name': 'sgd'}}, r'does not fit the checkpoint .*/36: it is whole, but not of such a model'),
        ({'optimizer': 3}, "the config holds 3 where a section with the key 'name' belongs"),
        ({'epochs': 'a'}, 'config.json holds a setting of a wrong type, and was edited by hand: '),
        ({'batch_size': None}, 'config.json holds a setting of a wrong type, and was edited by hand: '),
        ({'model': {'hidden': 5}}, 'config.json holds a setting of a wrong type, and was edited by hand: '),
        ({'optimizer': {'learning_rate': 'fast'}}, 'optimizer.learning_rate=fast must be at least 0'),
    ],
)
def test_it_is_one_line(whole, tmp_path, edit, message):
    folder = shutil.copytree(whole, tmp_path / 'run')
    stored = json.loads((folder / 'config.json').read_text())
    ((section, value),) = edit.items()
    stored[section] = {**stored[section], **value} if isinstance(value, dict) else value
    (folder / 'config.json').write_text(json.dumps(stored))
    with pytest.raises(UserError, match=message) as caught:
        aejax.load(folder)
    assert '\n' not in str(caught.value)
