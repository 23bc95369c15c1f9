"""The linear autoencoder against principal component analysis."""

import numpy as np
import pytest

from aejax import methods
from aejax.evaluation import subspace
from aejax.types import UserError
from experiments.configs import linear_ae
from tests.support import digits, scaled, train

NUM = 10


@pytest.fixture(scope='module')
def pca():
    return subspace.pca_baseline(scaled('train'), NUM)


@pytest.mark.parametrize('variant', ['', 'tied'])
def test_it_reaches_the_subspace_of_pca(pca, variant):
    config = linear_ae.get_config(variant)
    config.batch_size, config.epochs, config.optimizer.learning_rate, config.optimizer.schedule = 200, 1000, 1e-2, 'cosine'
    method, state = train(config)
    kernel = np.asarray(state.params['encoder']['layer_0']['kernel'])
    assert kernel.shape == (64, NUM)
    decoder = kernel if variant == 'tied' else np.asarray(state.params['decoder']['layer_0']['kernel']).T
    assert subspace.principal_angles(decoder, pca.components.T)[0] < 0.5
    found = method.reconstruct(state.params, state.mutables, scaled('train'))
    assert subspace.error_ratio(scaled('train'), found, pca) == pytest.approx(1, abs=1e-4)
    if variant == 'tied':
        np.testing.assert_allclose(kernel.T @ kernel, np.eye(NUM), atol=2e-3)
    else:
        assert np.abs(kernel.T @ kernel - np.eye(NUM)).max() > 0.01  # the basis is not PCA's


@pytest.mark.parametrize(
    'change',
    [{'loss': 'cross_entropy'}, {'model.output': 'sigmoid'}, {'model.latent_activation': 'relu'}, {'model.hidden': (5,)}],
)
def test_what_is_not_linear_is_refused(change):
    config = linear_ae.get_config('')
    config.update_from_flattened_dict(change)
    with pytest.raises(UserError, match="use method='ae' for anything else"):
        methods.build(config, digits().spec)
