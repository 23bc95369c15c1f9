"""Parzen windows against scikit-learn's kernel densities and a mixture that can be written down."""

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.neighbors import KernelDensity

from aejax.evaluation import parzen as module
from aejax.evaluation.parzen import SIGMAS, log_density, parzen
from aejax.types import UserError
from tests.support import scaled


def reference(samples: np.ndarray, sigma: float, x: np.ndarray) -> np.ndarray:
    """scikit-learn's sum over all kernels: with several leaves its tree is wrong by hundreds of nats on some of these digits."""
    density = KernelDensity(bandwidth=sigma, leaf_size=len(samples)).fit(samples.reshape(len(samples), -1))
    return density.score_samples(x.reshape(len(x), -1))


def test_equals_scikit_learn_on_digits_at_every_width(monkeypatch):
    monkeypatch.setattr(module, 'CHUNK', 400 * 64)
    x, samples = scaled('test'), scaled('train')[:400]
    found = log_density(x, samples, SIGMAS)
    assert found.shape == (10, 300)
    for sigma, values in zip(SIGMAS, found, strict=True):
        np.testing.assert_allclose(values, reference(samples, sigma, x), atol=1e-3, rtol=0)


def test_float32_holds_far_from_the_origin():
    random = np.random.default_rng(0)
    x, samples = (100 + 0.1 * random.normal(size=(n, 30)) for n in (20, 50))
    np.testing.assert_allclose(log_density(x, samples, [0.1])[0], reference(samples, 0.1, x), atol=1e-3, rtol=0)


def test_one_sample_is_a_gaussian():
    x = np.asarray([[0.3], [-1.0]])
    np.testing.assert_allclose(log_density(x, [[0.1]], [0.5, 2.0]), [norm.logpdf(x[:, 0], 0.1, s) for s in (0.5, 2.0)], rtol=1e-6)


def test_the_protocol_chooses_the_width_on_validation_and_states_its_grid():
    samples, validation, test = scaled('train')[:500], scaled('validation'), scaled('test')
    found = parzen(samples, validation, test)
    scores = [row['validation'] for row in found['grid']]
    assert [row['sigma'] for row in found['grid']] == pytest.approx(np.logspace(-1, 0, 10))
    assert found['sigma'] == SIGMAS[int(np.argmax(scores))]
    assert (found['samples'], found['num_validation']) == (500, 200)
    values = reference(samples, found['sigma'], test)
    assert found['log_likelihood']['mean'] == pytest.approx(values.mean(), abs=1e-3)
    assert found['log_likelihood']['standard_error'] == pytest.approx(values.std() / np.sqrt(300), rel=0.01)
    assert not found['at_edge']
    assert parzen(samples, validation, test, SIGMAS[5:])['at_edge']


def test_at_most_the_first_thousand_validation_images_score(monkeypatch):
    monkeypatch.setattr(module, 'NUM_VALIDATION', 20)
    samples, validation = scaled('train')[:50], scaled('validation')
    assert parzen(samples, validation, scaled('test')[:5])['grid'] == parzen(samples, validation[:20], scaled('test')[:5])['grid']


def test_what_cannot_be_is_refused():
    with pytest.raises(UserError, match='shape of the data'):
        log_density(np.zeros((2, 3)), np.zeros((2, 4)), [0.1])
    with pytest.raises(UserError, match='must be positive'):
        log_density(np.zeros((2, 3)), np.zeros((2, 3)), [0.1, 0.0])
