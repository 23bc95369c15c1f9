import numpy as np
import pytest

from aejax import data


def surface(name, coordinates):
    """The noiseless manifold at its true coordinates, from each formula as published."""
    t = coordinates[:, 0]
    return {
        'swiss_roll': lambda: (t * np.cos(t), coordinates[:, -1], t * np.sin(t)),
        's_curve': lambda: (np.sin(t), coordinates[:, -1], np.sign(t) * (np.cos(t) - 1)),
        'spiral': lambda: (0.04 * t * np.sin(t), 0.04 * t * np.cos(t)),
        'ring': lambda: (np.cos(t), np.sin(t)),
    }[name]()


@pytest.mark.parametrize(
    ('name', 'noise', 'low', 'high', 'sizes'),
    [
        ('swiss_roll', 0.1, 1.5 * np.pi, 4.5 * np.pi, (4000, 1000, 2000)),
        ('s_curve', 0.02, -1.5 * np.pi, 1.5 * np.pi, (4000, 1000, 2000)),
        ('spiral', 0.01, 3, 15, (300, 300, 10_000)),
        ('ring', 0.05, 0, 2 * np.pi, (4000, 1000, 2000)),
    ],
)
def test_points_lie_on_the_manifold_at_their_coordinates_but_for_the_noise(name, noise, low, high, sizes):
    loaded = data.load(name, preprocessing='raw', seed=3)
    assert tuple(len(split['x']) for split in loaded.splits.values()) == sizes
    split = loaded.split('test')
    t = split['coordinates'][:, 0]
    residual = split['x'] - np.stack(surface(name, split['coordinates']), axis=1)
    assert residual.std(axis=0) == pytest.approx(noise, rel=0.05)
    # Uniform on [low, high]: the mean lies within four standard errors of the middle, and the ends are reached.
    assert t.mean() == pytest.approx((low + high) / 2, abs=4 * (high - low) / np.sqrt(12 * len(t)))
    assert low <= t.min() < low + 0.01 * (high - low)
    assert high - 0.01 * (high - low) < t.max() <= high + 1e-5


@pytest.mark.parametrize('name', ['swiss_roll', 's_curve', 'spiral', 'ring'])
def test_samples_follow_the_seed_and_no_split_repeats_another(name):
    loaded = data.load(name, seed=1)
    assert loaded.fingerprint == data.load(name, seed=1).fingerprint
    assert loaded.fingerprint != data.load(name, seed=2).fingerprint
    x = np.concatenate([split['x'] for split in loaded.splits.values()])
    assert len(np.unique(x, axis=0)) == len(x)


def test_coordinates_stay_the_truth_under_preprocessing():
    raw, standardised = data.load('spiral', preprocessing='raw'), data.load('spiral')
    np.testing.assert_array_equal(raw.split('test')['coordinates'], standardised.split('test')['coordinates'])
