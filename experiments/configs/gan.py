"""Generative adversarial network, Goodfellow et al. 2014.

python -m experiments.run --config=configs/gan.py            digits, perceptrons, R1
python -m experiments.run --config=configs/gan.py:conv       digits, convolutional after DCGAN
python -m experiments.run --config=configs/gan.py:mnist      MNIST, perceptrons of 1,200 units with dropout
python -m experiments.run --config=configs/gan.py:dcgan      MNIST, convolutional, R1
"""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.models import autoencoder, discriminator
from aejax.priors import shapes
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'conv', 'mnist' or 'dcgan'."""
    check_variant(variant, 'conv', 'mnist', 'dcgan')
    config = base('gan')
    config.evaluation.samples = 1_000
    # 'non_saturating' or 'minimax'.
    config.generator_loss = 'non_saturating'
    # The discriminator's target for real data (0.9: one-sided label smoothing), the weight of R1, its updates a step.
    config.real_label, config.r1, config.discriminator_steps = 1.0, 1.0, 1
    config.prior = shapes.default_config()
    # The generator is the decoder of an autoencoder of these widths: 'hidden' is given from the data's side.
    config.model = autoencoder.default_config(hidden=(128, 128), latents=16)
    del config.model.tied, config.model.latent_activation
    config.discriminator = discriminator.default_config((128, 128))
    adam = optimizers.default_config('adam', 1e-3)
    adam.b1 = 0.5
    del config.optimizer
    config.optimizers = {'discriminator': adam, 'generator': adam.copy_and_resolve_references()}
    config.epochs = 200
    if variant in ('conv', 'dcgan'):
        config.model.encoder, config.model.hidden = 'conv', (32, 64)
        config.discriminator.kind, config.discriminator.hidden = 'conv', (32, 64)
    if variant in ('mnist', 'dcgan'):
        config.data.name = 'mnist'
        for section in config.optimizers.values():
            section.learning_rate = 2e-4
        config.epochs, config.log_every, config.checkpoint_every = 100, 5.0, 25.0
    if variant == 'mnist':
        config.model.hidden, config.model.latents = (1200, 1200), 100
        config.discriminator.hidden, config.discriminator.dropout = (1200, 1200), 0.3
        config.real_label, config.r1 = 0.9, 0.0
    if variant == 'dcgan':
        config.model.latents = 100
    return config
