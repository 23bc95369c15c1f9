"""Two-sample tests: unbiased, near zero where nothing differs, and seeing what does."""

import numpy as np
import pytest

from aejax.evaluation import two_samples as module
from aejax.evaluation.two_samples import classifier_accuracy, median_distance, mmd_squared, prior_fit
from aejax.types import UserError


def normal(seed: int, num: int, latents: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, latents))


def test_mmd_is_the_double_sum_of_its_definition():
    x, y, widths = normal(0, 6), 0.5 + normal(1, 9), [0.5, 2.0]

    def k(a, b):
        return sum(np.exp(-np.sum((a - b) ** 2) / (2 * width**2)) for width in widths)

    within = [np.mean([k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if i != j]) for s in (x, y)]
    between = np.mean([k(a, b) for a in x for b in y])
    assert mmd_squared(x, y, widths) == pytest.approx(sum(within) - 2 * between, rel=1e-10)


def test_mmd_is_unbiased_and_tends_to_the_closed_form_of_gaussians():
    """For N(m, I) against N(0, I): E k = (w^2 / (w^2 + 2))^(d/2) exp(-|m|^2 / (2 (w^2 + 2))), here d = 2."""
    width, shift = 1.5, np.asarray([[0.7, -0.4]])

    def mean_kernel(square):
        return width**2 / (width**2 + 2) * np.exp(-square / (2 * (width**2 + 2)))

    exact = 2 * (mean_kernel(0) - mean_kernel(np.sum(shift**2)))
    moved = [mmd_squared(normal(i, 100) + shift, normal(1000 + i, 120), [width]) for i in range(200)]
    same = [mmd_squared(normal(i, 100), normal(1000 + i, 120), [width]) for i in range(200)]
    assert np.mean(moved) == pytest.approx(exact, abs=4 * np.std(moved) / np.sqrt(200))
    assert abs(np.mean(same)) < 4 * np.std(same) / np.sqrt(200)
    assert min(same) < 0


def test_a_classifier_finds_one_half_or_all():
    assert classifier_accuracy(normal(0, 1000), normal(1, 1000)) == pytest.approx(0.5, abs=0.06)
    assert classifier_accuracy(normal(0, 1000), 10 + normal(1, 1000)) == 1.0
    # Of one mean and covariance: what a linear classifier cannot tell from the normal.
    angle = np.random.default_rng(2).uniform(0, 2 * np.pi, 1000)
    ring = np.sqrt(2) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    assert classifier_accuracy(ring, normal(1, 1000)) > 0.7


def test_a_classifier_sees_a_sample_that_lies_within_the_other():
    narrow, wide = 0.5 * normal(0, 1000, 20), normal(1, 1000, 20)
    assert classifier_accuracy(narrow, wide) > 0.9
    assert classifier_accuracy(wide, narrow) > 0.9


def test_a_classifier_gives_each_sample_one_half_whatever_their_sizes():
    assert classifier_accuracy(normal(0, 2000), normal(1, 200)) == pytest.approx(0.5, abs=0.06)


def test_codes_of_the_prior_look_like_the_prior_and_others_do_not():
    fits, misfits = prior_fit(normal(99, 1500), normal), prior_fit(0.5 * normal(99, 1500), normal)
    assert fits['points'] == 1000
    assert fits['median_distance'] == pytest.approx(np.sqrt(2 * 2 * np.log(2)), rel=0.05)
    for name in ('mmd_squared', 'classifier_accuracy'):
        assert abs(fits[name]['value'] - fits[name]['prior_mean']) < 6 * fits[name]['prior_std']
        assert misfits[name]['value'] > misfits[name]['prior_mean'] + 6 * misfits[name]['prior_std']


def test_codes_that_come_in_order_are_held_to_the_prior_from_first_to_last(monkeypatch):
    monkeypatch.setattr(module, 'NUM_POINTS', 60)
    ordered = np.sort(np.random.default_rng(0).normal(size=(600, 1)), axis=0)
    found = prior_fit(ordered, lambda seed, num: np.random.default_rng(seed).normal(size=(num, 1)))
    assert found['points'] == 60
    assert found['mmd_squared']['value'] < 0.1


def test_too_few_points_are_refused():
    with pytest.raises(UserError, match='two points or more'):
        mmd_squared(np.zeros((1, 2)), np.zeros((4, 2)), [1.0])
    with pytest.raises(UserError, match='four points'):
        classifier_accuracy(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(UserError, match='coincide'):
        median_distance(np.zeros((5, 2)))
