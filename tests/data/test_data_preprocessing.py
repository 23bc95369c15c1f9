import numpy as np
import pytest
from scipy import fft, linalg
from sklearn import preprocessing as oracle

from aejax import data
from aejax.data import preprocessing


def test_standardise_uses_the_training_split_alone():
    scaled, standardised = data.load('digits'), data.load('digits', preprocessing='standardise')
    flat = {name: split['x'].reshape(-1, 64) for name, split in scaled.splits.items()}
    scaler = oracle.StandardScaler().fit(flat['train'])
    varies = scaler.var_ > 0
    assert not varies.all()
    for name, x in flat.items():
        ours = standardised.split(name)['x'].reshape(-1, 64)
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours[:, varies], scaler.transform(x)[:, varies], atol=1e-4)
        np.testing.assert_array_equal(ours[:, ~varies], 0)
    np.testing.assert_allclose(standardised.statistics['mean'].ravel(), scaler.mean_, atol=1e-4)
    np.testing.assert_allclose(standardised.statistics['scale'].ravel() ** 2, scaler.var_, rtol=1e-4)


def test_centred_images_lose_the_mean_of_the_training_split_and_nothing_else():
    scaled, centred = data.load('digits'), data.load('digits', preprocessing='centre')
    mean = scaled.split('train')['x'].mean(axis=0) / 255
    for name in ('train', 'validation', 'test'):
        x = centred.split(name)['x']
        assert x.dtype == np.float32
        np.testing.assert_allclose(x + mean, scaled.split(name)['x'] / 255, atol=1e-6)
    np.testing.assert_allclose(centred.statistics['mean'], mean, atol=1e-6)


def test_a_feature_that_varies_only_outside_training_stays_zero():
    splits = {name: {'x': np.full((4, 2), value, np.float32)} for name, value in (('train', 1), ('test', 9))}
    stored, _ = preprocessing.standardise(splits)
    np.testing.assert_array_equal(stored['test']['x'], 0)


def test_whiten_makes_training_covariance_the_identity():
    loaded = data.load('swiss_roll', preprocessing='whiten')
    x = loaded.split('train')['x']
    np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(x, rowvar=False), np.eye(3), atol=3e-3)
    raw = data.load('swiss_roll', preprocessing='raw').split('test')['x']
    expected = (raw - loaded.statistics['mean']) @ loaded.statistics['matrix']
    np.testing.assert_allclose(loaded.split('test')['x'], expected, atol=1e-4)


def random_patches(num=500, size=6):
    """Patches of correlated values in which columns vary more than rows."""
    noise = np.random.RandomState(0).normal(size=(num, size, size, 1))
    patches = (2 * noise + np.roll(noise, 1, axis=1) + np.roll(noise, 1, axis=0)).astype(np.float32)
    return {'train': {'x': patches[50:]}, 'test': {'x': patches[:50]}}


def test_low_pass_scales_cosine_waves_by_their_frequency():
    x = np.random.RandomState(0).normal(size=(3, 7, 7))
    passed = (x.reshape(3, 49) @ preprocessing.low_pass(7, 0.3)).reshape(x.shape)
    frequency = np.hypot(np.arange(7)[:, None], np.arange(7)) / 14  # wave k of the cosine transform has k half cycles in 7 pixels
    expected = fft.dctn(x, axes=(1, 2)) * np.exp(-((frequency / 0.3) ** 4))
    np.testing.assert_allclose(fft.dctn(passed, axes=(1, 2)), expected, atol=1e-10)


def test_whiten_low_pass_is_the_inverse_root_of_the_covariance_then_the_low_pass():
    splits = random_patches()
    stored, statistics = preprocessing.whiten_low_pass(splits, cutoff=0.35, variance=0.1)
    flat = {name: split['x'].reshape(-1, 36).astype(float) for name, split in splits.items()}
    covariance = np.cov(flat['train'], rowvar=False)
    ridge = 0.01 * np.trace(covariance) / 36 * np.eye(36)
    matrix = linalg.inv(linalg.sqrtm(covariance + ridge)) @ preprocessing.low_pass(6, 0.35)
    train, test = ((flat[name] - flat['train'].mean(axis=0)) @ matrix for name in ('train', 'test'))
    factor = np.sqrt(0.1 / train.var(axis=0).mean())
    np.testing.assert_allclose(stored['test']['x'].reshape(-1, 36), factor * test, atol=1e-5)
    np.testing.assert_allclose(statistics['matrix'], factor * matrix, atol=1e-5)
    np.testing.assert_allclose(stored['train']['x'].var(axis=0).mean(), 0.1, rtol=1e-5)


def test_contrast_normalisation_leaves_little_contrast_as_it_is_beside_the_floor():
    splits = random_patches()
    splits['test']['x'] = np.array([[1.0, 3.0], [101.0, 103.0], [0.0, 2e-3], [-2e4, 2e4]], np.float32).reshape(4, 1, 2, 1)
    stored, statistics = preprocessing.normalise_contrast(splits, floor=0.5)
    x = splits['train']['x'] - splits['train']['x'].mean(axis=(1, 2, 3), keepdims=True)
    np.testing.assert_allclose(statistics['scale'], x.std(), rtol=1e-6)
    for patch, ours in zip(x, stored['train']['x'], strict=True):
        np.testing.assert_allclose(ours, patch / np.sqrt(patch.var() + (0.5 * x.std()) ** 2), rtol=1e-4)
    once = 1 / np.sqrt(1 + (0.5 * x.std()) ** 2)
    expected = [once, once, 1e-3 / (0.5 * x.std()), 1]
    np.testing.assert_allclose(stored['test']['x'][:, 0, 1, 0], expected, rtol=1e-4)


def test_static_binarisation_is_one_draw_with_the_grey_value_as_its_mean():
    x = np.repeat(np.array([[0, 51, 128, 254, 255]], np.uint8), 40_000, axis=0)
    draws = preprocessing.binarise(x, np.random.RandomState(0))
    assert set(np.unique(draws)) == {0, 255}
    np.testing.assert_allclose(draws.mean(axis=0), x[0], atol=4 * 127.5 / np.sqrt(len(x)))
    np.testing.assert_array_equal(draws[:, [0, 4]], x[:, [0, 4]])


def test_static_binarisation_follows_the_seed_and_leaves_the_labels():
    first, again, other = (data.load('digits', preprocessing='static_binarisation', seed=seed) for seed in (0, 0, 1))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    grey = data.load('digits')
    for name, split in grey.splits.items():
        np.testing.assert_array_equal(first.split(name)['label'], split['label'])
        certain = (split['x'] == 0) | (split['x'] == 255)
        np.testing.assert_array_equal(first.split(name)['x'][certain], split['x'][certain])
    assert (first.split('test')['x'] != other.split('test')['x']).mean() == pytest.approx(0.2, abs=0.1)


def test_dynamic_binarisation_keeps_the_grey_values_for_the_device():
    assert data.load('digits', preprocessing='dynamic_binarisation').fingerprint == data.load('digits').fingerprint
