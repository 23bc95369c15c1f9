"""Probes with few labels, on the digits' leading principal components."""

import numpy as np
import pytest

from aejax.data.labels import split_labels
from aejax.evaluation.label_probes import PROBES, probe_errors
from aejax.types import UserError
from tests.support import digits


@pytest.fixture(scope='module')
def codes():
    from sklearn.decomposition import PCA

    streams = split_labels(digits().split('train'), 100, 0, 10)
    flat = {name: stream['x'].reshape(-1, 64) / 255 for name, stream in streams.items()}
    model = PCA(16, random_state=0).fit(flat['unlabelled'])
    found = {name: model.transform(x) for name, x in flat.items()}
    test = digits().split('test')
    return found, streams['labelled']['label'], model.transform(test['x'].reshape(-1, 64) / 255), test['label']


def test_errors_with_a_hundred_labels(codes):
    found, label, test, test_label = codes
    errors = {name: probe_errors(name, found['labelled'], label, found['unlabelled'], test, test_label) for name in PROBES}
    assert all(set(np.unique(wrong)) <= {0.0, 1.0} and wrong.shape == (300,) for wrong in errors.values())
    means = {name: wrong.mean() for name, wrong in errors.items()}
    assert 0.03 < means['1 nearest neighbour'] < 0.12
    assert 0.05 < means['linear SVM'] < 0.18
    assert means['self-trained SVM'] < means['linear SVM'] - 0.01


def test_unlabelled_codes_matter_to_the_probe_that_looks_at_them(codes):
    found, label, test, test_label = codes
    shuffled = np.random.default_rng(0).permuted(found['unlabelled'], axis=0)
    for name, (_, looks) in PROBES.items():
        one, other = (probe_errors(name, found['labelled'], label, x, test, test_label) for x in (found['unlabelled'], shuffled))
        assert np.array_equal(one, other) != looks, name


def test_what_cannot_be_is_refused(codes):
    found, label, test, test_label = codes
    with pytest.raises(UserError, match='choose one of 1 nearest neighbour'):
        probe_errors('tree', found['labelled'], label, found['unlabelled'], test, test_label)
    with pytest.raises(UserError, match='two classes'):
        probe_errors('linear SVM', found['labelled'][:3], np.zeros(3, int), found['unlabelled'], test, test_label)
    with pytest.raises(UserError, match='at least 3 of every class'):
        probe_errors('self-trained SVM', found['labelled'][:20], np.arange(20) % 10, found['unlabelled'], test, test_label)
