"""Adversarial autoencoder, Makhzani et al. 2016.

python -m experiments.run --config=configs/adversarial_ae.py              digits, 2-D code over ten Gaussians
python -m experiments.run --config=configs/adversarial_ae.py:roll         digits, 2-D code over a swiss roll
python -m experiments.run --config=configs/adversarial_ae.py:classes      digits, every class on its own Gaussian
python -m experiments.run --config=configs/adversarial_ae.py:supervised   digits, class to the decoder: analogies
python -m experiments.run --config=configs/adversarial_ae.py:mnist        two layers of 1,200, 8 latents, N(0, 5^2 I), dropout
python -m experiments.run --config=configs/adversarial_ae.py:plane        MNIST, 2-D code over a swiss roll
python -m experiments.run --config=configs/adversarial_ae.py:paper        two layers of 1,000, SGD in the paper's spirit
"""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.models import autoencoder, discriminator
from aejax.priors import shapes
from experiments.configs.base import base, check_variant

VARIANTS = ('roll', 'classes', 'supervised', 'mnist', 'plane', 'paper')


def adversaries(config: ConfigDict) -> None:
    """Gives a config the sections that all adversarial autoencoders have, with Adam at 1e-3."""
    config.loss = 'squared_error'
    # 'deterministic', 'gaussian', or 'universal': with so many numbers of noise among the encoder's inputs.
    config.posterior, config.noise = 'deterministic', 16
    # Standard deviation of the noise on the encoder's input in training.
    config.input_noise = 0.0
    config.generator_loss, config.real_label = 'non_saturating', 1.0
    config.model = autoencoder.default_config(hidden=(128, 128), latents=2)
    config.model.dropout = 0.0
    del config.model.tied, config.model.latent_activation
    config.discriminator = discriminator.default_config((128, 128))
    adam = optimizers.default_config('adam', 1e-3)
    adam.b1 = 0.5
    del config.optimizer
    config.optimizers = {
        'reconstruction': optimizers.default_config('adam', 1e-3),
        'discriminator': adam,
        'generator': adam.copy_and_resolve_references(),
    }


def paper_schedule(config: ConfigDict) -> None:
    """SGD in the spirit of the paper's appendix; rates fall to a tenth at epoch 50 and to a hundredth at epoch 1,000.

    From memory, and of semi-supervised training there: reconstruction at .01 with momentum .9, adversaries at .1 with momentum
    .1, those drops. The scale of the error is a reading. After 1,000 steps on MNIST, where the mean image has a squared error of
    52.8: .01 on the mean over pixels has hardly moved (56.5), .01 on half the sum over pixels diverges, .001 on that has reached
    33.7. It is the last: .0005 on the sum, which is the error here.
    """
    for name, section in config.optimizers.items():
        section.name = 'sgd'
        section.learning_rate, section.momentum = (5e-4, 0.9) if name == 'reconstruction' else (0.1, 0.1)
        section.schedule, section.drops = 'piecewise_epochs', ((50.0, 0.1), (1_000.0, 0.01))


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'roll', 'classes', 'supervised', 'mnist', 'plane' or 'paper'."""
    check_variant(variant, *VARIANTS)
    config = base('adversarial_ae')
    config.evaluation.samples = 1_000
    adversaries(config)
    # Who is told the class: 'none', 'discriminator' or 'decoder'.
    config.labels = 'none'
    config.prior = shapes.default_config('mixture', 4.0)
    if variant not in ('mnist', 'paper'):
        # At constant rates the codes of one seed in two come to rest beside the swiss roll.
        for section in config.optimizers.values():
            section.schedule = 'cosine'
    config.epochs = 200
    if variant == 'roll':
        config.prior.kind = 'swiss_roll'
    if variant == 'classes':
        config.labels = 'discriminator'
    if variant == 'supervised':
        config.labels, config.prior, config.model.latents = 'decoder', shapes.default_config('normal'), 4
    if variant in ('mnist', 'paper'):
        config.data.name = 'mnist'
        config.model.hidden, config.model.latents = (1200, 1200), 8
        config.model.dropout = config.discriminator.dropout = 0.2
        config.discriminator.hidden, config.discriminator.activation = (1200, 1200), 'relu'
        config.prior = shapes.default_config('normal', 5.0)
        config.optimizers.reconstruction.learning_rate = 2e-4
        config.optimizers.discriminator.learning_rate = config.optimizers.generator.learning_rate = 1e-4
        config.epochs, config.log_every, config.checkpoint_every = 200, 5.0, 25.0
    if variant == 'plane':
        # As on the digits, unlike 'mnist': one rate for all phases, and no dropout, which D would see and nobody after training.
        config.data.name, config.prior.kind = 'mnist', 'swiss_roll'
        config.model.hidden = config.discriminator.hidden = (1200, 1200)
        config.epochs, config.log_every, config.checkpoint_every = 6, 1.0, 2.0
    if variant == 'paper':
        config.model.hidden = config.discriminator.hidden = (1000, 1000)
        config.model.dropout = config.discriminator.dropout = 0.0
        paper_schedule(config)
    return config
