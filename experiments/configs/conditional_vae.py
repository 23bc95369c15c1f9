"""Conditional variational autoencoder: M2 of Kingma et al. 2014 with all labels known.

python -m experiments.run --config=configs/conditional_vae.py         digits, 64-128-8: styles and classes apart
python -m experiments.run --config=configs/conditional_vae.py:mnist   784-500-20, the setting of configs/vae.py:mnist, to compare
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder, observation
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits) or 'mnist'."""
    check_variant(variant, 'mnist')
    config = base('conditional_vae')
    config.likelihood = observation.default_config()
    config.model = autoencoder.default_config(hidden=(128,), latents=8)
    del config.model.tied, config.model.latent_activation
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    if variant == 'mnist':
        config.data.name, config.data.preprocessing = 'mnist', 'static_binarisation'
        config.model.hidden, config.model.latents = (500,), 20
        config.batch_size = 128
        config.epochs, config.log_every, config.checkpoint_every = 30, 1.0, 10.0
    return config
