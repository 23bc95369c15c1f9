"""Weight decay reaches kernels only."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from aejax.losses.regularisation import weight_decay


class _Network(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.Conv(3, (3, 3), name='conv', bias_init=nn.initializers.ones)(x)
        x = nn.LayerNorm(name='norm')(x)
        return nn.Dense(2, name='dense', bias_init=nn.initializers.ones)(x)


def test_kernels_of_a_linen_network():
    params = {'encoder': _Network().init(jax.random.key(0), jnp.ones((1, 8, 8, 1)))['params']}
    kernels = [params['encoder'][name]['kernel'] for name in ('conv', 'dense')]
    np.testing.assert_allclose(weight_decay(params), sum(np.sum(np.square(kernel)) for kernel in kernels) / 2, rtol=1e-6)
    gradient = jax.grad(weight_decay)(params)['encoder']
    np.testing.assert_allclose(gradient['dense']['kernel'], params['encoder']['dense']['kernel'], rtol=1e-6)
    np.testing.assert_array_equal(gradient['dense']['bias'], 0)
    np.testing.assert_array_equal(gradient['norm']['scale'], 0)


def test_without_kernels_it_is_zero():
    assert weight_decay({'decoder': {'bias': jnp.ones(3)}}) == 0
    assert weight_decay({}) == 0
