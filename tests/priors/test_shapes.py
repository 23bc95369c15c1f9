"""Shaped priors: densities against scipy and numerical integrals, samples against densities, classes in their own parts."""

import jax
import numpy as np
import pytest
import scipy.stats
from ml_collections import ConfigDict

from aejax.priors import shapes
from aejax.types import UserError
from tests.support import at_once

GRID = np.stack(np.meshgrid(*2 * [np.arange(-8, 8, 0.05) + 0.025]), axis=-1).reshape(-1, 2).astype(np.float32)
MADE = {kind: shapes.from_config(shapes.default_config(kind, 3.0), 2) for kind in shapes.KINDS}


@pytest.mark.parametrize('kind', shapes.KINDS)
def test_densities_integrate_to_one_and_samples_follow_them(kind):
    prior = MADE[kind]
    blocks = GRID.reshape(-1, 10_240, 2)
    density = np.exp(at_once(lambda z: jax.lax.map(prior.log_prob, z), blocks)).reshape(-1) * 0.05**2
    if kind != 'normal':  # which has mass outside of the grid
        np.testing.assert_allclose(density.sum(), 1.0, atol=0.01)
    z = at_once(lambda key: prior.sample(key, 20_000), jax.random.key(0))
    assert z.shape == (20_000, 2)
    cells = [np.histogram2d(*points.T, bins=8, range=[[-8, 8]] * 2, weights=w)[0] for points, w in ((z, None), (GRID, density))]
    np.testing.assert_allclose(cells[0] / 20_000, cells[1], atol=0.012)


def test_normal_and_uniform_are_scipys():
    z = np.random.default_rng(0).normal(scale=2, size=(40, 5)).astype(np.float32)
    expected = scipy.stats.norm(scale=5.0).logpdf(z).sum(axis=1)
    np.testing.assert_allclose(at_once(shapes.Normal(5, 5.0).log_prob, z), expected, rtol=1e-5)
    expected = scipy.stats.uniform(-2.0, 4.0).logpdf(z).sum(axis=1)
    np.testing.assert_allclose(at_once(shapes.Uniform(5, 2.0).log_prob, z), expected, rtol=1e-5)
    drawn = at_once(lambda key: shapes.Normal(5, 5.0).sample(key, 4_000), jax.random.key(0))
    np.testing.assert_allclose(np.cov(drawn.T), 25 * np.eye(5), atol=1.5)


def test_a_petal_points_outwards():
    prior = shapes.RadialMixture(num_components=4, radius=3.0, along=0.5, across=0.1)
    np.testing.assert_allclose(at_once(lambda: prior.modes), [[3, 0], [0, 3], [-3, 0], [0, -3]], atol=1e-5)
    z = at_once(prior.sample_class, jax.random.key(0), np.full(4_000, 1))
    np.testing.assert_allclose(np.mean(z, axis=0), [0, 3], atol=0.03)
    np.testing.assert_allclose(np.std(z, axis=0), [0.1, 0.5], rtol=0.05)


def test_each_class_has_its_own_stretch_of_the_roll():
    prior = shapes.SwissRoll(num_classes=5, radius=4.0, turns=2.0, noise=0.01)
    label = np.arange(5).repeat(200)
    z = at_once(prior.sample_class, jax.random.key(0), label)
    from_centre = np.linalg.norm(z, axis=1)
    u = (from_centre / 4.0) ** 2
    assert np.mean(np.floor(5 * u) == label) > 0.98
    between = np.linalg.norm(np.diff(at_once(prior.curve, np.linspace(0.05, 1, 400)), axis=0), axis=1)
    assert between.std() < 0.15 * between.mean(), 'equal shares of u are nearly equal lengths'


@pytest.mark.parametrize(
    ('changes', 'latents', 'message'),
    [
        ({'kind': 'cube'}, 2, 'choose one of normal'),
        ({'kind': 'swiss_roll'}, 8, 'set model.latents=2, not 8'),
        ({'scale': 0.0}, 2, 'prior.scale=0.0 must be at least'),
    ],
)
def test_priors_that_cannot_be(changes, latents, message):
    with pytest.raises(UserError, match=message):
        shapes.from_config(ConfigDict({**shapes.default_config(), **changes}), latents)
