"""Discriminators: spectral norms against the singular values, dropout in training only, and what cannot be."""

import jax
import numpy as np
import pytest
from ml_collections import ConfigDict

from aejax.models import discriminator
from aejax.models.discriminator import Critic, Discriminator
from aejax.types import UserError
from tests.support import at_once, digits, scaled

X = scaled('train')[:6]


def made(**changes) -> Critic:
    return discriminator.from_config(ConfigDict({**discriminator.default_config((12, 5)), **changes}), digits().spec)


def test_spectral_norms_make_the_slope_at_most_one():
    """The product of kernels, each divided by its largest singular value, stretches nothing; without them it does."""
    critic = made(spectral_norm=True, activation='relu', hidden=(12,))
    params, mutables = at_once(critic.init, jax.random.key(0), X)
    params = jax.tree.map(lambda leaf: 7 * leaf, params)
    step = jax.jit(lambda mutables: critic.next_mutables(params, mutables, X))
    for _ in range(60):
        mutables = step(mutables)
    kernels = {name: params['discriminator'][name]['kernel'].astype(np.float64) for name in ('layer_0', 'out')}
    h = np.maximum(X.reshape(6, -1) @ (kernels['layer_0'] / np.linalg.svd(kernels['layer_0'])[1][0]), 0)
    expected = h @ (kernels['out'] / np.linalg.svd(kernels['out'])[1][0])
    found, hidden = at_once(critic.outputs, params, mutables, X)
    np.testing.assert_allclose(found, expected[:, 0], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(hidden[0], h, rtol=1e-3, atol=1e-5)


def test_dropout_needs_a_key_and_changes_nothing_without_one():
    critic, plain = made(dropout=0.5), Critic(Discriminator((12, 5)))
    params, mutables = at_once(critic.init, jax.random.key(0), X)
    still = at_once(critic.logits, params, mutables, X)
    one, other = (at_once(critic.logits, params, mutables, X, jax.random.key(seed)) for seed in (1, 2))
    assert mutables == critic.next_mutables(params, mutables, X) == {}
    assert not np.allclose(one, other)
    np.testing.assert_array_equal(at_once(plain.logits, params, mutables, X, jax.random.key(1)), still)


def test_convolutions_halve_each_side_and_show_their_layers():
    critic = made(kind='conv')
    params, mutables = at_once(critic.init, jax.random.key(0), X)
    logits, hidden = at_once(critic.outputs, params, mutables, X)
    assert logits.shape == (6,)
    assert [layer.shape for layer in hidden] == [(6, 4, 4, 12), (6, 2, 2, 5)]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kind': 'tree'}, "discriminator.kind is 'tree'"),
        ({'dropout': 1.0}, 'discriminator.dropout=1.0 must be'),
        ({'hidden': (0,)}, 'widths must be whole numbers'),
        ({'activation': 'none'}, "no activation 'none'"),
    ],
)
def test_discriminators_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        made(**changes)


def test_convolutions_over_codes_are_refused():
    with pytest.raises(UserError, match=r"set discriminator\.kind='mlp'"):
        discriminator.from_config(discriminator.default_config(kind='conv'))
