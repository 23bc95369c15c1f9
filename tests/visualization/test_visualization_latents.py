import numpy as np
import pytest
from matplotlib.colors import to_hex
from scipy.stats import norm
from sklearn.datasets import load_digits

from aejax.types import UserError
from aejax.visualization import style
from aejax.visualization.latents import latent_map, manifold_grid_points, project_to_plane


@pytest.fixture(scope='module')
def digits():
    return load_digits(return_X_y=True)


def drawn(axes):
    """{point: colour} of all scatters."""
    return {
        tuple(point): to_hex(colour)
        for dots in axes.collections
        for point, colour in zip(dots.get_offsets().tolist(), dots.get_facecolors(), strict=True)
    }


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_latent_map_gives_each_point_its_labels_colour(digits):
    x, y = digits
    codes, names = project_to_plane(x[:200])
    figure = latent_map(codes, y[:200], axis_labels=names, title='100 % $x')
    colours = drawn(figure.axes[0])
    assert len(colours) == 200
    assert all(colours[tuple(code)] == style.colour(label) for code, label in zip(codes.tolist(), y, strict=False))
    assert legend_texts(figure) == [str(digit) for digit in range(10)]
    assert [text.get_text() for text in figure.axes[0].texts] == [str(digit) for digit in range(10)]
    assert figure.axes[0].get_xlabel() == names[0]
    assert style.png(figure)


def test_latent_map_shuffles_so_that_no_class_covers_another():
    codes = np.random.default_rng(0).normal(size=(100, 2))
    (dots,) = latent_map(codes, np.repeat([0, 1], 50)).axes[0].collections
    first = np.array([to_hex(colour) == style.colour(0) for colour in dots.get_facecolors()])
    assert 10 < first[:50].sum() < 40


def test_latent_map_shows_the_unlabelled_in_grey(digits):
    codes = np.arange(8.0).reshape(4, 2)
    figure = latent_map(codes, [-1, 3, -1, 5])
    assert drawn(figure.axes[0])[(0.0, 1.0)] == style.UNLABELLED
    assert drawn(figure.axes[0])[(6.0, 7.0)] == style.colour(1)
    assert legend_texts(figure) == ['3', '5', 'unlabelled']


def test_latent_map_tells_many_classes_by_marker_and_refuses_too_many():
    codes = np.random.default_rng(0).normal(size=(60, 2))
    figure = latent_map(codes, [f'class {i % 13:02d}' for i in range(60)])
    assert len(figure.axes[0].collections) == 2
    assert len(legend_texts(figure)) == 13
    assert not figure.axes[0].texts
    with pytest.raises(UserError, match='60 classes'):
        latent_map(codes, np.arange(60))


def test_latent_map_by_value_has_a_colour_bar():
    values = np.linspace(0.0, 1.0, 30)
    codes = np.column_stack([values, values**2])
    figure = latent_map(codes, values=values, value_name='angle')
    assert len(figure.axes) == 2
    (dots,) = figure.axes[0].collections
    np.testing.assert_allclose(dots.get_array(), np.asarray(dots.get_offsets())[:, 0])
    assert figure.axes[1].get_ylabel() == 'angle'
    assert len(latent_map(codes).axes) == 1


@pytest.mark.parametrize(
    'arguments',
    [
        (np.zeros((4, 3)),),
        (np.zeros((4, 2)), np.zeros(3)),
        (np.zeros((4, 2)), np.zeros(4), np.zeros(4)),
        (np.zeros((4, 2)), np.eye(4)),
    ],
)
def test_latent_map_refuses_what_does_not_fit(arguments):
    with pytest.raises(UserError):
        latent_map(*arguments)


def test_project_to_plane_is_pca_by_svd(digits):
    x, _ = digits
    points, names = project_to_plane(x)
    centred = x - x.mean(axis=0)
    _, s, vt = np.linalg.svd(centred, full_matrices=False)
    oracle = centred @ vt[:2].T
    np.testing.assert_allclose(np.abs(points), np.abs(oracle), atol=1e-8)
    shares = s**2 / (s**2).sum()
    assert names == [f'PC 1 ({100 * shares[0]:.0f} % of variance)', f'PC 2 ({100 * shares[1]:.0f} % of variance)']


def test_project_to_plane_of_one_two_and_collapsed_dimensions():
    codes = np.random.default_rng(0).normal(size=(50, 2))
    points, names = project_to_plane(codes)
    np.testing.assert_array_equal(points, codes)
    assert names == ['latent 1', 'latent 2']
    strip, names = project_to_plane(codes[:, :1])
    np.testing.assert_array_equal(strip[:, 0], codes[:, 0])
    assert np.ptp(strip[:, 1]) < 0.5 * np.ptp(codes[:, 0])
    np.testing.assert_array_equal(project_to_plane(codes[:, :1])[0], strip)
    np.testing.assert_allclose(project_to_plane(0.01 * codes[:, :1])[0], 0.01 * strip)
    flat, names = project_to_plane(np.ones((50, 4)))
    np.testing.assert_array_equal(flat, np.zeros((50, 2)))
    assert names[0] == 'PC 1 (0 % of variance)'
    with pytest.raises(UserError):
        project_to_plane(codes[:1])


def test_manifold_grid_is_even_in_probability():
    grid = manifold_grid_points(5, low_quantile=0.1).reshape(5, 5, 2)
    even = np.linspace(0.1, 0.9, 5)
    np.testing.assert_allclose(norm.cdf(grid[..., 0]), np.broadcast_to(even, (5, 5)))
    np.testing.assert_allclose(norm.cdf(grid[..., 1]), np.broadcast_to(even[::-1, None], (5, 5)))
    np.testing.assert_array_equal(manifold_grid_points(1), [[0.0, 0.0]])
    draws = np.random.default_rng(0).normal(size=(50_000, 2)) * [1, 4] + [0, 3]
    np.testing.assert_allclose(manifold_grid_points(5, 0.1, draws).reshape(5, 5, 2), grid * [1, 4] + [0, 3], atol=0.08)
    for bad in ((0, 0.1), (3, 0.0), (3, 0.5)):
        with pytest.raises(UserError):
            manifold_grid_points(*bad)
