"""Linear autoencoder = PCA, Baldi & Hornik 1989.

python -m experiments.run --config=configs/linear_ae.py          digits, 10 dimensions
python -m experiments.run --config=configs/linear_ae.py:tied     with W_d = W_e^T: W^T W = I at the optimum
python -m experiments.run --config=configs/linear_ae.py:mnist    MNIST, 10 dimensions
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'tied' or 'mnist'."""
    check_variant(variant, 'tied', 'mnist')
    config = base('linear_ae')
    config.loss = 'squared_error'
    config.weight_decay = 0.0
    config.model = autoencoder.default_config(hidden=(), latents=10)
    config.model.output = 'identity'
    # Steps are cheap here, and the subspace of the smallest components is found last.
    config.optimizer.learning_rate, config.optimizer.schedule = 1e-2, 'cosine'
    config.batch_size = 200
    config.epochs, config.log_every, config.checkpoint_every = 1000, 50.0, 250.0
    if variant == 'tied':
        config.model.tied = True
    if variant == 'mnist':
        config.data.name = 'mnist'
        config.batch_size, config.optimizer.learning_rate = 500, 3e-3
        config.epochs, config.log_every, config.checkpoint_every = 60, 2.0, 10.0
    return config
