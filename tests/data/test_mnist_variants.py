"""The variants against MNIST's own images, each found again by its label and its place."""

import numpy as np
import pytest
from scipy import ndimage

from aejax import data
from aejax.data import mnist_variants, prepared
from aejax.types import UserError

FINGERPRINTS = {
    'mnist_basic': '955d526d82e0885cf84d907a94a1ff8d6a9aefd39de45683815484d6b63488e6',
    'mnist_background': 'e4945d6269973c236d298fe7e4eb1befd495c233df3f40214b4f2dea3f91e5e3',
}
"""As first loaded: a change means that figures of earlier runs were measured on other splits."""


@pytest.fixture(scope='module')
def load(mnist_data_dir):
    return lambda name, **arguments: data.load(name, data_dir=mnist_data_dir, **arguments)


@pytest.fixture(scope='module')
def basic(load):
    return load('mnist_basic')


@pytest.fixture(scope='module')
def background(load):
    return load('mnist_background')


def few(images, num=200):
    """The first digits, one after the other, as they were written."""
    return images.split('train')['x'][:num]


def test_basic_holds_each_image_of_mnist_at_most_once(basic, mnist_data_dir):
    arrays = prepared.prepared_arrays('mnist', mnist_data_dir, None)
    images = np.concatenate([arrays['train_image'], arrays['test_image']])
    label = np.concatenate([arrays['train_label'], arrays['test_label']])
    assert [len(split['x']) for split in basic.splits.values()] == [10_000, 2_000, 50_000]
    indices = mnist_variants.split_indices(70_000)
    assert len(np.unique(np.concatenate(list(indices.values())))) == 62_000
    for name, split in basic.splits.items():
        np.testing.assert_array_equal(split['x'], images[indices[name]])
        np.testing.assert_array_equal(split['label'], label[indices[name]])
        np.testing.assert_allclose(np.mean(indices[name] < 60_000), 6 / 7, atol=0.02)


def test_splits_and_draws_stay_as_they_were(basic, background):
    assert {loaded.spec.name: loaded.fingerprint for loaded in (basic, background)} == FINGERPRINTS


def test_a_background_is_uniform_where_there_is_no_digit(basic, background):
    for name in ('train', 'validation'):
        plain, noisy = basic.split(name)['x'].astype(int), background.split(name)['x'].astype(int)
        np.testing.assert_array_equal(background.split(name)['label'], basic.split(name)['label'])
        assert np.all(noisy >= plain)
        share = np.bincount(noisy[plain == 0], minlength=256) / np.sum(plain == 0)
        np.testing.assert_allclose(share, 1 / 256, atol=6 / 256 / np.sqrt(np.sum(plain == 0) / 256))
        assert np.mean(noisy[plain == 128] == 128) == pytest.approx(129 / 256, abs=0.05)
    first, second = (
        background.split(name)['x'][:2000][basic.split(name)['x'][:2000] == 0][:10_000] for name in ('train', 'test')
    )
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.05


def test_rotation_is_scipys_about_the_centre(basic):
    images = few(basic)
    angles = np.random.RandomState(3).uniform(0, 2 * np.pi, len(images))
    turned = mnist_variants.rotated(np.random.RandomState(3), images)
    for image, found, angle in zip(images[..., 0], turned[..., 0], angles, strict=True):
        expected = ndimage.rotate(image.astype(float), np.rad2deg(angle), reshape=False, order=1)
        np.testing.assert_allclose(found, expected, atol=0.51)
    assert angles.min() < 0.3
    assert angles.max() > 6


class Quarter:
    """Stands in for a random state: every angle is a quarter turn."""

    def uniform(self, low, high, size):
        return np.full(size, np.pi / 2)


def test_a_quarter_turn_moves_pixels_and_changes_none(basic):
    images = few(basic)
    np.testing.assert_array_equal(mnist_variants.rotated(Quarter(), images), np.rot90(images, axes=(1, 2)))


def test_rotated_digits_lie_in_every_direction(load, basic):
    loaded = load('mnist_rotated')
    assert loaded.spec.shape == (28, 28, 1)
    assert loaded.spec.num_classes == 10
    ones = loaded.split('test')['x'][basic.split('test')['label'] == 1][..., 0].astype(float)
    # The mean of digits in every direction has no direction itself: it equals its own quarter turns.
    mean = ones.mean(axis=0)
    np.testing.assert_allclose(mean, np.rot90(mean), atol=0.05 * mean.max())
    for name in ('train', 'test'):
        np.testing.assert_array_equal(loaded.split(name)['label'], basic.split(name)['label'])


def test_the_seed_draws_noise_and_never_moves_an_image(load, basic, background):
    assert load('mnist_basic', seed=1).fingerprint == basic.fingerprint
    other = load('mnist_background', seed=1)
    assert np.mean(other.split('test')['x'][:100] == background.split('test')['x'][:100]) < 0.2
    np.testing.assert_array_equal(other.split('test')['label'], background.split('test')['label'])


def test_variants_are_images_like_others(load):
    with pytest.raises(UserError, match="mnist_basic cannot be preprocessed by 'whiten'"):
        load('mnist_basic', preprocessing='whiten')
    assert set(np.unique(load('mnist_basic', preprocessing='static_binarisation').split('validation')['x'])) == {0, 255}
