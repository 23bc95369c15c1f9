import types

import numpy as np
import pytest
from scipy import fft
from sklearn import datasets

from aejax import data
from aejax.types import UserError

SCALE_FINGERPRINT = '77b124977fb6d3208e626b5572fb22b315e48a7972cb0ad6e93a60480f9991ab'
"""As first loaded, scikit-learn 1.9.1: a change means that figures of earlier runs were measured on other splits."""


def test_digits_are_scikit_learns_each_exactly_once():
    loaded = data.load('digits')
    assert [len(loaded.split(name)['x']) for name in ('train', 'validation', 'test')] == [1297, 200, 300]
    x = np.concatenate([split['x'] for split in loaded.splits.values()])
    label = np.concatenate([split['label'] for split in loaded.splits.values()])
    rows = np.column_stack([np.round(x.reshape(len(x), -1) * (16 / 255)), label])
    bunch = datasets.load_digits()
    truth = np.column_stack([bunch.data, bunch.target])
    np.testing.assert_array_equal(rows[np.lexsort(rows.T)], truth[np.lexsort(truth.T)])


def test_digits_splits_are_stratified_and_the_same_for_every_seed():
    loaded = data.load('digits')
    assert loaded.fingerprint == data.load('digits', seed=7).fingerprint == SCALE_FINGERPRINT
    for split in loaded.splits.values():
        counts = np.bincount(split['label'], minlength=10)
        assert counts.max() - counts.min() <= 0.01 * len(split['label']) + 1


@pytest.mark.parametrize(
    ('values', 'bounds', 'step'),
    [
        (np.repeat([3, 100, 200], [448, 96, 96]), [(3, 3), (100, 100), (200, 200)], 0),
        (np.arange(640) % 256, [(0, 255), (0, 255), (32, 127)], 1),
    ],
)
def test_patches_of_different_splits_share_no_pixel(monkeypatch, values, bounds, step):
    image = np.broadcast_to(values[None, :, None], (427, 640, 3))
    monkeypatch.setattr(datasets, 'load_sample_images', lambda: types.SimpleNamespace(images=[image, image]))
    loaded = data.load('patches', preprocessing='scale', patch_size=9)
    assert [(split['x'].min(), split['x'].max()) for split in loaded.splits.values()] == bounds
    np.testing.assert_array_equal(np.diff(loaded.split('train')['x'][..., 0], axis=2), step)  # uint8: 255 + 1 is 0


def test_patches_follow_the_seed_and_the_size():
    loaded = data.load('patches', preprocessing='scale', patch_size=5, seed=1)
    assert loaded.spec.shape == (5, 5, 1)
    assert loaded.fingerprint == data.load('patches', preprocessing='scale', patch_size=5, seed=1).fingerprint
    assert loaded.fingerprint != data.load('patches', preprocessing='scale', patch_size=5, seed=2).fingerprint


def test_scaled_patches_are_images_like_all_others():
    loaded = data.load('patches', preprocessing='scale')
    assert loaded.spec.is_unit_interval
    assert loaded.split('train')['x'].dtype == np.uint8
    assert len(np.unique(loaded.split('train')['x'])) > 200


def test_standardised_patches_have_no_mean_of_their_own_and_unit_spread_in_training():
    loaded = data.load('patches')
    for split in loaded.splits.values():
        np.testing.assert_allclose(split['x'].mean(axis=(1, 2, 3)), 0, atol=1e-5)
    assert loaded.split('train')['x'].std() == pytest.approx(1, abs=1e-5)
    grey = data.load('patches', preprocessing='scale').split('test')['x'] / 255
    centred = grey - grey.mean(axis=(1, 2, 3), keepdims=True)
    rounding = 1 / 255 / loaded.statistics['scale']
    np.testing.assert_allclose(loaded.split('test')['x'], centred / loaded.statistics['scale'], atol=rounding)


def test_whitened_patches_are_nearly_uncorrelated():
    def correlation_of_neighbours(preprocessing):
        x = data.load('patches', preprocessing=preprocessing).split('train')['x']
        return np.corrcoef(x[:, 6, 5, 0], x[:, 6, 6, 0])[0, 1]

    assert correlation_of_neighbours('standardise') > 0.4
    assert abs(correlation_of_neighbours('whiten')) < 0.02


def test_patches_whitened_and_low_passed_are_flat_up_to_the_cutoff():
    loaded, standardised = (data.load('patches', preprocessing=name) for name in ('whiten_low_pass', 'standardise'))
    centred = standardised.split('test')['x'] * standardised.statistics['scale']
    contrast = np.sqrt(centred.var(axis=(1, 2, 3), keepdims=True) + (0.3 * loaded.statistics['contrast']) ** 2)
    expected = ((centred / contrast).reshape(-1, 144) - loaded.statistics['mean']) @ loaded.statistics['matrix']
    np.testing.assert_allclose(loaded.split('test')['x'].reshape(-1, 144), expected, atol=1e-3)
    x = loaded.split('train')['x'][..., 0]
    assert x.var() == pytest.approx(0.1, rel=1e-3)
    power = np.square(fft.dctn(x, axes=(1, 2), norm='ortho')).mean(axis=0)
    frequency = np.hypot(np.arange(12)[:, None], np.arange(12)) / 24
    flat = power[(frequency > 0) & (frequency < 0.15)]
    assert flat.max() < 1.5 * flat.min()
    assert power[frequency > 0.4].max() < 0.02 * flat.mean()


@pytest.mark.parametrize('preprocessing', ['standardise', 'whiten', 'whiten_low_pass'])
def test_one_pixel_is_no_patch_without_its_mean(preprocessing):
    with pytest.raises(UserError, match=f'without their mean: {preprocessing!r} needs a larger patch_size'):
        data.load('patches', preprocessing=preprocessing, patch_size=1)
    assert data.load('patches', preprocessing='scale', patch_size=1).spec.shape == (1, 1, 1)
