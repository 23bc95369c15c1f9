import json
import subprocess
import sys

import numpy as np
import pytest

from aejax import data
from aejax.data import dataset
from aejax.types import PREPROCESSING, UNIT_INTERVAL_PREPROCESSING, DataSpec, UserError


@pytest.mark.parametrize(
    ('name', 'arguments', 'message'),
    [
        ('mnsit', {}, "unknown data set 'mnsit', did you mean 'mnist'"),
        ('cifar', {}, "unknown data set 'cifar': there are digits, mnist"),
        ('digits', {'preprocessing': 'raw'}, "digits cannot be preprocessed by 'raw': it allows scale, dynamic_binarisation"),
        (
            'digits',
            {'preprocessing': 'scael'},
            "unknown preprocessing 'scael', did you mean 'scale'? digits allows scale, dynamic",
        ),
        ('ring', {'preprocessing': 'nothing'}, "unknown preprocessing 'nothing': ring allows standardise"),
        ('', {}, 'the data set has no name: data.name must be one of digits, mnist'),
        ('mnist', {'preprocessing': 'whiten'}, "mnist cannot be preprocessed by 'whiten'"),
        ('spiral', {'preprocessing': 'scale'}, "spiral cannot be preprocessed by 'scale': it allows standardise, whiten, raw"),
        ('patches', {'preprocessing': 'raw'}, 'it allows standardise, whiten, whiten_low_pass, scale'),
        ('patches', {'patch_size': 97}, 'patch_size 97 does not fit into the photographs: choose 1 to 96'),
        ('patches', {'patch_size': 0}, 'patch_size 0 does not fit'),
        ('digits', {'seed': -1}, 'the seed of the data=-1 must be a whole number between 0 and'),
    ],
)
def test_misuse_is_one_line_that_says_what_to_do(name, arguments, message):
    with pytest.raises(UserError) as caught:
        data.load(name, **arguments)
    assert message in str(caught.value)
    assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', [name for name in data.NAMES if 'mnist' not in name])
def test_every_embedded_set_is_typed_described_and_read_only(name):
    loaded = data.load(name)
    dtype = np.uint8 if loaded.spec.is_unit_interval else np.float32
    for split in loaded.splits.values():
        assert split['x'].dtype == dtype
        assert split['x'].shape[1:] == loaded.spec.shape
        assert len({len(array) for array in split.values()}) == 1
        assert ('label' in split) == (loaded.spec.num_classes > 0)
        assert all(split[key].dtype == kind for key, kind in (('label', np.int32), ('coordinates', np.float32)) if key in split)
        with pytest.raises(ValueError, match='read-only'):
            split['x'][0] = 0
    description = json.loads(json.dumps(loaded.describe()))
    assert description['fingerprint'] == data.load(name).fingerprint
    assert description['sizes'] == {key: len(split['x']) for key, split in loaded.splits.items()}
    assert description['shape'] == list(loaded.spec.shape)
    assert description['num_coordinates'] == loaded.split('train').get('coordinates', np.ones((1, 0))).shape[1]
    assert loaded.spec.num_examples == description['sizes']['train']


def test_unknown_split_is_refused():
    with pytest.raises(UserError, match="digits has no split 'dev': choose one of train, validation, test"):
        data.load('digits').split('dev')


def test_fingerprint_sees_every_change_and_nothing_else():
    base = {'train': {'x': np.arange(6, dtype=np.uint8), 'label': np.arange(6, dtype=np.int32)}}
    x = base['train']['x']
    same = {'train': {'label': base['train']['label'].astype('>i4'), 'x': np.stack([x, x], axis=1)[:, 0]}}
    assert dataset.fingerprint(same) == dataset.fingerprint(base)
    others = [
        {'test': base['train']},
        {'train': {**base['train'], 'x': x[::-1]}},
        {'train': {**base['train'], 'x': x.view(np.int8)}},
        {'train': {**base['train'], 'x': x.reshape(2, 3)}},
        {'train': {'y': x, 'label': base['train']['label']}},
    ]
    assert len({dataset.fingerprint(splits) for splits in [base, *others]}) == 6


def test_unit_interval_is_what_a_bernoulli_likelihood_asks_for():
    intervals = [name for name in PREPROCESSING if DataSpec('digits', (8, 8, 1), name).is_unit_interval]
    assert tuple(intervals) == UNIT_INTERVAL_PREPROCESSING == ('scale', 'dynamic_binarisation', 'static_binarisation')


def test_import_is_cheap():
    heavy = '{"tensorflow_datasets", "sklearn", "scipy.stats", "grain", "array_record", "matplotlib"}'
    code = f'import sys, aejax.data; sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
