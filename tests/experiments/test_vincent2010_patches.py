"""Edges of patches: the pooled standard errors, the verdicts, and configs that differ in their noise alone."""

import dataclasses

import numpy as np
import pytest
from ml_collections import ConfigDict

from aejax import methods
from aejax.methods.ae import AE
from aejax.methods.dae import DAE
from aejax.runs.folder import plain
from aejax.types import DataSpec
from experiments.reproductions import vincent2010_patches as module
from experiments.reproductions.base import Bench, Part
from experiments.reproductions.figures import Tolerance

SPEC = DataSpec('patches', (12, 12, 1), 'whiten_low_pass', 0, 20_000)


def some_r_squared(mean: float, seed: int) -> np.ndarray:
    return np.random.RandomState(seed).uniform(mean - 0.1, mean + 0.1, (3, 40))


def test_the_error_of_a_difference_agrees_with_the_bootstrap() -> None:
    one, other = some_r_squared(0.8, 0), 2 * some_r_squared(0.3, 1)
    measured = module.above(one, other)
    np.testing.assert_allclose(measured.mean, one.mean() - other.mean())
    np.testing.assert_allclose(measured.per_seed, one.mean(axis=1) - other.mean(axis=1))
    assert measured.n == 120
    random = np.random.RandomState(2)
    drawn = [random.choice(values.ravel(), (4000, 120)).mean(axis=1) for values in (one, other)]
    np.testing.assert_allclose(measured.standard_error, (drawn[0] - drawn[1]).std(), rtol=0.05)


def test_a_gap_is_judged_by_its_own_standard_error() -> None:
    def part(mean: float, seed: int) -> Part:
        return Part(ConfigDict(), (0, 1, 2), {}, {'r_squared': some_r_squared(mean, seed)}, ())

    # Of two means of 120 values from an interval of width 0.2 the difference has a standard error of 0.0075.
    means = {module.PLAIN: 0.30, module.DECAYED: 0.60, module.GAUSSIAN: 0.62, module.SALTED: 0.55}
    found = module.gaps({name: part(mean, seed) for seed, (name, mean) in enumerate(means.items())})
    assert [figure.verdict for figure in found] == ['reproduced', 'reproduced', 'reproduced', 'missed']
    assert [figure.tolerance for figure in found] == [Tolerance('at least', figure.measured.standard_error) for figure in found]


def test_models_differ_in_noise_rate_and_decay_alone() -> None:
    gaussian, salted, ae = (
        module.denoising_config(module.GAUSSIAN),
        module.denoising_config(module.SALTED),
        module.plain_config(0.01, 0.5),
    )
    for config in (gaussian, salted):
        assert isinstance(methods.build(config, SPEC), DAE)
    method = methods.build(ae, SPEC)
    assert type(method) is AE
    assert method.hparams == {'weight_decay': 0.5}
    settings = [plain(config) for config in (gaussian, salted, ae)]
    assert settings[0]['corruption'] != settings[1]['corruption']
    for changed in settings:
        for name in ('method', 'corruption', 'num_corruptions', 'emphasis', 'weight_decay'):
            changed.pop(name, None)
    assert settings[0] == settings[1] == settings[2]


@pytest.mark.parametrize('smoke', [True, False])
def test_a_smoke_test_has_digits_in_place_of_patches(smoke: bool) -> None:
    config = dataclasses.replace(Bench(), smoke=smoke).config(module.plain_config(0.01))
    expected = ('digits', 'standardise') if smoke else ('patches', 'whiten_low_pass')
    assert (config.data.name, config.data.preprocessing) == expected


def test_the_picture_has_a_panel_for_each_model() -> None:
    values = {'filters': np.random.RandomState(0).normal(size=(1, 70, 8, 8)), 'r_squared': np.full((1, 70), 0.25)}
    parts = {name: Part(ConfigDict(), (0,), {}, values, ()) for name in (module.PLAIN, module.SALTED)}
    titles = [axes.get_title() for axes in module.picture(parts).axes]
    assert titles == ['AE: R² 0.25', 'DAE, salt and pepper: R² 0.25']
