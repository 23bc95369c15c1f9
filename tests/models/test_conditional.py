"""A split first layer against the perceptron over the concatenation that it stands for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.models import conditional
from aejax.models.autoencoder import apply, default_config
from aejax.types import DataSpec, UserError
from tests.support import digits, scaled


def model(hidden=(16,), **changes):
    config = default_config(hidden, 5)
    config.update(changes)
    return conditional.from_config(config, digits().spec, 2 * 64)


@pytest.mark.parametrize('hidden', [(), (16,), (16, 12)])
def test_it_is_the_perceptron_of_the_concatenation(hidden):
    made, x, label = model(hidden), jnp.asarray(scaled('test')[:6]), np.arange(6) % 3
    params = jax.jit(made.init)(jax.random.key(0))
    random = np.random.default_rng(1)
    params = jax.tree.map(lambda leaf: leaf + 0.1 * random.normal(size=leaf.shape).astype(np.float32), params)
    z = jax.random.normal(jax.random.key(2), (6, 10, 5))

    def joined(v, label):
        return jnp.concatenate([v.reshape(6, -1), jax.nn.one_hot(label, 10)], axis=1)

    @jax.jit
    def plain(z, y):
        given = y * jnp.ones(6, int)
        return apply(made.encoder, params['encoder'], joined(x, given)), apply(made.decoder, params['decoder'], joined(z, given))

    @jax.jit
    def split(z):
        of_label = made.posterior(params, x, label), [made.decode(params, z[:, y], label) for y in range(3)]
        return made.posterior(params, x), made.decode(params, z), *of_label

    posterior, decoded, posterior_of_label, decoded_of_label = split(z)
    both, one = (np.concatenate(pair, axis=-1) for pair in (posterior, posterior_of_label))
    for y in range(10):
        expected = plain(z[:, y], y)
        np.testing.assert_allclose(both[:, y], expected[0], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(decoded[:, y], expected[1], rtol=1e-4, atol=1e-5)
        if y in label:
            rows = label == y
            np.testing.assert_allclose(one[rows], expected[0][rows], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(decoded_of_label[y][rows], expected[1][rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(made.filters(params), params['encoder']['layer_0']['kernel'][:64])


def test_one_code_for_all_classes():
    made = model()
    params, z = jax.jit(made.init)(jax.random.key(0)), jax.random.normal(jax.random.key(1), (6, 5))
    tiled = jnp.broadcast_to(z[:, None], (6, 10, 5))
    decode = jax.jit(made.decode)
    np.testing.assert_allclose(decode(params, z), decode(params, tiled), rtol=1e-5, atol=1e-6)


def test_data_without_classes_and_convolutions_are_refused():
    with pytest.raises(UserError, match='needs labels, and rows has none'):
        conditional.from_config(default_config((), 2), DataSpec('rows', (8, 8, 1)), 64)
    with pytest.raises(UserError, match='is a perceptron'):
        model(encoder='conv')
