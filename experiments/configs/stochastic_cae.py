"""Stochastic contractive autoencoder: the CAE's penalty estimated from corrupted inputs.

python -m experiments.run --config=configs/stochastic_cae.py         digits, 64-256 sigmoid, tied, Gaussian noise of std .1
python -m experiments.run --config=configs/stochastic_cae.py:mnist   784-1000 sigmoid, tied

To first order, weight times variance of the noise is the CAE's own weight: .1, as in configs/cae.py.
"""

from ml_collections import ConfigDict

from aejax import corruption
from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits) or 'mnist'."""
    check_variant(variant, 'mnist')
    config = base('stochastic_cae')
    config.loss = 'cross_entropy'
    config.weight_decay = 0.0
    config.penalty_weight = 10.0
    config.corruption = corruption.default_config('gaussian', 0.1)
    config.num_corruptions = 1
    config.model = autoencoder.default_config(hidden=(), latents=256)
    config.model.latent_activation = 'sigmoid'
    config.model.tied = True
    config.epochs = 200
    if variant == 'mnist':
        config.data.name = 'mnist'
        config.model.latents = 1000
        config.epochs, config.log_every, config.checkpoint_every = 60, 2.0, 10.0
    return config
