"""Conditional adversarial autoencoder along an ordered attribute, Zhang, Song & Qi 2017.

python -m experiments.run --config=configs/conditional_aae.py                 digits by the thickness of their strokes
python -m experiments.run --config=configs/conditional_aae.py:rotation        digits, turned by -40 .. 40 degrees
python -m experiments.run --config=configs/conditional_aae.py:own             digits, at the image's own level only
python -m experiments.run --config=configs/conditional_aae.py:mnist           MNIST by thickness
python -m experiments.run --config=configs/conditional_aae.py:mnist_conv      MNIST by thickness, convolutional
python -m experiments.run --config=configs/conditional_aae.py:mnist_rotation  MNIST, turned by -40 .. 40 degrees
"""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.models import autoencoder, discriminator
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits by thickness), 'rotation', 'own', 'mnist', 'mnist_conv' or 'mnist_rotation'."""
    check_variant(variant, 'rotation', 'own', 'mnist', 'mnist_conv', 'mnist_rotation')
    config = base('conditional_aae')
    config.data.name = 'digits:thickness'
    # At which level the discriminator of images sees what the decoder makes: that of another example ('shuffled'), or the
    # image's own ('own', as in the source).
    config.condition = 'shuffled'
    # 'non_saturating', or 'minimax' as in the source.
    config.generator_loss = 'non_saturating'
    # Beside the squared error, summed over pixels.
    config.weights = {'total_variation': 0.01, 'code_game': 0.5, 'image_game': 0.5}
    config.model = autoencoder.default_config(hidden=(128,), latents=12)
    del config.model.tied, config.model.latent_activation
    config.code_discriminator = discriminator.default_config((64,))
    config.image_discriminator = discriminator.default_config((128,))
    config.image_discriminator.spectral_norm = True
    adam = optimizers.default_config('adam', 1e-3)
    adam.b1 = 0.5
    del config.optimizer
    phases = ('autoencoder', 'code_discriminator', 'image_discriminator')
    config.optimizers = {name: adam.copy_and_resolve_references() for name in phases}
    config.evaluation.samples = 1_000
    config.epochs = 200
    if variant == 'rotation':
        config.data.name, config.model.latents = 'digits:rotation', 8
    if variant == 'own':
        config.condition = 'own'
    if variant.startswith('mnist'):
        config.data.name, config.model.latents, config.model.hidden = 'mnist:thickness', 20, (500, 500)
        config.image_discriminator.hidden, config.code_discriminator.hidden = (500, 500), (200,)
        for section in config.optimizers.values():
            section.learning_rate = 3e-4
        config.optimizers.autoencoder.learning_rate = 1e-3
        config.epochs, config.log_every, config.checkpoint_every = 50, 5.0, 25.0
    if variant == 'mnist_conv':
        config.model.encoder, config.model.hidden = 'conv', (32, 64)
        config.image_discriminator.kind, config.image_discriminator.hidden = 'conv', (32, 64)
    if variant in ('mnist', 'mnist_rotation'):
        # With spectral norms a perceptron is too weak to tell drawings of another level from images of it.
        config.image_discriminator.spectral_norm, config.weights.image_game = False, 1.0
    if variant == 'mnist_rotation':
        # A wider code tells the angle, and leaves the condition unread.
        config.data.name, config.model.latents = 'mnist:rotation', 8
    return config
