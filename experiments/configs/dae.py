"""Denoising autoencoder, Vincent et al. 2010.

python -m experiments.run --config=configs/dae.py            digits, 64-256 sigmoid, tied, a quarter of the inputs masked
python -m experiments.run --config=configs/dae.py:mnist      784-1000 sigmoid, tied, masking: DAE-b of Rifai et al. 2011
python -m experiments.run --config=configs/dae.py:gaussian   the same with Gaussian noise: DAE-g
python -m experiments.run --config=configs/dae.py:patches    edges of natural patches, 144-200, Gaussian noise of std .5

Squared error an image on MNIST's test split after 10 epochs, seed 0, of corrupted inputs, of what is made of them, and of PCA's
projection at its best number of components: 22.3, 5.6 and 14.4 masked; 70.6, 5.0 and 12.8 with Gaussian noise.

Patches, seed 0: 36.1 of corrupted patches and 4.4 of what is made of them; Gabor functions explain .88 of the filters, and 94 %
are oriented edges. Without noise .17 and none (`python -m experiments.reproduce vincent2010.patches`).
"""

from ml_collections import ConfigDict

from aejax import corruption
from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'mnist', 'gaussian' or 'patches'."""
    check_variant(variant, 'mnist', 'gaussian', 'patches')
    config = base('dae')
    config.loss = 'cross_entropy'
    config.weight_decay = 0.0
    config.corruption = corruption.default_config('masking', 0.25)
    config.num_corruptions = 1
    # Weights of the loss on corrupted inputs and on the others; Gaussian noise corrupts all.
    config.emphasis = {'corrupted': 1.0, 'uncorrupted': 1.0}
    config.model = autoencoder.default_config(hidden=(), latents=256)
    config.model.latent_activation = 'sigmoid'
    config.model.tied = True
    config.epochs = 200
    if variant in ('mnist', 'gaussian'):
        config.data.name = 'mnist'
        config.model.latents = 1000
        config.epochs, config.log_every, config.checkpoint_every = 60, 2.0, 10.0
    if variant == 'gaussian':
        config.corruption.kind, config.corruption.level = 'gaussian', 0.3
    if variant == 'patches':
        # Filters stay speckled at a rate of 1e-3, with 50 units, without the low-pass, or with noise of 0.1.
        config.data.name, config.data.preprocessing = 'patches', 'whiten_low_pass'
        config.loss, config.model.output = 'squared_error', 'identity'
        config.corruption.kind, config.corruption.level = 'gaussian', 0.5
        config.model.latents = 200
        config.optimizer.learning_rate, config.optimizer.schedule = 1e-2, 'cosine'
        config.epochs, config.log_every, config.checkpoint_every = 100, 5.0, 50.0
    return config
