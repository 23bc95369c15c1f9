"""The last step of preprocessing, as the compiled program takes it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from aejax.preprocessing import prepare, to_model_space
from aejax.types import PREPROCESSING, DataSpec
from tests.support import digits


def spec(preprocessing):
    return DataSpec('made', (8, 8, 1), preprocessing)


@pytest.fixture(scope='module')
def x():
    return jnp.asarray(digits().split('train')['x'][:20])


@pytest.mark.parametrize('preprocessing', ['scale', 'static_binarisation'])
def test_bytes_are_scaled_to_the_unit_interval(x, preprocessing):
    found = to_model_space(x, spec(preprocessing), jax.random.key(0))
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, np.asarray(x, np.float64) / 255, rtol=1e-6)
    assert (float(jnp.min(found)), float(jnp.max(found))) == (0, 1)


@pytest.mark.parametrize('preprocessing', sorted(set(PREPROCESSING) - {'dynamic_binarisation'}))
def test_floats_pass_as_they_are(preprocessing):
    values = jnp.asarray([[-3.0, 700.0]])
    np.testing.assert_array_equal(to_model_space(values, spec(preprocessing), jax.random.key(0)), values)


def test_dynamic_binarisation_draws_afresh_with_the_pixel_as_mean(x):
    draw = jax.jit(jax.vmap(lambda key: to_model_space(x, spec('dynamic_binarisation'), key)))
    draws = np.asarray(draw(jax.random.split(jax.random.key(0), 2000)))
    assert draws.dtype == np.float32
    assert set(np.unique(draws)) == {0, 1}
    mean = np.asarray(x, np.float64) / 255
    deviations = (draws.mean(axis=0) - mean) / np.sqrt(np.maximum(mean * (1 - mean), 1e-12) / 2000)
    assert np.abs(deviations[(mean > 0.01) & (mean < 0.99)]).max() < 5
    assert np.all(draws[:, mean == 0] == 0)
    assert np.all(draws[:, mean == 1] == 1)
    assert not np.array_equal(draws[0], draws[1])


def test_one_key_is_one_draw(x):
    draws = [to_model_space(x, spec('dynamic_binarisation'), jax.random.key(seed)) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_all_else_stays(x):
    batch = {'x': x, 'label': jnp.arange(20), 'coordinates': jnp.ones((20, 2))}
    found = prepare(batch, spec('scale'), jax.random.key(0))
    assert set(found) == set(batch)
    assert found['label'] is batch['label']
    assert found['coordinates'] is batch['coordinates']
    assert batch['x'].dtype == jnp.uint8
