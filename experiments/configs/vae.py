"""Variational autoencoder, Kingma & Welling 2014.

python -m experiments.run --config=configs/vae.py            digits, 64-128-2: manifold picture
python -m experiments.run --config=configs/vae.py:mnist      784-500-20, static binarisation, Adam 1e-3: bound near -101 nats
python -m experiments.run --config=configs/vae.py:manifold   784-500-2 on MNIST
python -m experiments.run --config=configs/vae.py:gaussian   digits, Gaussian decoder with a learned variance
python -m experiments.run --config=configs/vae.py:conv       digits, convolutional encoder and decoder
python -m experiments.run --config=configs/vae.py:mixture    digits, prior a learned mixture of ten Gaussians over two latents
python -m experiments.run --config=configs/vae.py:vamp       digits, VampPrior of 50 pseudo-inputs (Tomczak & Welling 2018)
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder, observation
from aejax.priors import prior
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'mnist', 'manifold', 'gaussian', 'conv', 'mixture' or 'vamp'."""
    check_variant(variant, 'mnist', 'manifold', 'gaussian', 'conv', 'mixture', 'vamp')
    config = base('vae')
    config.beta = 1.0
    config.num_samples = 1
    # Epochs in which beta grows from 0 to its value; nats that each latent dimension may cost for nothing.
    config.warmup_epochs = 0
    config.free_bits = 0.0
    # Whether the decoder's last bias starts at the mean of the data, and not at zero.
    config.starts_at_mean = False
    config.likelihood = observation.default_config()
    config.prior = prior.default_config()
    config.model = autoencoder.default_config(hidden=(128,), latents=2)
    del config.model.tied, config.model.latent_activation
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    config.evaluation.importance_samples = 500
    if variant in ('mnist', 'manifold'):
        config.data.name, config.data.preprocessing = 'mnist', 'static_binarisation'
        config.model.hidden, config.model.latents = (500,), 20 if variant == 'mnist' else 2
        config.batch_size = 128
        config.epochs, config.log_every, config.checkpoint_every = 30, 1.0, 10.0
    if variant == 'gaussian':
        config.data.preprocessing = 'scale'
        # Near the variance that digits end with: from a variance of 1 the latents stay unused.
        config.likelihood = observation.default_config('gaussian', -3.0, True)
        config.model.latents = 8
    if variant == 'conv':
        config.model.encoder, config.model.hidden, config.model.latents = 'conv', (16, 32), 8
    if variant == 'mixture':
        config.prior = prior.default_config('mixture', 10)
    if variant == 'vamp':
        config.prior, config.model.latents = prior.default_config('vamp', 50), 8
    return config
