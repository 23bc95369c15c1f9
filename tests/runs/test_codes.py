"""Statistics of the codes of a whole split."""

import jax.numpy as jnp
import numpy as np

from aejax import methods
from aejax.runs.codes import code_figures, encode_split
from aejax.training import loop
from aejax.training.sources import Resident
from experiments.configs import cae, sparse_ae
from tests.support import digits, scaled


def begun(config):
    dataset = digits()
    method = methods.build(config, dataset.spec)
    return method, dataset, loop.initial_state(method, Resident(dataset.split('train'), 100), dataset.spec, 0)


def test_every_example_is_encoded_once():
    method, dataset, state = begun(cae.get_config(''))
    codes = encode_split(method, dataset, state, 'train')
    expected = method.encode(state.params, {}, jnp.asarray(scaled('train')))
    assert codes.shape == (1297, 256)
    np.testing.assert_allclose(codes, expected, rtol=1e-5, atol=1e-6)


def test_a_unit_is_active_above_one_half_of_a_sigmoid_and_off_zero_elsewhere():
    method, dataset, state = begun(cae.get_config(''))
    figures = code_figures(method, dataset, state, 'test')
    codes = encode_split(method, dataset, state, 'test')
    np.testing.assert_allclose(figures['active_share']['mean'], (codes > 0.5).mean(), rtol=1e-6)
    assert 'saturation' in figures
    method, dataset, state = begun(sparse_ae.get_config('k_sparse'))
    figures = code_figures(method, dataset, state, 'test')
    np.testing.assert_allclose(figures['active_share']['mean'], 10 / 256, rtol=1e-6)
    assert figures['active_share']['n'] == 300
    assert figures['dead_units']['n'] == 256
    assert 'saturation' not in figures


def test_a_method_without_an_encoder_has_none():
    _, dataset, state = begun(cae.get_config(''))
    assert code_figures(object(), dataset, state, 'test') == {}
