"""Autoencoder, Hinton & Salakhutdinov 2006.

python -m experiments.run --config=configs/ae.py             digits, 64-128-8
python -m experiments.run --config=configs/ae.py:mnist       784-512-256-32, squared error: a third of PCA-32's
python -m experiments.run --config=configs/ae.py:conv        convolutional, on the digits
python -m experiments.run --config=configs/ae.py:roll        swiss roll, 3 dimensions to 2
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'mnist', 'conv' or 'roll'."""
    check_variant(variant, 'mnist', 'conv', 'roll')
    config = base('ae')
    config.loss = 'squared_error'
    config.weight_decay = 0.0
    config.model = autoencoder.default_config(hidden=(128,), latents=8)
    if variant == 'mnist':
        config.data.name = 'mnist'
        config.model.hidden, config.model.latents = (512, 256), 32
        config.optimizer.schedule = 'cosine'
        config.batch_size = 128
        config.epochs, config.log_every, config.checkpoint_every = 20, 1.0, 5.0
    if variant == 'conv':
        config.model.encoder, config.model.hidden = 'conv', (16, 32)
    if variant == 'roll':
        config.data.name, config.data.preprocessing = 'swiss_roll', 'standardise'
        config.model.hidden, config.model.latents = (64, 64), 2
        config.model.activation, config.model.output = 'tanh', 'identity'
        config.epochs = 200
    return config
