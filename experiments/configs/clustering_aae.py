"""Clustering with an adversarial autoencoder, Makhzani et al. 2016, sections 5 and 6.

python -m experiments.run --config=configs/clustering_aae.py                        digits, 16 clusters
python -m experiments.run --config=configs/clustering_aae.py:heads                  digits in the plane, around 20 cluster heads
python -m experiments.run --config=configs/clustering_aae.py:mnist                  two layers of 1,000, 16 clusters
python -m experiments.run --config=configs/clustering_aae.py:mnist --config.clusters=30
"""

from ml_collections import ConfigDict

from aejax.models import discriminator
from aejax.priors import shapes
from experiments.configs.adversarial_ae import adversaries
from experiments.configs.base import base, check_variant

ADVERSARIES = ('discriminator', 'generator')


def two_codes(config: ConfigDict) -> None:
    """The sections of an adversarial autoencoder with a category and a style."""
    adversaries(config)
    config.prior = shapes.default_config()
    config.category_discriminator = discriminator.default_config((128, 128))
    # Without it this discriminator is soon sure, and a few categories take all the images. That of the style is better without.
    config.category_discriminator.spectral_norm = True
    # Cluster heads: the decoder is told y W + z, and rows of W closer than the distance repel each other.
    config.heads, config.head_distance = False, 0.0


def mnist(config: ConfigDict) -> None:
    """MNIST with two layers of 1,000 ReLU in each net, as elsewhere in the paper.

    Its own nets for clustering are larger, from memory: two layers of 3,000, a fifth of the input dropped, 1,500 epochs. In place
    of so many epochs: eight times the usual rates, falling to nothing.
    """
    config.data.name = 'mnist'
    config.model.hidden = (1000, 1000)
    for section in (config.discriminator, config.category_discriminator):
        section.hidden, section.activation = (1000, 1000), 'relu'
    for name, section in config.optimizers.items():
        section.learning_rate, section.schedule = (8e-4 if name in ADVERSARIES else 1.6e-3), 'cosine'
    config.epochs, config.log_every, config.checkpoint_every = 30, 1.0, 5.0


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'heads' or 'mnist'."""
    check_variant(variant, 'heads', 'mnist')
    config = base('clustering_aae')
    config.evaluation.samples = 1_000
    two_codes(config)
    # A style that is sure of all it says says the class, too, and leaves the category idle.
    config.clusters, config.model.latents, config.posterior = 16, 4, 'gaussian'
    config.epochs = 300
    if variant == 'heads':
        config.clusters, config.model.latents, config.posterior = 20, 2, 'deterministic'
        config.heads, config.head_distance = True, 4.0
    if variant == 'mnist':
        config.model.latents, config.posterior, config.model.dropout = 5, 'deterministic', 0.4
        mnist(config)
        config.epochs = 15
    return config
