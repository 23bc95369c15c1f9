"""Gabor fits: of Gabor functions with noise, of blobs and edges, of noise alone, and of what PCA finds in photographs."""

import numpy as np
import pytest

from aejax import data
from aejax.evaluation import subspace
from aejax.evaluation.gabor import gabor_fit, phase_randomised

SIDE = 12
ROWS, COLUMNS = np.indices((SIDE, SIDE), float)


def random():
    return np.random.default_rng(0)


def coordinates(row, column, direction):
    right, down = COLUMNS - column, ROWS - row
    return right * np.cos(direction) + down * np.sin(direction), down * np.cos(direction) - right * np.sin(direction)


def gabor(row, column, direction, frequency, along, across, phase):
    u, v = coordinates(row, column, direction)
    return np.exp(-0.5 * (u / along) ** 2 - 0.5 * (v / across) ** 2) * np.cos(2 * np.pi * frequency * u + phase)


def some_gabors(num=10):
    """(parameters [num, 7], filters): one to two cycles within two sigma, on an offset that is no part of the wave."""
    draw = random()
    along, across = draw.uniform(1.5, 2.5, (2, num))
    frequency = draw.uniform(1, 2, num) / (4 * along)
    centres, direction, phase = draw.uniform(4, 7, (2, num)), draw.uniform(0, np.pi, num), draw.uniform(-np.pi, np.pi, num)
    parameters = np.stack([*centres, direction, frequency, along, across, phase], axis=1)
    return parameters, np.stack([gabor(*row) for row in parameters]) + 0.3


def angle_between(one, other, period):
    return np.abs((one - other + period / 2) % period - period / 2)


def test_gabor_functions_are_found_again():
    parameters, filters = some_gabors()
    found = gabor_fit(filters)
    np.testing.assert_allclose(found.r_squared, 1, atol=1e-4)
    np.testing.assert_allclose(found.frequency, parameters[:, 3], rtol=0.02)
    np.testing.assert_allclose(found.centre, parameters[:, :2], atol=0.05)
    np.testing.assert_allclose(found.sigma, parameters[:, 4:6], rtol=0.02)
    np.testing.assert_allclose(found.amplitude, 1, rtol=0.02)
    np.testing.assert_allclose(found.offset, 0.3, atol=0.01)
    np.testing.assert_allclose(found.fitted, filters, atol=0.01)
    assert np.max(angle_between(found.direction, parameters[:, 2], np.pi)) < 0.02
    assert np.all((found.direction >= 0) & (found.direction < np.pi))
    assert np.all(found.is_oriented())


def test_the_numbers_describe_the_fitted_function():
    beyond = gabor(5, 6, np.pi - 0.05, 0.2, 2.0, 2.5, 1.0)  # nearest to the dictionary's direction 0, from below
    found = gabor_fit(np.stack([beyond, *some_gabors(4)[1]]))
    for i, fitted in enumerate(found.fitted):
        again = gabor(*found.centre[i], found.direction[i], found.frequency[i], *found.sigma[i], found.phase[i])
        np.testing.assert_allclose(found.amplitude[i] * again + found.offset[i], fitted, atol=1e-8)


def test_noise_costs_its_share_of_r_squared_and_little_else():
    parameters, filters = some_gabors()
    spread = filters.std(axis=(1, 2), keepdims=True)
    found = gabor_fit(filters + 0.3 * spread * random().normal(size=filters.shape))
    np.testing.assert_allclose(found.r_squared, 1 / (1 + 0.3**2), atol=0.03)
    np.testing.assert_allclose(found.frequency, parameters[:, 3], atol=0.04)
    assert np.max(angle_between(found.direction, parameters[:, 2], np.pi)) < 0.15
    assert np.all(found.is_oriented())


def test_white_noise_stays_low():
    found = gabor_fit(random().normal(size=(15, SIDE, SIDE)))
    assert 0.08 < found.r_squared.mean() < 0.18
    assert found.r_squared.max() < 0.3


def test_the_best_fit_is_invariant_to_scale_and_offset():
    filters = random().normal(size=(3, SIDE, SIDE))
    np.testing.assert_allclose(gabor_fit(5 - 1000 * filters).r_squared, gabor_fit(filters).r_squared, rtol=1e-4)


def blob(row, column, sigma):
    return gabor(row, column, 0.0, 0.0, sigma, sigma, 0.0)


def edge(row, column, direction, sigma):
    u, v = coordinates(row, column, direction)
    return u * np.exp(-0.5 * (u**2 + v**2) / sigma**2)


def test_blobs_are_fitted_and_are_not_oriented():
    noise = 0.05 * random().normal(size=(4, SIDE, SIDE))
    pixel = np.zeros((SIDE, SIDE))
    pixel[3, 8] = 1
    found = gabor_fit(np.stack([blob(4.2, 6.9, 0.8), blob(2, 7.5, 2.0), blob(6, 5, 4.5), pixel]) + noise)
    assert np.all(found.r_squared > 0.7)
    assert np.all(found.blob_r_squared > 0.87 * found.r_squared)
    assert not np.any(found.is_oriented())


def test_edges_are_oriented_whatever_their_frequency():
    noise = 0.2 * random().normal(size=(SIDE, SIDE))
    step = np.sign(coordinates(5.5, 5.0, 0.6)[0]) + noise
    found = gabor_fit(np.stack([edge(5, 6, 0.4, 1.5), edge(6, 4.5, 2.0, 2.5), step]))
    np.testing.assert_allclose(found.r_squared[:2], 1, atol=0.01)
    np.testing.assert_allclose(found.frequency[:2], 0, atol=0.05)  # the derivative of a Gaussian is a limit, with no frequency
    np.testing.assert_allclose(np.abs(found.phase[:2]), np.pi / 2, atol=0.1)
    np.testing.assert_allclose(found.direction[:2], [0.4, 2.0], atol=0.02)
    assert np.all(found.is_oriented())


def test_the_first_principal_directions_of_photographs_are_oriented_and_shuffled_ones_are_not():
    patches = data.load('patches').split('train')['x'][:3000]
    filters = subspace.pca_baseline(patches, 6).components.reshape(-1, SIDE, SIDE)
    found = gabor_fit(filters)
    assert found.r_squared[:3].min() > 0.9
    assert found.is_oriented().mean() > 0.6
    shuffled = random().permuted(filters.reshape(6, -1), axis=1).reshape(filters.shape)
    assert gabor_fit(shuffled).r_squared.max() < 0.3


def test_random_phases_keep_mean_and_power_and_undo_the_edge():
    _, filters = some_gabors(6)
    filters = filters[:, 1:]
    mixed = phase_randomised(filters)
    np.testing.assert_allclose(mixed.mean(axis=(1, 2)), filters.mean(axis=(1, 2)), atol=1e-12)
    power, expected = (np.abs(np.fft.fft2(w)) for w in (mixed, filters))
    np.testing.assert_allclose(power, expected, atol=1e-10)
    assert gabor_fit(mixed).r_squared.mean() < 0.7
    assert not np.allclose(phase_randomised(filters, seed=1), mixed)
    np.testing.assert_array_equal(phase_randomised(filters, seed=0), mixed)
    with pytest.raises(ValueError, match='phase_randomised needs filters'):
        phase_randomised(np.zeros((3, 4)))


def test_filters_of_other_shapes():
    parameters, filters = some_gabors(2)
    np.testing.assert_allclose(gabor_fit(filters[:, 1:, :-2]).frequency, parameters[:, 3], rtol=0.05)


def test_a_constant_filter_has_no_fit():
    found = gabor_fit(np.full((1, 5, 5), 2.0))
    assert found.r_squared == found.blob_r_squared == 0
    assert not found.is_oriented()
    np.testing.assert_allclose(found.fitted, 2)


@pytest.mark.parametrize('filters', [np.zeros((3, 4)), np.zeros((0, 4, 4)), np.full((1, 4, 4), np.nan)])
def test_what_is_no_filter(filters):
    with pytest.raises(ValueError, match='gabor_fit needs finite filters'):
        gabor_fit(filters)
