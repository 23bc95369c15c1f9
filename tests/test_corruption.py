"""Corruption: exactly the share that was asked for, at places that are uniform, with the noise that was named."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ml_collections import ConfigDict
from scipy import stats

from aejax import corruption
from aejax.types import DataSpec, UserError
from tests.support import at_once, digits, scaled

SUBSETS_OF_THE_INPUT = ['masking', 'salt_and_pepper']


@pytest.mark.parametrize('kind', SUBSETS_OF_THE_INPUT)
@pytest.mark.parametrize(
    ('shape', 'level'), [((300, 8, 8, 1), 0.25), ((50, 784), 0.1), ((9, 5), 0.0), ((9, 5), 1.0), ((6, 1), 0.7)]
)
def test_every_example_loses_exactly_its_share(kind, shape, level):
    x = np.full(shape, 0.5, np.float32)
    noisy, corrupted = at_once(corruption.KINDS[kind], jax.random.key(0), x, level)
    assert corrupted.dtype == bool
    assert noisy.shape == corrupted.shape == shape
    per_example = corrupted.reshape(len(x), -1).sum(axis=1)
    np.testing.assert_array_equal(per_example, round(level * np.prod(shape[1:])))
    np.testing.assert_array_equal(noisy != x, corrupted)


def test_every_subset_is_equally_likely():
    chosen = at_once(lambda key: corruption.random_subsets(key, (28_000, 8), 0.25), jax.random.key(1))
    counts = [np.sum(chosen[:, i] & chosen[:, j]) for i, j in itertools.combinations(range(8), 2)]
    assert sum(counts) == len(chosen)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_the_level_may_be_an_array_of_an_ensemble():
    x, levels = np.ones((20, 10), np.float32), np.asarray([0.0, 0.1, 0.25, 0.5], np.float32)
    _, corrupted = at_once(jax.vmap(corruption.masking, in_axes=(None, None, 0)), jax.random.key(0), x, levels)
    np.testing.assert_array_equal(corrupted.sum(axis=2), np.tile([[0], [1], [2], [5]], (1, 20)))


def test_masking_blackens_digits_and_salt_and_pepper_tosses_a_fair_coin():
    x = scaled('test')
    noisy, corrupted = at_once(functools.partial(corruption.masking, level=0.25), jax.random.key(2), x)
    np.testing.assert_array_equal(noisy, np.where(corrupted, 0, x))
    corrupt = functools.partial(corruption.salt_and_pepper, level=0.25, low=-2.0, high=3.0)
    noisy, corrupted = at_once(corrupt, jax.random.key(2), x)
    np.testing.assert_array_equal(noisy[~corrupted], x[~corrupted])
    values, counts = np.unique(noisy[corrupted], return_counts=True)
    np.testing.assert_array_equal(values, [-2, 3])
    assert stats.binomtest(counts[0], counts.sum()).pvalue > 1e-3


def test_gaussian_noise_is_normal_with_the_level_as_its_standard_deviation():
    x = scaled('test')
    noisy, corrupted = at_once(functools.partial(corruption.gaussian, level=0.3), jax.random.key(3), x)
    assert np.all(corrupted)
    assert stats.kstest(np.ravel(noisy - x), stats.norm(scale=0.3).cdf).pvalue > 1e-3


def test_salt_and_pepper_of_a_config_takes_its_values_from_the_data_or_the_range():
    config = corruption.default_config('salt_and_pepper', 0.5)
    ends = {(): [0, 1], (-2.0, 2.0): [-2, 2]}
    for config.range, expected in ends.items():
        corrupt = functools.partial(corruption.from_config(config, digits().spec), level=0.5)
        noisy, corrupted = at_once(corrupt, jax.random.key(0), np.full((9, 64), 0.5, np.float32))
        np.testing.assert_array_equal(np.unique(noisy[corrupted]), expected)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kind': 'dropout'}, "corruption.kind is 'dropout'; choose one of masking, salt_and_pepper, gaussian"),
        ({'level': 1.0}, 'corruption.level=1.0 must be at least 0 and below 1'),
        ({'level': -0.1}, 'corruption.level=-0.1 must be'),
        ({'kind': 'gaussian', 'level': -0.1}, 'corruption.level=-0.1 must be at least 0$'),
        ({'kind': 'salt_and_pepper'}, 'patches data does not lie in .* needs corruption.range'),
        ({'kind': 'salt_and_pepper', 'range': (1.0, -1.0)}, 'corruption.range=.* must be .lowest, highest.'),
        ({'kind': 'salt_and_pepper', 'range': (0.0, 1.0, 2.0)}, 'corruption.range=.* must be .lowest, highest.'),
        ({'kind': 'salt_and_pepper', 'range': ('a', 1)}, r"corruption.range=\('a', 1\) must be .* two finite numbers"),
        ({'kind': 'salt_and_pepper', 'range': ('a', 'b')}, r"corruption.range=\('a', 'b'\) must be .* two finite numbers"),
        ({'kind': 'salt_and_pepper', 'range': (0.0, float('inf'))}, r'corruption.range=\(0.0, inf\) must be .* finite numbers'),
    ],
)
def test_corruptions_that_cannot_be(changes, message):
    config = ConfigDict({**corruption.default_config(), **changes})
    with pytest.raises(UserError, match=message):
        corruption.from_config(config, DataSpec('patches', (12, 12, 1), 'standardise'))


@pytest.mark.parametrize('kind', corruption.KINDS)
def test_a_level_of_zero_that_is_known_draws_nothing(kind):
    x, corrupt = jnp.asarray(scaled('test')[:3]), corruption.KINDS[kind]
    noisy, corrupted = corrupt(jax.random.key(0), x, 0.0)
    assert noisy is x
    assert np.all(corrupted) if kind == 'gaussian' else not np.any(corrupted)
    for level in (0.0, 0.5):
        traced = jax.make_jaxpr(functools.partial(corrupt, level=level))(jax.random.key(0), x)
        assert ('random_bits' in str(traced)) == (level > 0)


@pytest.mark.parametrize(('level', 'fits'), [(0.005, False), (1 / 64, True), (0.0, True)])
def test_a_share_of_less_than_one_input_is_refused(level, fits):
    config = corruption.default_config('masking', level)
    if fits:
        assert corruption.from_config(config, digits().spec) is corruption.masking
        return
    with pytest.raises(UserError, match=r'^corruption\.level=0\.005 of 64 inputs rounds to none; give 0, or at least 1/64$'):
        corruption.from_config(config, digits().spec)
