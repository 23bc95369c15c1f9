"""What a run looks at before it begins."""

import pytest

from aejax.runs import setup
from aejax.types import UserError
from experiments.configs import cae
from tests.support import digits


@pytest.fixture
def gibibytes(monkeypatch):
    """Sets the memory of the machine."""

    return lambda size: monkeypatch.setattr(setup, 'machine_memory', lambda: int(size * 2**30))


def test_a_model_beyond_the_machines_memory_is_refused_before_it_is_made(gibibytes):
    config = cae.get_config()
    config.model.hidden, config.model.latents = (200_000,), 400_000
    gibibytes(16)
    with pytest.raises(UserError, match=r'training needs 1,192 GiB, .* encoder/layer_1/kernel \[200000, 400000\], .* has 16 GiB'):
        setup.build(config, digits())


def test_weights_gradients_and_adams_two_moments_are_counted(gibibytes):
    config = cae.get_config()
    config.model.latents = 10_000
    num = 64 * 10_000 + 10_000 + 64
    gibibytes(1.01 * 4 * 4 * num / 2**30)
    setup.build(config, digits())
    gibibytes(0.99 * 4 * 4 * num / 2**30)
    with pytest.raises(UserError, match='training needs'):
        setup.build(config, digits())
