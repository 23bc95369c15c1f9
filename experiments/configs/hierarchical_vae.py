"""Variational autoencoder with two stochastic layers, Burda, Grosse & Salakhutdinov 2016.

python -m experiments.run --config=configs/hierarchical_vae.py         digits, 64-128-16-32-8, five samples, IWAE objective
python -m experiments.run --config=configs/hierarchical_vae.py:vae     the same with the ELBO as objective
python -m experiments.run --config=configs/hierarchical_vae.py:mnist   784-200-200-100-100-100-50, tanh, k = 5, eight stages
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder, observation
from experiments.configs.base import base, check_variant
from experiments.configs.iwae import burda2015


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'vae' or 'mnist'."""
    check_variant(variant, 'vae', 'mnist')
    config = base('hierarchical_vae')
    config.num_samples = 5
    config.objective = 'vae' if variant == 'vae' else 'iwae'
    config.gradient = 'plain'
    # Whether the decoder's last bias starts at the mean of the data, and not at zero.
    config.starts_at_mean = False
    config.likelihood = observation.default_config()
    config.model = autoencoder.default_config(hidden=(128,), latents=16)
    del config.model.tied, config.model.latent_activation
    # Of the second stochastic layer: perceptrons between the codes, and its size.
    config.model.upper_hidden, config.model.upper_latents = (32,), 8
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    config.evaluation.importance_samples = 500
    if variant == 'mnist':
        config.model.hidden, config.model.latents, config.model.activation = (200, 200), 100, 'tanh'
        config.model.upper_hidden, config.model.upper_latents = (100, 100), 50
        burda2015(config)
    return config
