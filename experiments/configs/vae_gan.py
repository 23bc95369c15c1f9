"""VAE-GAN, Larsen et al. 2016.

python -m experiments.run --config=configs/vae_gan.py          digits, perceptrons
python -m experiments.run --config=configs/vae_gan.py:conv     digits, convolutional
python -m experiments.run --config=configs/vae_gan.py:mnist    MNIST, perceptrons
python -m experiments.run --config=configs/vae_gan.py:dcgan    MNIST, convolutional
"""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.models import autoencoder, discriminator
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'conv', 'mnist' or 'dcgan'."""
    check_variant(variant, 'conv', 'mnist', 'dcgan')
    config = base('vae_gan')
    # log sigma^2 of the discriminator's features (0 in the source: the code of these few features would stay unused), and the
    # weight of their likelihood in the decoder's loss, beside the game.
    config.feature_log_variance, config.gamma = -4.0, 0.2
    # 'non_saturating', or 'minimax' as in the source.
    config.generator_loss = 'non_saturating'
    # The hidden layer of the discriminator in which x and its reconstruction are compared; -1 is the last.
    config.feature_layer = -1
    config.model = autoencoder.default_config(hidden=(128,), latents=8)
    del config.model.tied, config.model.latent_activation
    config.discriminator = discriminator.default_config((128,))
    adam = optimizers.default_config('adam', 1e-3)
    adam.b1 = 0.5
    del config.optimizer
    config.optimizers = {name: adam.copy_and_resolve_references() for name in ('encoder', 'decoder', 'discriminator')}
    config.evaluation.samples = 1_000
    config.epochs = 200
    if variant in ('conv', 'dcgan'):
        config.model.encoder, config.model.hidden = 'conv', (32, 64)
        config.discriminator.kind, config.discriminator.hidden = 'conv', (32, 64)
    if variant in ('mnist', 'dcgan'):
        config.data.name, config.model.latents = 'mnist', 20
        for section in config.optimizers.values():
            section.learning_rate = 3e-4
        # Without it the features of these wider nets grow, and with them what a reconstruction costs.
        config.discriminator.spectral_norm, config.feature_log_variance = True, -6.0
        config.epochs, config.log_every, config.checkpoint_every = 50, 5.0, 25.0
    if variant == 'mnist':
        config.model.hidden, config.discriminator.hidden = (500, 500), (500, 500)
    return config
