"""A model in hand: what it can do with classes, and what it says of classes that are none."""

import dataclasses

import numpy as np
import pytest

from aejax import data, methods
from aejax.runs.loading import Model
from aejax.runs.setup import make_source
from aejax.training import loop
from aejax.types import UserError
from experiments.configs import conditional_aae, conditional_vae
from tests.support import digits


@pytest.fixture(scope='module')
def model():
    config = conditional_vae.get_config()
    spec = digits(config.data.preprocessing).spec
    method = methods.build(config, spec)
    state = loop.initial_state(method, make_source(config, digits(config.data.preprocessing)), spec, 0)
    return Model(method, state, config, spec, 0)


def test_a_model_that_is_told_the_class(model):
    x, label = digits().split('test')['x'][:4], np.array([0, 9, 3, 3])
    codes = model.conditional_encode(x, label)
    back = model.conditional_decode(codes, label)
    assert (codes.shape, back.shape) == ((4, model.config.model.latents), (4, 8, 8, 1))
    assert not np.array_equal(back, model.conditional_decode(codes, label[::-1]))
    drawn = model.conditional_sample(label)
    assert drawn.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(drawn, model.conditional_sample(label, seed=0))
    with pytest.raises(UserError, match=r'cannot class_logits: it can sample, conditional_encode, .*conditional_sample'):
        model.class_logits(x)


def test_one_class_for_each_example(model):
    x = digits().split('test')['x'][:4]
    for call in (
        model.conditional_encode,
        lambda x, label: model.conditional_decode(model.conditional_encode(x, [0] * 4), label),
    ):
        with pytest.raises(UserError, match='2 labels or levels for 4 examples: give one for each'):
            call(x, [1, 2])


def test_a_model_that_is_told_the_level_of_an_attribute():
    config = conditional_aae.get_config()
    dataset = data.load(config.data.name)
    method = methods.build(config, dataset.spec)
    state = loop.initial_state(method, make_source(config, dataset), dataset.spec, 0)
    model = Model(method, state, config, dataset.spec, 0)
    codes = model.encode(dataset.split('test')['x'][:3])
    thin, thick = (model.attribute_decode(codes, [level] * 3) for level in (0, 4))
    assert thin.shape == (3, 8, 8, 1)
    assert not np.allclose(thin, thick)
    with pytest.raises(UserError, match='levels are whole numbers from 0 to 4'):
        model.attribute_decode(codes, [0, 5, 1])
    plain = Model(method, state, config, dataclasses.replace(dataset.spec, num_levels=0), 0)
    with pytest.raises(UserError, match='the data that this model was trained on have no levels'):
        plain.attribute_decode(codes, [0, 0, 0])


@pytest.mark.parametrize('label', [[0.0, 1.0], [0, 10], [-1, 0], 3, np.zeros(0, int)])
def test_classes_that_are_none(model, label):
    with pytest.raises(UserError, match='labels are whole numbers from 0 to 9'):
        model.conditional_sample(label)
