import numpy as np
import pytest
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
