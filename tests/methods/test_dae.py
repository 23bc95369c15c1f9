"""Denoising autoencoders: noise is removed, better than by PCA; the loss is the one of the paper."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.decomposition import PCA

from aejax import methods
from aejax.types import Context, DataSpec, UserError
from experiments.configs import ae, dae
from tests.support import at_once, digits, scaled, train


def built(**changes):
    config = dae.get_config('')
    config.model.latents = 20
    config.update_from_flattened_dict(changes)
    method, x = methods.build(config, digits().spec), jnp.asarray(scaled('train')[:7])
    return method, jax.jit(lambda key: method.init(key, {'x': x})[0])(jax.random.key(0)), x


def context(method, **hparams) -> Context:
    return Context(key=jax.random.key(1), step=jnp.zeros((), jnp.int32), hparams={**method.hparams, **hparams})


def flat(x) -> np.ndarray:
    return np.asarray(x).reshape(len(x), -1)


def pca_denoising_error(clean, x, noisy) -> float:
    """The least over numbers of components of norm(x - the projection of x~)^2, components of clean training data."""
    model = PCA().fit(flat(clean))
    codes, errors = model.transform(flat(noisy)), []
    for num in range(1, 65):
        found = codes[:, :num] @ model.components_[:num] + model.mean_[None]
        errors.append(np.square(flat(x) - found).sum(axis=1).mean())
    return min(errors)


@pytest.mark.parametrize(('kind', 'level'), [('masking', 0.25), ('gaussian', 0.3)])
def test_noise_is_removed_from_new_digits_and_better_than_by_pca(kind, level):
    config = dae.get_config('')
    config.corruption.kind, config.corruption.level, config.epochs = kind, level, 50
    method, state = train(config)
    x = jnp.asarray(scaled('test'))

    def look(params, key):
        noisy = method.corrupt(params, state.mutables, key, x)
        return noisy, method.denoise(params, state.mutables, noisy)

    noisy, denoised = at_once(look, state.params, jax.random.key(3))
    error, doing_nothing = (np.square(flat(x) - flat(found)).sum(axis=1).mean() for found in (denoised, noisy))
    assert error < 0.55 * doing_nothing
    assert error < 0.8 * pca_denoising_error(scaled('train'), x, noisy)


@pytest.mark.parametrize('loss', ['cross_entropy', 'squared_error'])
@pytest.mark.parametrize('num_corruptions', [1, 3])
def test_the_loss_by_hand(loss, num_corruptions):
    changes = {'loss': loss, 'num_corruptions': num_corruptions, 'emphasis.corrupted': 1.0, 'emphasis.uncorrupted': 0.3}
    method, params, x = built(**changes)

    def look(params, key):
        drawn = [method.corruption(one, x, 0.25) for one in ([key] if num_corruptions == 1 else jax.random.split(key, 3))]
        back = [(method.reconstruct(params, {}, noisy), corrupted) for noisy, corrupted in drawn]
        return method.loss(params, {}, {'x': x}, context(method)), back

    out, back = at_once(look, params, jax.random.key(1))
    assert len(back) == num_corruptions
    copies, plain, clean = [], [], np.asarray(x)
    for mean, corrupted in back:
        mean = mean.astype(np.float64)
        entropies = -clean * np.log(mean) - (1 - clean) * np.log1p(-mean)
        losses = entropies if loss == 'cross_entropy' else np.square(clean - mean)
        copies.append((losses * np.where(corrupted, 1.0, 0.3)).sum(axis=(1, 2, 3)))
        plain.append(losses.sum(axis=(1, 2, 3)))
    np.testing.assert_allclose(out.loss, np.mean(copies), rtol=1e-5)
    np.testing.assert_allclose(out.metrics[f'denoising_{loss}'], np.mean(plain, axis=0), rtol=1e-5)


def test_without_noise_it_is_an_autoencoder():
    method, params, x = built(**{'corruption.level': 0.0})
    plain = ae.get_config('')
    plain.loss, plain.model = 'cross_entropy', dae.get_config('').model
    plain.model.latents = 20
    both = methods.build(plain, digits().spec), method
    expected, found = at_once(lambda params: [one.loss(params, {}, {'x': x}, context(method)).loss for one in both], params)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_what_evaluation_gives_and_that_the_level_is_a_hyperparameter():
    method, params, x = built()
    assert method.hparams == {'corruption_level': 0.25}

    def look(params, level):
        found = method.evaluate(params, {}, {'x': x}, context(method, corruption_level=level))
        noisy, corrupted = method.corruption(jax.random.key(1), x, level)
        back = {'squared_error': x, 'denoising_squared_error': noisy}
        return found, noisy, corrupted, {name: method.reconstruct(params, {}, output) for name, output in back.items()}

    look, clean = jax.jit(look), np.asarray(x)
    for level in (0.25, 0.5):
        found, noisy, corrupted, back = jax.device_get(look(params, level))
        assert np.all(corrupted.sum(axis=(1, 2, 3)) == 64 * level)
        for name, output in back.items():
            np.testing.assert_allclose(found[name], np.square(clean - output).sum(axis=(1, 2, 3)), rtol=1e-5)
        np.testing.assert_allclose(found['corrupted_squared_error'], np.square(clean - noisy).sum(axis=(1, 2, 3)), rtol=1e-5)
        assert method.selection[0] in found


@pytest.mark.parametrize('variant', ['mnist', 'gaussian', 'patches'])
def test_variants_can_be_built(variant):
    config = dae.get_config(variant)
    shape = (12, 12, 1) if variant == 'patches' else (28, 28, 1)
    assert methods.build(config, DataSpec(config.data.name, shape, config.data.preprocessing, 0, 1000)).num_corruptions == 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'corruption.kind': 'dropout'}, "corruption.kind is 'dropout'"),
        ({'num_corruptions': 0}, 'num_corruptions=0 must be at least 1'),
        ({'emphasis.corrupted': -1.0}, 'emphasis.corrupted=-1.0 must be at least 0'),
        ({'emphasis.corrupted': 0.0, 'emphasis.uncorrupted': 0.0}, 'leave no input that counts under masking corruption'),
        ({'emphasis.corrupted': 0.0, 'corruption.kind': 'gaussian'}, 'leave no input that counts under gaussian corruption'),
        (
            {'emphasis.uncorrupted': 0.0, 'corruption.level': 0.0},
            'leave no input that counts under masking corruption of level 0',
        ),
    ],
)
def test_configs_that_cannot_be(changes, message):
    with pytest.raises(UserError, match=message):
        built(**changes)


@pytest.mark.parametrize(('loss', 'variant'), [('cross_entropy', ''), ('squared_error', ''), ('squared_error', 'patches')])
def test_the_error_that_is_minimised_chooses_the_checkpoint(loss, variant):
    config = dae.get_config(variant)
    config.loss = loss
    spec = DataSpec('patches', (8, 8, 1), 'standardise', 0, 1000) if variant else digits().spec
    method = methods.build(config, spec)
    assert method.selection == (f'denoising_{loss}', 'min')
    x = jnp.asarray(scaled('train')[:7])

    def look(key):
        params, _ = method.init(key, {'x': x})
        return method.loss(params, {}, {'x': x}, context(method))

    out = at_once(look, jax.random.key(0))
    np.testing.assert_allclose(out.loss, out.metrics[method.selection[0]].mean(), rtol=1e-6)


@pytest.mark.parametrize('num_corruptions', [1, 3])
def test_without_noise_a_step_draws_nothing(num_corruptions):
    for level in (0.25, 0.0):
        method, params, x = built(**{'corruption.level': level, 'num_corruptions': num_corruptions})
        assert method.hparams == ({'corruption_level': level} if level else {})
        traced = jax.make_jaxpr(lambda *inputs, method=method: method.loss(*inputs, context(method)).loss)(params, {}, {'x': x})
        assert ('random_bits' in str(traced)) == (level > 0)
    found = at_once(lambda params: method.evaluate(params, {}, {'x': x}, context(method)), params)
    np.testing.assert_array_equal(found['corrupted_squared_error'], 0)
    np.testing.assert_array_equal(found['denoising_cross_entropy'], found['cross_entropy'])
    np.testing.assert_array_equal(method.corrupt(params, {}, jax.random.key(0), x), x)


def test_an_emphasis_on_what_a_level_rounds_away_is_refused():
    with pytest.raises(UserError, match=r'corruption\.level=0\.005 of 64 inputs rounds to none'):
        built(**{'emphasis.uncorrupted': 0.0, 'corruption.level': 0.005})
    with pytest.raises(UserError, match=r'leave no input that counts under masking corruption of level 0\.995'):
        built(**{'emphasis.corrupted': 0.0, 'corruption.level': 0.995})
