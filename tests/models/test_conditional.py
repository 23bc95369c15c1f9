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
    params = made.init(jax.random.key(0))
    params = jax.tree.map(lambda leaf: leaf + 0.1 * jax.random.normal(jax.random.key(1), leaf.shape), params)
    z = jax.random.normal(jax.random.key(2), (6, 10, 5))

    def joined(v, label):
        return jnp.concatenate([v.reshape(6, -1), np.eye(10, dtype=np.float32)[label]], axis=1)

    plain = {
        y: (apply(made.encoder, params['encoder'], joined(x, np.full(6, y))),
            apply(made.decoder, params['decoder'], joined(z[:, y], np.full(6, y))))
        for y in range(10)
    }  # fmt: skip
    for y, (encoded, decoded) in plain.items():
        np.testing.assert_allclose(jnp.concatenate(made.posterior(params, x), axis=-1)[:, y], encoded, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(made.decode(params, z)[:, y], decoded, rtol=1e-4, atol=1e-5)
        rows = label == y
        one = jnp.concatenate(made.posterior(params, x, label), axis=-1)
        np.testing.assert_allclose(one[rows], encoded[rows], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(made.decode(params, z[:, y], label)[rows], decoded[rows], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(made.filters(params), params['encoder']['layer_0']['kernel'][:64])


def test_one_code_for_all_classes():
    made = model()
    params, z = made.init(jax.random.key(0)), jax.random.normal(jax.random.key(1), (6, 5))
    tiled = jnp.broadcast_to(z[:, None], (6, 10, 5))
    np.testing.assert_allclose(made.decode(params, z), made.decode(params, tiled), rtol=1e-5, atol=1e-6)


def test_data_without_classes_and_convolutions_are_refused():
    with pytest.raises(UserError, match='needs labels, and rows has none'):
        conditional.from_config(default_config((), 2), DataSpec('rows', (8, 8, 1)), 64)
    with pytest.raises(UserError, match='is a perceptron'):
        model(encoder='conv')
