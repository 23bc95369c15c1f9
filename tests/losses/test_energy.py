"""The energy score against the sum written out, and against what it is for: the right distribution scores best."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.distance import cdist, pdist

from aejax.losses.energy import energy_score
from tests.support import at_once, digits, scaled


def test_it_is_the_formula_written_out():
    x, samples = scaled('test')[:7], scaled('train')[:30]
    flat = samples.reshape(30, -1)
    expected = cdist(x.reshape(7, -1), flat).mean(axis=1) - 0.5 * pdist(flat).mean()
    np.testing.assert_allclose(at_once(energy_score, x, samples), expected, rtol=1e-5)


def test_products_are_taken_in_full_precision_whatever_the_default():
    """The squares nearly cancel; a GPU or TPU would round the product to ten bits or seven."""
    program = str(jax.make_jaxpr(energy_score)(jnp.zeros((3, 2)), jnp.zeros((4, 2))))
    assert program.count('dot_general') == program.count('precision=(Precision.HIGHEST, Precision.HIGHEST)') == 2


def test_real_digits_score_better_than_blur_noise_or_a_single_class():
    x, train, label = scaled('test'), scaled('train'), digits().split('train')['label']
    mean = np.broadcast_to(train.mean(axis=0)[None], train.shape)
    worse = {
        'blur': mean + 0.05 * np.random.default_rng(0).normal(size=train.shape),
        'noise': train + 0.3 * np.random.default_rng(0).normal(size=train.shape),
        'a single class': train[label == 3],
        'half the classes': train[label < 5],
    }
    score = jax.jit(lambda samples: jnp.mean(energy_score(jnp.asarray(x), samples)))
    best = score(jnp.asarray(train))
    for name, samples in worse.items():
        assert score(jnp.asarray(samples)) > best + 0.02, name


def test_one_sample_has_no_spread():
    with pytest.raises(AssertionError):
        energy_score(jnp.zeros((3, 2)), jnp.zeros((1, 2)))
