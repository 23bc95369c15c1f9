"""Networks against XLA's convolutions, matrix products by hand, and the shapes of odd images."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.models import autoencoder, gaussian
from aejax.models.activations import ACTIVATIONS, activation
from aejax.models.conv import ConvDecoder, ConvEncoder, depth_to_space, patches
from aejax.models.mlp import MLP, TiedDecoder, dense_layers
from aejax.types import DataSpec, UserError
from tests.support import at_once

SHAPES = [(8, 8, 1), (28, 28, 1), (7, 5, 3), (1, 1, 1), (9, 2, 2)]


def normal(seed, shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def images(shape, num=2):
    return normal(sum(shape), (num, *shape))


@pytest.mark.parametrize(('shape', 'size', 'stride'), list(itertools.product([(8, 8, 1), (7, 5, 3)], (2, 3), (1, 2))))
def test_patches_and_a_product_are_a_convolution(shape, size, stride):
    x, channels = images(shape), shape[-1]
    kernel = normal(1, (size, size, channels, 4))
    numbers = {'dimension_numbers': ('NHWC', 'HWIO', 'NHWC')}
    # XLA orders the values of a patch channel first.
    found, expected, theirs = at_once(
        lambda x: (
            patches(x, size, stride),
            jax.lax.conv_general_dilated(x, kernel, (stride, stride), 'SAME', **numbers),
            jax.lax.conv_general_dilated_patches(x, (size, size), (stride, stride), 'SAME', **numbers),
        ),
        x,
    )
    np.testing.assert_allclose(found @ kernel.reshape(-1, 4), expected, atol=1e-4)
    ours = found.reshape(*found.shape[:3], size * size, channels).swapaxes(-1, -2).reshape(theirs.shape)
    np.testing.assert_array_equal(ours, theirs)


def test_depth_to_space_by_hand():
    x = np.arange(2 * 3 * 2 * 8).reshape(2, 3, 2, 8)
    found = at_once(lambda x: depth_to_space(x, 2), x)
    assert found.shape == (2, 6, 4, 2)
    for b, i, j, c in np.ndindex(*found.shape):
        assert found[b, i, j, c] == x[b, i // 2, j // 2, (i % 2) * 4 + (j % 2) * 2 + c]


@pytest.mark.parametrize('shape', SHAPES)
def test_convolutional_shapes(shape):
    x = images(shape)
    encoder, decoder = ConvEncoder((4, 6), 5), ConvDecoder((4, 6), shape)
    z, params = jax.eval_shape(encoder.init_with_output, jax.random.key(0), x)
    assert z.shape == (2, 5)
    assert params['params']['conv_1']['kernel'].shape == (9 * 4, 6)
    assert jax.eval_shape(decoder.init_with_output, jax.random.key(0), z)[0].shape == (2, *shape)


def test_a_convolutional_encoder_is_lax_convolutions():
    x, encoder = images((7, 5, 3)), ConvEncoder((4,), 5, activation='tanh')
    params = at_once(encoder.init, jax.random.key(0), x)['params']
    params = jax.tree.map(lambda leaf: leaf + 0.1, params)
    numbers = {'dimension_numbers': ('NHWC', 'HWIO', 'NHWC')}

    def look(params, x):
        kernel = params['conv_0']['kernel'].reshape(3, 3, 3, 4)
        return encoder.apply({'params': params}, x), jax.lax.conv_general_dilated(x, kernel, (2, 2), 'SAME', **numbers)

    found, h = at_once(look, params, x)
    h = np.tanh(h + params['conv_0']['bias']).reshape(2, -1)
    np.testing.assert_allclose(found, h @ params['dense']['kernel'] + params['dense']['bias'], atol=1e-5)


def test_a_convolutional_decoder_reaches_every_pixel_and_ends_linear():
    decoder = ConvDecoder((4, 6), (7, 5, 3))
    z = images((4,))
    out, params = at_once(decoder.init_with_output, jax.random.key(0), z)
    assert np.all(np.any(out != 0, axis=0))
    assert np.min(out) < 0 < np.max(out)
    gradients = at_once(jax.grad(lambda params: jnp.sum(decoder.apply(params, z) ** 2)), params)
    assert all(np.any(leaf != 0) for leaf in jax.tree.leaves(gradients))


@pytest.mark.parametrize('shape', [(7, 5, 3), (6,)])
def test_a_perceptron_by_hand(shape):
    x, network = images(shape), MLP((5, 3), 'tanh', 'sigmoid')
    out, params = at_once(network.init_with_output, jax.random.key(0), x)
    (w0, b0), (w1, b1) = dense_layers(params['params'])
    assert (w0.shape, w1.shape) == ((np.prod(shape), 5), (5, 3))
    h = np.tanh(x.reshape(2, -1) @ w0 + b0)
    np.testing.assert_allclose(out, 1 / (1 + np.exp(-(h @ w1 + b1))), atol=1e-5)
    assert not np.any(b0)


def test_layers_come_in_order_beyond_ten():
    params = jax.eval_shape(MLP(tuple(range(1, 13))).init, jax.random.key(0), np.ones((1, 2)))['params']
    assert [kernel.shape[1] for kernel, _ in dense_layers(params)] == list(range(1, 13))


def test_a_tied_decoder_by_hand():
    kernels = [normal(i, shape) for i, shape in enumerate([(6, 4), (4, 2)])]
    z = normal(3, (5, 2))
    decoder = TiedDecoder((4, 6), 'tanh')
    params = jax.eval_shape(decoder.init, jax.random.key(0), z, kernels)
    assert set(params['params']) == {'bias_0', 'bias_1'}
    params = {'params': {'bias_0': np.arange(4.0), 'bias_1': np.arange(6.0)}}
    expected = np.tanh(z @ kernels[1].T + np.arange(4.0)) @ kernels[0].T + np.arange(6.0)
    np.testing.assert_allclose(at_once(decoder.apply, params, z, kernels), expected, atol=1e-5)


def spec(shape=(8, 8, 1), preprocessing='scale'):
    return DataSpec('made', shape, preprocessing, num_examples=100)


def config(**changes):
    made = autoencoder.default_config(hidden=(5,), latents=3)
    made.update(changes)
    return made


def test_tied_weights_get_gradients_from_both_sides():
    model = autoencoder.from_config(config(tied=True, activation='tanh', output='identity'), spec())
    x = images((8, 8, 1))
    params = jax.jit(model.init)(jax.random.key(0), x)
    assert set(params['decoder']) == {'bias_0', 'bias_1'}

    def loss(encoder_side, decoder_side):
        z = model.encode({**params, 'encoder': encoder_side}, x)
        return jnp.sum(jnp.square(model.decode({**params, 'encoder': decoder_side}, z) - x))

    @jax.jit
    def gradients(encoder):
        return *jax.grad(loss, argnums=(0, 1))(encoder, encoder), jax.grad(lambda shared: loss(shared, shared))(encoder)

    from_encoder, from_decoder, both = gradients(params['encoder'])
    for name in ('layer_0', 'layer_1'):
        pieces = [np.asarray(side[name]['kernel']) for side in (from_encoder, from_decoder, both)]
        assert all(np.abs(piece).max() > 1e-3 for piece in pieces)
        np.testing.assert_allclose(pieces[0] + pieces[1], pieces[2], rtol=1e-4, atol=1e-4)


def test_kernels_begin_at_a_multiple_of_glorot_s_bound():
    x = images((8, 8, 1))
    plain, wide = (autoencoder.from_config(config(initial_scale=scale), spec()) for scale in (1.0, 4.0))
    params = [at_once(model.init, jax.random.key(0), x) for model in (plain, wide)]
    for kernel, scaled in zip(*map(jax.tree.leaves, params), strict=True):
        np.testing.assert_allclose(scaled, 4 * kernel, rtol=1e-6)
    first = params[1]['encoder']['layer_0']['kernel']
    assert 0.95 < np.abs(first).max() / (4 * np.sqrt(6 / sum(first.shape))) <= 1


@pytest.mark.parametrize(
    'changes', [{'initial_scale': 0.0}, {'initial_scale': float('nan')}, {'initial_scale': 2.0, 'encoder': 'conv'}]
)
def test_an_initial_scale_that_makes_no_sense_is_refused(changes):
    with pytest.raises(UserError, match=r'model\.initial_scale'):
        autoencoder.from_config(config(**changes), spec())


@pytest.mark.parametrize(('kind', 'hidden'), [('mlp', (5,)), ('conv', (5,)), ('conv', ())])
@pytest.mark.parametrize('output', ['sigmoid', 'identity'])
def test_a_decoder_begins_around_a_mean(kind, hidden, output):
    shape, chosen = (8, 8, 3), config(encoder=kind, hidden=hidden)
    decoder, mean = autoencoder.make_decoder(chosen, spec(shape)), np.linspace(0.1, 0.8, 192).reshape(shape)

    def begin(key, z, x):
        params = autoencoder.decoder_around(decoder, decoder.init(key, z)['params'], x, output)
        return activation(output)(autoencoder.apply(decoder, params, z).reshape(shape))

    found = at_once(begin, jax.random.key(0), np.zeros((1, 3)), np.stack([0.5 * mean, 1.5 * mean]))
    expected = np.broadcast_to(mean.mean(axis=(0, 1)), shape) if hidden and kind == 'conv' else mean
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize('shape', SHAPES[:3])
@pytest.mark.parametrize('kind', ['mlp', 'conv', 'tied', 'gaussian'])
def test_an_autoencoder_of_any_shape(kind, shape):
    chosen = config(encoder='conv' if kind == 'conv' else 'mlp', tied=kind == 'tied')
    module = gaussian if kind == 'gaussian' else autoencoder
    model, x = module.from_config(chosen, spec(shape)), images(shape)
    params = jax.eval_shape(model.init, jax.random.key(0), x)
    z = jax.eval_shape(model.encode, params, x)
    assert z.shape == (2, 3)
    assert jax.eval_shape(model.decode, params, z).shape == x.shape


def test_an_output_is_the_activation_of_what_is_linear():
    model, z = autoencoder.from_config(config(), spec()), 30 * images((3,))
    params = jax.jit(model.init)(jax.random.key(0), images((8, 8, 1)))
    linear, out = at_once(lambda z: (model.decode_linear(params, z), model.decode(params, z)), z)
    assert np.min(linear) < 0 < np.max(linear)
    np.testing.assert_allclose(jax.nn.sigmoid(linear), out, atol=1e-6)


def test_a_gaussian_autoencoder_splits_its_last_layer():
    model, x = gaussian.from_config(config(activation='tanh'), spec()), images((8, 8, 1))
    params = jax.jit(model.init)(jax.random.key(0), x)

    @jax.jit
    def look(params):
        return *model.posterior(params, x), model.encode(params, x), model.encoder.apply({'params': params['encoder']}, x)

    mean, log_variance, code, both = look(params)
    assert both.shape == (2, 6)
    np.testing.assert_array_equal(np.concatenate([mean, log_variance], axis=1), both)
    np.testing.assert_array_equal(code, mean)


@pytest.mark.parametrize(
    ('changes', 'data', 'message'),
    [
        ({'encoder': 'transformer'}, spec(), "model.encoder is 'transformer'; choose 'mlp' or 'conv'"),
        ({'encoder': 'conv'}, spec((3,)), 'needs images'),
        ({'encoder': 'conv', 'tied': True}, spec(), "model.tied needs model.encoder='mlp'"),
        ({'output': 'softmax'}, spec(), "choose 'identity' or 'sigmoid'"),
        ({'output': 'sigmoid'}, spec(preprocessing='standardise'), r'outside \[0, 1\]'),
        ({'activation': 'step'}, spec(), "there is no activation 'step'; choose one of identity, relu"),
        ({'latent_activation': 'step'}, spec(), "there is no activation 'step'"),
        ({'latents': 0}, spec(), r'model.latents=\d and model.hidden=.*between 1 and'),
        ({'hidden': (5, 0)}, spec(), r'model.latents=\d and model.hidden=.*between 1 and'),
    ],
)
def test_configs_that_cannot_be(changes, data, message):
    with pytest.raises(UserError, match=message) as caught:
        autoencoder.from_config(config(**changes), data)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', sorted(ACTIVATIONS))
def test_activations_are_elementwise_and_those_of_jax(name):
    ours = activation(name)
    theirs = {'identity': lambda x: x, 'tanh': jnp.tanh}.get(name) or getattr(jax.nn, name)

    def look(x):
        return ours(x), theirs(x), jax.jacfwd(ours)(x), jax.vmap(jax.grad(ours))(x)

    found, expected, jacobian, slopes = at_once(look, np.linspace(-2, 2, 7))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(jacobian, np.diag(slopes), atol=1e-6)
