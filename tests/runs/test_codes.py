"""Statistics of the codes of a whole split."""

import jax.numpy as jnp
import numpy as np

from aejax import methods
from aejax.runs import codes
from aejax.runs.codes import code_figures, encode_split
from aejax.training import loop
from aejax.training.sources import Resident
from experiments.configs import cae, hierarchical_vae, sparse_ae, vae
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


def test_active_latents_are_those_whose_posterior_the_data_move():
    """A column of the kernel at zero makes a mean that is the same for all; of two layers, samples have to tell."""
    method, dataset, state = begun(vae.get_config('gaussian'))
    layer = state.params['encoder']['layer_1']
    layer['kernel'] = layer['kernel'].at[:, :3].set(0.0)
    figures = code_figures(method, dataset, state, 'test')
    assert (figures['active_latents']['mean'], figures['active_latents']['n']) == (5 / 8, 8)
    method, dataset, state = begun(hierarchical_vae.get_config())
    for name, silent in (('lower', 4), ('upper', 2)):
        layer = state.params['encoder'][name]['layer_1']
        layer['kernel'] = layer['kernel'].at[:, :silent].set(0.0)
    figures = code_figures(method, dataset, state, 'test')
    assert figures['active_latents']['n'] == 24
    assert 0.5 < figures['active_latents']['mean'] <= 18 / 24 + 1e-6
    assert 'active_latents' not in code_figures(*begun(cae.get_config('')), 'test')


def test_a_method_without_an_encoder_has_none():
    _, dataset, state = begun(cae.get_config(''))
    assert code_figures(object(), dataset, state, 'test') == {}


def test_the_norm_of_the_jacobian_is_that_of_the_closed_form():
    """sum_j (h_j (1 - h_j))^2 sum_i W_ij^2 of one sigmoid layer, at 100 examples from all over the split."""
    method, dataset, state = begun(cae.get_config(''))
    x, layer = scaled('test')[np.linspace(0, 299, 100).round().astype(int)], state.params['encoder']['layer_0']
    h = 1 / (1 + np.exp(-(x.reshape(100, 64) @ np.asarray(layer['kernel'], np.float64) + np.asarray(layer['bias']))))
    expected = np.sqrt(np.square(h * (1 - h)) @ np.square(np.asarray(layer['kernel'], np.float64)).sum(axis=0))
    found = code_figures(method, dataset, state, 'test')['jacobian_norm']
    assert found['n'] == 100
    np.testing.assert_allclose(found['mean'], expected.mean(), rtol=1e-5)
    np.testing.assert_allclose(found['standard_error'], expected.std(ddof=1) / 10, rtol=1e-4)


def test_jacobians_that_are_large_come_in_smaller_chunks(monkeypatch):
    method, dataset, state = begun(cae.get_config(''))
    expected = code_figures(method, dataset, state, 'test')['jacobian_norm']
    seen = []

    def norms(encode, x, chunk):
        seen.append(chunk)
        return jnp.full(len(x), expected['mean'])

    monkeypatch.setattr(codes, 'frobenius_norms', norms)
    for codes.LARGEST_CHUNK in (25_000_000, 64 * 256 * 3, 1):
        code_figures(method, dataset, state, 'test')
    assert seen == [32, 3, 1]


def test_a_sigmoid_stays_one_where_its_units_underflow():
    """Many units of exactly 0 do not make a code one that was cut off; of a k-sparse code all that are not 0 are active."""
    config = cae.get_config('')
    config.finetune.target = 'classify'
    method, dataset, state = begun(config)
    layer = state.params['encoder']['layer_0']
    layer['bias'] = layer['bias'].at[:50].set(-500.0)
    found = encode_split(method, dataset, state, 'test')
    assert np.mean(found == 0) == 50 / 256
    active = code_figures(method, dataset, state, 'test')['active_share']['mean']
    np.testing.assert_allclose(active, (found > 0.5).mean(), rtol=1e-6)
    config = sparse_ae.get_config('k_sparse')
    config.model.latent_activation = 'sigmoid'
    method, dataset, state = begun(config)
    layer = state.params['encoder']['layer_0']
    layer['bias'] = layer['bias'] - 10.0
    figures = code_figures(method, dataset, state, 'test')
    np.testing.assert_allclose(figures['active_share']['mean'], 10 / 256, rtol=1e-6)
