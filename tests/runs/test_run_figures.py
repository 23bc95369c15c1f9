"""The pictures of a run, of models that have learned nothing yet."""

import numpy as np
import pytest

from aejax import data, methods
from aejax.evaluation.distances import between_examples
from aejax.runs import figures
from aejax.training import loop
from aejax.training.sources import Resident
from experiments.configs import adversarial_ae, ae, cae, conditional_vae, vae
from tests.support import digits, scaled


def pictures(config, dataset) -> figures.Pictures:
    method = methods.build(config, dataset.spec)
    return figures.Pictures(method, dataset, loop.initial_state(method, Resident(dataset.split('train'), 1), dataset.spec, 0))


@pytest.fixture
def drawn(monkeypatch):
    """What the contraction curve is drawn from."""
    found = []
    monkeypatch.setattr(figures.curves, 'contraction_curve', lambda curves, marks: found.append((curves['encoder'], marks)))
    return found


def test_radii_reach_from_near_the_data_to_beyond_its_largest_distance(drawn):
    pictures(cae.get_config(), digits()).contraction_curve()
    ((radii, mean, error), marks) = drawn[0]
    x = scaled('train')
    between = between_examples(x[np.linspace(0, len(x) - 1, 1000).round().astype(int)])
    np.testing.assert_allclose(radii[[0, -1]], [0.02 * between.mean, 1.2 * between.largest], rtol=1e-6)
    assert radii.shape == mean.shape == error.shape == (20,)
    assert list(marks) == ['mean nearest neighbour', 'largest distance']
    np.testing.assert_allclose(list(marks.values()), [between.nearest, between.largest], rtol=1e-6)


def test_radii_grow_with_the_data(drawn, monkeypatch):
    flat = {'mean': np.ones(20), 'standard_error': np.ones(20)}
    monkeypatch.setattr(figures.jacobian, 'contraction_curve', lambda *arguments: flat)
    for preprocessing in ('standardise', 'raw'):
        pictures(ae.get_config('roll'), data.load('swiss_roll', preprocessing=preprocessing)).contraction_curve()
    (small, *_), (large, *_) = (curve for curve, _ in drawn)
    assert large[-1] > 5 * small[-1]


@pytest.mark.parametrize('module', [ae, vae])
def test_filters_are_the_weights_of_the_first_layer(module):
    made = pictures(module.get_config(), digits())
    weights = np.asarray(made.method.filters(made.state.params, made.state.mutables))
    np.testing.assert_array_equal(weights, made.state.params['encoder']['layer_0']['kernel'])
    assert weights.shape == (64, 128)
    assert made.filters() is not None


def test_convolutions_points_and_methods_without_filters_have_no_such_picture():
    made = pictures(ae.get_config('conv'), digits())
    assert made.method.filters(made.state.params, made.state.mutables) is None
    assert made.filters() is None
    assert pictures(ae.get_config('roll'), data.load('swiss_roll')).filters() is None
    made.method = object()
    assert made.filters() is None


def test_denoising_shows_what_was_given_and_what_was_made_of_it(monkeypatch):
    shown = {}
    monkeypatch.setattr(figures.images, 'reconstructions', lambda x, y, labels, errors, corrupted: shown.update(locals()))
    made = pictures(ae.get_config(), digits())
    assert made.denoising() is None

    class Halving:
        def corrupt(self, params, mutables, key, x):
            return x / 2

        def denoise(self, params, mutables, x):
            return x + 1

    made.method = Halving()
    made.denoising()
    clean = scaled('test')[:20]
    np.testing.assert_allclose(shown['x'], clean, rtol=1e-6)
    np.testing.assert_allclose(shown['corrupted'], clean / 2, rtol=1e-6)
    np.testing.assert_allclose(shown['y'], clean / 2 + 1, rtol=1e-6)
    np.testing.assert_allclose(shown['errors'], np.square(clean / 2 - 1).sum(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize('variant', ['', 'mixture'])
def test_the_manifold_is_drawn_where_the_prior_is(variant, monkeypatch):
    shown = []
    monkeypatch.setattr(figures.images, 'image_grid', lambda grid, columns, limits: shown.append(grid))
    made = pictures(vae.get_config(variant), digits())
    mean = made.state.params['prior']['mean'] if variant else np.zeros((1, 2))
    monkeypatch.setattr(made.method.model.__class__, 'decode', lambda model, params, z: z)
    made.manifold()
    assert np.abs(np.mean(shown[0], axis=0) - np.mean(mean, axis=0)).max() < 0.3
    assert shown[0].max() == pytest.approx(1.645, abs=1e-3) if not variant else np.ptp(shown[0]) > 3.6


def test_a_prior_without_a_density_has_its_manifold_too(monkeypatch):
    shown = []
    monkeypatch.setattr(figures.images, 'image_grid', lambda grid, columns, limits: shown.append(grid.shape))
    pictures(adversarial_ae.get_config('roll'), digits()).manifold()
    assert shown == [(400, 8, 8, 1)]


def test_analogies_pair_every_style_with_every_class(monkeypatch):
    shown = {}
    monkeypatch.setattr(figures.images, 'image_grid', lambda grid, columns, limits: shown.update(grid=grid, columns=columns))
    made = pictures(conditional_vae.get_config(), digits())
    made.analogies()
    assert shown['columns'] == 11
    grid = np.reshape(shown['grid'], (10, 11, 8, 8, 1))
    rows = [int(np.flatnonzero(made.label == y)[0]) for y in range(10)]
    np.testing.assert_array_equal(grid[:, 0], made.x[rows])
    style = made.call('conditional_encode', made.x[rows[3:4]], np.asarray([3]))
    np.testing.assert_allclose(grid[3, 1 + 7], made.call('conditional_decode', style, np.asarray([7]))[0], rtol=1e-4)
    assert pictures(vae.get_config(), digits()).analogies() is None


def test_codes_in_the_plane_lie_over_draws_of_their_prior(monkeypatch):
    seen = []
    monkeypatch.setattr(figures.latents, 'latent_map', lambda codes, label, under: seen.append((codes, under)))
    made = pictures(vae.get_config(), digits())
    made.codes_over_prior()
    ((codes, under),) = seen
    assert codes.shape == (len(scaled('test')), 2)
    mean, log_variance = made.call('posterior', made.x)
    standard = (codes - mean) / np.exp(log_variance / 2)
    np.testing.assert_allclose([standard.mean(), standard.std()], [0.0, 1.0], atol=0.15)
    assert under.shape == (figures.NUM_OF_PRIOR, 2)
    np.testing.assert_allclose(under.std(axis=0), 1.0, atol=0.05)
    assert pictures(ae.get_config(), digits()).codes_over_prior() is None
