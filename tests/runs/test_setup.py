"""What a run looks at before it begins."""

import numpy as np
import pytest

from aejax.runs import setup
from aejax.types import UserError
from experiments.configs import adversarial_ae, cae, m2, rbm
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


def test_persistent_chains_are_counted_and_named(gibibytes):
    config = rbm.get_config('persistent')
    config.num_chains = 10**9
    gibibytes(16)
    with pytest.raises(UserError, match=r'largest array is chain \[1000000000, 64\], .*: make num_chains smaller'):
        setup.build(config, digits())


def test_a_large_discriminator_is_named(gibibytes):
    config = adversarial_ae.get_config()
    config.discriminator.hidden = (100_000, 100_000)
    gibibytes(16)
    with pytest.raises(UserError, match=r'largest array is discriminator/.*: make discriminator.hidden smaller'):
        setup.build(config, digits())


def test_a_batch_of_no_size_is_called_that():
    config = m2.get_config()
    config.batch_size = -5
    setup.check(config)
    with pytest.raises(UserError, match=r'^batch_size=-5'):
        setup.build(config, digits())


def test_few_labels_make_two_streams_for_methods_that_take_them():
    config = m2.get_config()
    config.data.num_labelled, config.data.label_seed, config.data.labelled_batch_size = 50, 3, 20
    source = setup.make_source(config, digits())
    data = source.data
    assert source.stream_sizes == {'labelled': 20}
    np.testing.assert_array_equal(np.bincount(data['labelled']['label']), np.full(10, 5))
    assert set(data) == set(setup.build(config, digits()).streams)
    config.data.streaming = True
    with pytest.raises(UserError, match='two streams of data in memory'):
        setup.make_source(config, digits())


def test_a_method_that_takes_no_streams_is_given_none():
    config = cae.get_config()
    config.data.num_labelled = 50
    with pytest.raises(UserError, match='is for semi-supervised methods, and cae is none'):
        setup.build(config, digits())
