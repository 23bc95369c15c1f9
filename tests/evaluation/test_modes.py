"""Counting classes among samples, and saying that a model collapsed."""

import numpy as np
import pytest
from scipy.stats import binom
from scipy.stats import entropy as scipy_entropy

from aejax.evaluation import modes
from aejax.evaluation.modes import (
    class_shares,
    entropy,
    mean_distance,
    missing_classes,
    mode_figures,
    rare_classes,
    within_class_diversity,
)
from tests.support import digits, scaled


def split(name: str) -> dict:
    return {'x': scaled(name), 'label': digits().split(name)['label']}


def figures(samples, num_classes=10) -> dict:
    return mode_figures(samples, split('train'), split('test'), num_classes)


def test_data_itself_misses_nothing():
    found = figures(scaled('validation'))
    label = digits().split('validation')['label']
    np.testing.assert_allclose(found['shares'], class_shares(label, 10), atol=0.02)
    assert found['missing'] == []
    assert found['collapsed'] is False
    assert found['diversity'] == pytest.approx(1.0, abs=0.03)
    assert found['within_class_diversity'] == pytest.approx(1.0, abs=0.03)
    assert found['entropy'] == pytest.approx(np.log(10), abs=0.02)
    assert found['classifier_error'] < 0.03


def test_classes_that_never_come_are_named():
    chosen = split('validation')
    found = figures(chosen['x'][~np.isin(chosen['label'], [3, 7])])
    assert found['missing'] == [3, 7]
    assert found['collapsed'] is True


def test_few_samples_of_data_are_never_called_a_collapse(monkeypatch):
    """Of 20 digits two or three classes are missing by chance; nothing is said of so few that chance explains a missing class."""
    known = modes.classifier(scaled('train'), digits().split('train')['label'])
    monkeypatch.setattr(modes, 'classifier', lambda *train: known)
    random, x, test = (
        np.random.default_rng(0),
        scaled('validation'),
        {name: values[::3] for name, values in split('test').items()},
    )
    for num, verdict in ((10, None), (20, None), (49, None), (65, None), (150, False)):
        drawn = [x[random.permutation(len(x))[:num]] for _ in range(3)]
        assert {mode_figures(one, split('train'), test, 10)['collapsed'] for one in drawn} == {verdict}, num


def test_a_class_is_missing_where_chance_does_not_explain_it():
    """A tenth of the data that never comes: 0.9^65 is above 1e-3, 0.9^66 is not; and one of 200, but not one of 66."""
    data = np.full(10, 0.1)

    def missing(seen, num):
        return missing_classes(np.asarray([seen, *np.full(9, (num - seen) / 9)]) / num, data, num)

    assert (missing(0, 65), missing(0, 66)) == ([], [0])
    assert (missing(1, 66), missing(1, 200)) == ([], [0])
    assert binom.cdf(70, 1000, 0.1) < 1e-3
    assert missing(70, 1000) == [], 'rare, but drawn'


def test_a_class_is_too_rare_where_examples_of_the_data_may_lack_it():
    assert (rare_classes([0.1, 0.9], 65), rare_classes([0.1, 0.9], 66)) == ([0], [])
    assert rare_classes([0.0, 0.5, 0.5], 9) == [1, 2], 'what the data never have is not missed'


def test_few_samples_that_are_all_alike_are_a_collapse_all_the_same():
    found = figures(np.repeat(scaled('test')[:1], 60, axis=0))
    assert (len(found['rare']), found['missing'], found['collapsed']) == (10, [], True)


@pytest.mark.parametrize('kind', ['one image', 'mean', 'one image with noise'])
def test_one_of_each_class_again_and_again_is_a_collapse(kind):
    """As varied as data all together: only within classes it shows."""
    train = split('train')
    of_class = [train['x'][train['label'] == index] for index in range(10)]
    samples = np.repeat(np.stack([x.mean(axis=0) if kind == 'mean' else x[0] for x in of_class]), 10, axis=0)
    noise = 0.01 if kind.endswith('noise') else 0.0
    found = figures(samples + noise * np.random.default_rng(0).normal(size=samples.shape))
    assert found['diversity'] > modes.LEAST_DIVERSITY
    assert found['within_class_diversity'] < 0.1
    assert (found['alike'], found['alike_within_classes'], found['collapsed']) == (False, True, True)


def test_within_class_diversity_is_the_mean_of_ratios_by_class():
    x, found = np.asarray([[0.0], [1.0], [5.0], [9.0], [7.0]]), [0, 0, 1, 1, 2]
    data, label = np.asarray([[0.0], [4.0], [0.0], [2.0], [3.0], [3.0]]), [0, 0, 1, 1, 2, 2]
    assert within_class_diversity(x, found, data, label) == pytest.approx((1 / 4 + 4 / 2) / 2)
    assert np.isnan(within_class_diversity(x[:1], [0], data, label))


def test_one_image_again_and_again_is_a_collapse_without_any_classes():
    found = figures(scaled('test')[:1] + 0.01 * np.random.default_rng(0).normal(size=(50, 8, 8, 1)), num_classes=0)
    assert set(found) == {'samples', 'not_finite', 'diversity', 'alike', 'alike_within_classes', 'collapsed'}
    assert found['diversity'] < 0.1
    assert found['collapsed'] is True


def test_samples_that_are_no_numbers_are_counted_and_nothing_else_is_said():
    samples = scaled('validation')[:60].copy()
    samples[[3, 7], 2] = np.nan
    assert figures(samples) == {'samples': 60, 'not_finite': 2, 'collapsed': None}


def test_entropy_and_distance():
    shares = class_shares([0, 0, 1, 2], 4)
    np.testing.assert_array_equal(shares, [0.5, 0.25, 0.25, 0.0])
    assert entropy(shares) == pytest.approx(scipy_entropy(shares))
    assert mean_distance(np.asarray([[0.0, 0.0], [3.0, 4.0]])) == 5.0
    assert mean_distance(np.asarray([[0.0], [1.0], [8.0]]), num=2) == 8.0, 'of the first and the last'


def test_two_examples_are_neighbours_enough():
    two = scaled('train')[:2]
    assert modes.classifier(two, np.asarray([3, 8])).predict(two.reshape(2, -1)).shape == (2,)
