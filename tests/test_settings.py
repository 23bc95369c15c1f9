"""Numbers that must lie in a range, and the methods that say so."""

import math

import numpy as np
import pytest
from ml_collections import ConfigDict

from aejax import methods
from aejax.settings import check_counts, check_ranges, check_seed
from aejax.types import UserError
from experiments.configs import ae, cae, vae
from tests.support import digits


def test_the_lowest_value_is_allowed_and_the_end_is_not():
    ranges = {'rate': (0.0, 1.0), 'weight': (0.0, math.inf)}
    check_ranges(ConfigDict({'rate': 0.0, 'weight': 1e30, 'other': -1}), ranges)
    with pytest.raises(UserError, match=r'^noise\.rate=1\.0 must be at least 0 and below 1$'):
        check_ranges(ConfigDict({'rate': 1.0, 'weight': 0.0}), ranges, 'noise')
    for wrong in (-1e-9, math.nan, math.inf):
        with pytest.raises(UserError, match=r'^weight=.* must be at least 0$'):
            check_ranges(ConfigDict({'rate': 0.5, 'weight': wrong}), ranges)


def test_seeds_and_counts():
    for seed in (0, 2**32 - 1, np.int64(3)):
        check_seed(seed)
    for seed in (-1, 2**32, 1.0, True):
        with pytest.raises(UserError, match=f'^noise={seed} must be a whole number between 0 and 4294967295$'):
            check_seed(seed, 'noise')
    check_counts({'chains': 1, 'steps': np.int32(5)})
    for count in (0, -1, 2.0, True):
        with pytest.raises(UserError, match=f'^steps={count} must be a whole number of at least 1$'):
            check_counts({'chains': 1, 'steps': count})


@pytest.mark.parametrize(
    ('module', 'key', 'value', 'message'),
    [
        (ae, 'weight_decay', -0.1, r'weight_decay=-0.1 must be at least 0'),
        (cae, 'penalty_weight', -1.0, r'penalty_weight=-1.0 must be at least 0'),
        (vae, 'beta', -1.0, r'beta=-1.0 must be at least 0'),
        (vae, 'num_samples', 0, r'num_samples=0 must be at least 1'),
        (ae, 'optimizer.warmup_steps', 1201, 'warmup_steps=1201 must be at most the 1200 steps'),
        (ae, 'epochs', 10**7, 'epochs=10000000 must lie between 1 and 1,000,000'),
        (ae, 'model.latents', 10**7, r'model.latents=10000000 .* between 1 and 1,000,000'),
        (ae, 'model.latents', True, 'widths must be whole numbers'),
        (vae, 'model.hidden', (True,), r'model.hidden=\(True,\): widths must be whole numbers'),
    ],
)
def test_methods_refuse_what_cannot_be(module, key, value, message):
    config = module.get_config()
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=message) as caught:
        methods.build(config, digits().spec)
    assert '\n' not in str(caught.value)
