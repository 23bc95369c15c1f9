"""Contractive autoencoder, Rifai et al. 2011.

python -m experiments.run --config=configs/cae.py            digits, 64-256 sigmoid, tied, cross-entropy
python -m experiments.run --config=configs/cae.py:mnist      the paper's one layer: 784-1000 sigmoid, tied, cross-entropy
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits) or 'mnist'."""
    check_variant(variant, 'mnist')
    config = base('cae')
    config.loss = 'cross_entropy'
    config.weight_decay = 0.0
    config.penalty_weight = 0.1
    config.penalty_form = 'auto'
    config.model = autoencoder.default_config(hidden=(), latents=256)
    config.model.latent_activation = 'sigmoid'
    config.model.tied = True
    config.epochs = 200
    if variant == 'mnist':
        config.data.name = 'mnist'
        config.model.latents = 1000
        config.epochs = 60
        config.log_every, config.checkpoint_every = 2.0, 10.0
    return config
