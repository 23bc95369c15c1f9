"""Attributes that are measured or applied: known widths, known angles, and what data sets carry."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from aejax import data
from aejax.data.attributes import ANGLES, make_measure, split_name, thickness, turned
from aejax.types import UserError
from tests.support import digits, scaled


def stroke(width: int, length: int = 40) -> np.ndarray:
    image = np.zeros((1, 60, 60, 1), np.float32)
    image[0, 20 : 20 + width, 10 : 10 + length] = 1
    return image


def test_a_stroke_is_as_thick_as_it_was_drawn():
    for width in (1, 2, 4, 6):
        # Of a stroke with ends, 2 L w / (2 L + 2 w).
        assert thickness(stroke(width))[0] == pytest.approx(40 * width / (40 + width), rel=0.02)
    turned_stroke = ndimage.rotate(stroke(4)[0, ..., 0], 30, reshape=False, order=1)[None, ..., None]
    assert thickness(turned_stroke)[0] == pytest.approx(thickness(stroke(4))[0], rel=0.1)


def test_thickness_ignores_brightness_and_hardly_sees_a_blur():
    image = stroke(6)
    blurred = ndimage.gaussian_filter(image, (0, 1, 1, 0))
    assert thickness(0.3 * image)[0] == pytest.approx(thickness(image)[0], rel=1e-5)
    assert thickness(blurred)[0] == pytest.approx(thickness(image)[0], rel=0.05)
    assert thickness(np.zeros((2, 5, 5, 1))).tolist() == [0, 0]
    # The ground around an image is black: of a white one the border is all there is.
    assert thickness(np.ones((1, 20, 20, 1)))[0] == pytest.approx(2 * 400 / 80, rel=0.01)


def test_digits_that_are_widened_are_thicker_one_by_one():
    x = scaled('test')
    wide = ndimage.grey_dilation(x, size=(1, 2, 2, 1))
    assert np.mean(thickness(wide) > thickness(x)) > 0.99


def test_levels_are_quantiles_of_the_training_thickness():
    plain, found = digits(), data.load('digits:thickness')
    assert found.spec.name == 'digits:thickness'
    assert found.spec.num_levels == 5
    assert found.describe()['num_levels'] == 5
    assert 'num_levels' not in plain.describe()
    assert found.fingerprint != plain.fingerprint
    for name in ('train', 'validation', 'test'):
        split = found.split(name)
        np.testing.assert_array_equal(split['x'], plain.split(name)['x'])
        assert spearmanr(split['attribute'], thickness(split['x'])).statistic > 0.95
    np.testing.assert_allclose(np.bincount(found.split('train')['attribute']) / 1297, 0.2, atol=0.01)


def test_images_are_turned_anticlockwise_by_the_recorded_angle():
    spot = np.zeros((1, 9, 9, 1), np.uint8)
    spot[0, 4, 7] = 200
    assert np.argwhere(turned(spot, np.asarray([90.0])))[0].tolist() == [0, 1, 4, 0]
    found, plain = data.load('digits:rotation'), digits()
    level = found.split('test')['attribute']
    assert set(level) == set(range(5))
    still = level == ANGLES.index(0.0)
    np.testing.assert_array_equal(found.split('test')['x'][still], plain.split('test')['x'][still])
    assert not np.any(np.all(found.split('test')['x'][~still] == plain.split('test')['x'][~still], axis=(1, 2, 3)))


def test_the_angle_of_an_image_it_has_not_seen_is_found_nearly():
    found = data.load('digits:rotation')
    measure = make_measure('rotation', found.split('train'))
    split = found.split('test')
    assert spearmanr(measure(split['x']), split['attribute']).statistic > 0.8


def test_names_and_refusals():
    assert split_name('mnist:thickness') == ('mnist', 'thickness')
    assert split_name('tfds:thickness') == ('tfds:thickness', '')
    assert split_name('tfds:mnist:rotation') == ('tfds:mnist', 'rotation')
    with pytest.raises(UserError, match='images in'):
        data.load('swiss_roll:thickness')
    with pytest.raises(UserError, match='turned images are grey'):
        data.load('digits:rotation', preprocessing='static_binarisation')
