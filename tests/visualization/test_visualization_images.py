import numpy as np
import pytest
from sklearn.datasets import load_digits, load_sample_images

from aejax.types import UserError
from aejax.visualization.images import filters, image_grid, reconstructions, reconstructions_of_points
from aejax.visualization.mosaic import signed_to_rgb, tile, to_rgb, value_range
from aejax.visualization.style import png


@pytest.fixture(scope='module')
def digits():
    return load_digits().images[:13, :, :, None] / 16.0


@pytest.fixture(scope='module')
def patches():
    image = load_sample_images().images[0][:32, :40] / 255.0
    return image.reshape(4, 8, 5, 8, 3).transpose(0, 2, 1, 3, 4).reshape(20, 8, 8, 3)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_reconstructions_hold_each_image_once_with_its_captions(digits):
    figure = reconstructions(digits, digits / 2.0, labels=np.arange(13) % 10, errors=np.arange(13) / 7.0)
    (axes,) = figure.axes
    shown = [np.asarray(image.get_array()) for image in axes.images]
    assert len(shown) == 26
    for index in range(13):
        np.testing.assert_array_equal(shown[2 * index][..., 0], digits[index, ..., 0])
        np.testing.assert_array_equal(shown[2 * index + 1][..., 2], digits[index, ..., 0] / 2.0)
    assert texts(axes).count('input') == texts(axes).count('output') == 2
    assert texts(axes).count('7') == 1
    assert f'{12 / 7:.3g}' in texts(axes)


def test_reconstructions_put_the_output_below_its_input_and_nothing_overlaps(digits):
    (axes,) = reconstructions(digits, digits, labels=range(13), corrupted=digits, columns=5).axes
    boxes = np.array([image.get_extent() for image in axes.images])
    for first in range(0, 39, 3):
        column = boxes[first : first + 3]
        np.testing.assert_allclose(column[:, 0], column[0, 0])
        assert (np.diff(column[:, 3]) > 0.0).all()
    left, right, bottom, top = boxes.T
    apart = (right[:, None] <= left) | (left[:, None] >= right) | (bottom[:, None] <= top) | (top[:, None] >= bottom)
    assert (apart | np.eye(39, dtype=bool)).all()
    width, height = axes.figure.get_size_inches()
    assert left.min() > 0.0
    assert right.max() < width
    assert bottom.max() < height


def test_reconstructions_keep_colours_and_clip_to_the_datas_range(patches):
    (axes,) = reconstructions(patches[:2], patches[:2] + 10.0).axes
    np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), patches[0])
    np.testing.assert_array_equal(np.asarray(axes.images[1].get_array()), np.ones((8, 8, 3)))


@pytest.mark.parametrize(
    'call',
    [
        lambda x: reconstructions(x, x[:5]),
        lambda x: reconstructions(x, x, labels=[1, 2]),
        lambda x: reconstructions(x[..., 0], x[..., 0]),
        lambda x: image_grid(x[:0]),
        lambda x: image_grid(np.zeros((3, 4, 4, 2))),
        lambda x: filters(np.zeros((63, 4)), (8, 8, 1)),
        lambda x: reconstructions_of_points(np.zeros((5, 4)), np.zeros((5, 4))),
        lambda x: reconstructions_of_points(np.zeros((5, 3)), np.zeros((5, 2))),
    ],
)
def test_wrong_shapes_are_one_line(digits, call):
    with pytest.raises(UserError) as caught:
        call(digits)
    assert '\n' not in str(caught.value)


def test_tile_lays_images_out_by_rows(patches):
    sheet = tile(patches[:7], columns=3, background=0.5)
    large, gap = 40, 2
    assert sheet.shape == (3 * large + 2 * gap, 3 * large + 2 * gap, 3)
    for index in range(7):
        y, x = (large + gap) * (index // 3), (large + gap) * (index % 3)
        np.testing.assert_array_equal(sheet[y + 2 : y + large : 5, x + 2 : x + large : 5], patches[index])
    assert (sheet[:, large] == 0.5)[:large].all()
    assert (sheet[-large:, large + gap :] == 1.0).all()


def test_image_grid_shows_one_mosaic_as_square_as_it_can(digits):
    (axes,) = image_grid(digits, title='samples $x$').axes
    (image,) = axes.images
    assert np.asarray(image.get_array()).shape == tile(to_rgb(digits, (0, 1)), 4).shape
    assert texts(axes) == ['samples $x$']
    assert len(png(axes.figure)) > 1000
    (axes,) = image_grid(digits, columns=13).axes
    assert np.asarray(axes.images[0].get_array()).shape == (40, 13 * 42 - 2, 3)


def test_value_range_is_the_unit_interval_unless_the_data_leaves_it(digits):
    assert value_range(digits[:1] * 0.5) == (0.0, 1.0)
    assert value_range(digits - 0.5) == (-0.5, 0.5)
    assert value_range(np.array([np.nan, np.inf])) == (0.0, 1.0)
    np.testing.assert_allclose(to_rgb(digits - 0.5, (-0.5, 0.5))[..., 1], digits[..., 0])


def test_filters_are_ordered_by_norm_and_scaled_one_by_one():
    kernel = np.zeros((64, 3))
    kernel[0] = [1.0, -3.0, 2.0]
    (axes,) = filters(kernel, (8, 8, 1), max_filters=2).axes
    sheet = np.asarray(axes.images[0].get_array())
    blue, red, white = signed_to_rgb(np.array([-1.0, 1.0, 0.0]).reshape(1, 1, 3, 1))[0, 0]
    np.testing.assert_allclose(sheet[0, 0], blue)
    np.testing.assert_array_equal(sheet[:, 40:47], 1.0)
    np.testing.assert_allclose(sheet[0, 47], red)
    np.testing.assert_allclose(sheet[20, 20], white)
    assert blue[2] > blue[0]
    assert red[0] > red[2]
    assert white.min() > 0.95
    assert texts(axes) == ['2 of 3 filters, largest norm first']
    unordered = np.asarray(filters(kernel, (8, 8, 1), by_norm=False).axes[0].images[0].get_array())
    np.testing.assert_allclose(unordered[0, 0], red)


def test_filters_in_colour_are_grey_at_zero_and_survive_a_dead_unit(patches):
    kernel = (patches - patches.mean(axis=0)).reshape(20, -1).T.copy()
    kernel[:, 3] = 0.0
    sheet = np.asarray(filters(kernel, (8, 8, 3)).axes[0].images[0].get_array())
    assert np.isfinite(sheet).all()
    np.testing.assert_allclose(signed_to_rgb(kernel.T.reshape(-1, 8, 8, 3))[3], 0.5)
    np.testing.assert_allclose(np.abs(signed_to_rgb(kernel.T.reshape(-1, 8, 8, 3))[0] - 0.5).max(), 0.5)


@pytest.mark.parametrize('dimensions', [2, 3])
def test_points_share_limits_and_keep_their_colours(dimensions):
    t = np.linspace(1.0, 9.0, 40)
    points = np.column_stack([t * np.cos(t), t * np.sin(t), t])[:, :dimensions]
    left, right = reconstructions_of_points(points, 2.0 * points, t).axes
    assert left.get_xlim() == right.get_xlim()
    assert left.get_ylim()[1] > 2.0 * points[:, 1].max()
    assert len(left.collections) == 1
    assert len(right.collections) == 2
    np.testing.assert_array_equal(right.collections[1].get_array(), t)
    assert len(png(left.figure)) > 1000
