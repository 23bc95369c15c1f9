"""Variational autoencoder, Kingma & Welling 2014.

python -m experiments.run --config=configs/vae.py            digits, 64-128-2: manifold picture
python -m experiments.run --config=configs/vae.py:mnist      784-500-20, static binarisation, Adam 1e-3: bound near -101 nats
python -m experiments.run --config=configs/vae.py:manifold   784-500-2 on MNIST
python -m experiments.run --config=configs/vae.py:gaussian   digits, Gaussian decoder with a learned variance
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'mnist', 'manifold' or 'gaussian'."""
    check_variant(variant, 'mnist', 'manifold', 'gaussian')
    config = base('vae')
    config.beta = 1.0
    config.num_samples = 1
    config.likelihood = {'family': 'bernoulli', 'log_variance': 0.0, 'learns_variance': False}
    config.model = autoencoder.default_config(hidden=(128,), latents=2)
    del config.model.tied, config.model.latent_activation
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    if variant in ('mnist', 'manifold'):
        config.data.name, config.data.preprocessing = 'mnist', 'static_binarisation'
        config.model.hidden, config.model.latents = (500,), 20 if variant == 'mnist' else 2
        config.batch_size = 128
        config.epochs, config.log_every, config.checkpoint_every = 30, 1.0, 10.0
    if variant == 'gaussian':
        config.data.preprocessing = 'scale'
        # Near the variance that digits end with: from a variance of 1 the latents stay unused.
        config.likelihood = {'family': 'gaussian', 'log_variance': -3.0, 'learns_variance': True}
        config.model.latents = 8
    return config
