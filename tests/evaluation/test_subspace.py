"""PCA on digits, and what a linear model must reach."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from aejax.evaluation import subspace


def split():
    images = load_digits().images[:, :, :, None] / 16
    return images[:1400], images[1400:]


def test_angles_in_degrees():
    first, second, third = np.eye(3)
    tilted = np.cos(np.pi / 6) * second + np.sin(np.pi / 6) * third
    angles = subspace.principal_angles(np.stack([first, second], 1), np.stack([5 * tilted, first + tilted], 1))
    np.testing.assert_allclose(angles, [30, 0], atol=1e-6)


def test_tiny_angles_survive():
    # In float32, or by the arc cosine of an inner product, an angle of 1e-5 degrees drowns in rounding.
    angle = np.deg2rad(1e-5)
    angles = subspace.principal_angles(np.eye(3)[:, :1], np.asarray([[np.cos(angle)], [np.sin(angle)], [0]]))
    np.testing.assert_allclose(angles, 1e-5, rtol=1e-6)


def test_pca_equals_the_svd():
    train, test = split()
    baseline = subspace.pca_baseline(train.astype(np.float32), 10)
    flat = np.asarray(train, np.float32).astype(np.float64).reshape(len(train), 64)
    rows = np.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:10]
    assert subspace.principal_angles(baseline.components.T, rows.T).max() < 1e-5
    expected = flat.mean(0) + (test.reshape(-1, 64) - flat.mean(0)) @ rows.T @ rows
    assert baseline.reconstruct(test).shape == test.shape
    np.testing.assert_allclose(baseline.reconstruct(test).reshape(-1, 64), expected, atol=1e-9)


def test_any_basis_of_the_subspace_is_as_good_and_any_other_subspace_is_worse():
    train, test = split()
    baseline = subspace.pca_baseline(train, 10)
    mixing = np.random.default_rng(0).normal(size=(10, 10))
    decoder = mixing @ baseline.components
    assert subspace.principal_angles(decoder.T, baseline.components.T).max() < 1e-5
    codes = (test.reshape(-1, 64) - baseline.mean) @ np.linalg.pinv(decoder)
    reconstruction = (codes @ decoder + baseline.mean).reshape(test.shape)
    assert subspace.error_ratio(test, reconstruction, baseline) == pytest.approx(1)
    smaller = subspace.pca_baseline(train, 9)
    assert subspace.error_ratio(train, smaller.reconstruct(train), baseline) > 1.05


def test_shapes_must_agree():
    baseline = subspace.pca_baseline(split()[0], 2)
    with pytest.raises(ValueError, match='differ in shape'):
        subspace.error_ratio(np.ones((3, 8, 8)), np.ones((3, 64)), baseline)
    with pytest.raises(ValueError, match='n_components'):
        subspace.pca_baseline(np.ones((3, 5)), 6)
