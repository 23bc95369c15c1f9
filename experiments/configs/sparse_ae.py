"""Sparse autoencoders: a target rate of activation (Ng 2011), an L1 penalty, the k largest units (Makhzani & Frey 2014).

python -m experiments.run --config=configs/sparse_ae.py            digits, 64-256 sigmoid, KL to a rate of .05
python -m experiments.run --config=configs/sparse_ae.py:l1         digits, 64-256 ReLU, tied, L1
python -m experiments.run --config=configs/sparse_ae.py:k_sparse   centred digits, 64-256, linear, tied, the 10 largest units
python -m experiments.run --config=configs/sparse_ae.py:mnist      the paper's k-sparse code of centred MNIST: 784-1000, k = 25
python -m experiments.run --config=configs/sparse_ae.py:kl_mnist   784-200 sigmoid, KL
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits, KL), 'l1', 'k_sparse', 'mnist' or 'kl_mnist'."""
    check_variant(variant, 'l1', 'k_sparse', 'mnist', 'kl_mnist')
    config = base('sparse_ae')
    config.loss = 'squared_error'
    config.weight_decay = 0.0
    # 'kl' has a weight and a rate, 'l1' a weight; 'k_sparse' keeps k_start units at first, k later and k_factor k in evaluation.
    config.sparsity = {'kind': 'kl', 'weight': 0.3, 'rate': 0.05, 'k': 10, 'k_start': 64, 'k_factor': 1.0}
    config.model = autoencoder.default_config(hidden=(), latents=256)
    config.model.latent_activation = 'sigmoid'
    config.epochs = 200
    if variant == 'l1':
        config.sparsity.kind, config.sparsity.weight = 'l1', 0.03
        config.model.latent_activation, config.model.tied = 'relu', True
    if variant in ('k_sparse', 'mnist'):
        config.sparsity.kind = 'k_sparse'
        config.model.latent_activation, config.model.output, config.model.tied = 'identity', 'identity', True
        # Units along the mean image are large for every input and leave no place among the k largest to the others.
        config.data.preprocessing = 'centre'
    if variant in ('mnist', 'kl_mnist'):
        config.data.name = 'mnist'
        config.epochs, config.log_every, config.checkpoint_every = 50, 1.0, 10.0
    if variant == 'mnist':
        config.model.latents, config.sparsity.k, config.sparsity.k_start = 1000, 25, 100
    if variant == 'kl_mnist':
        config.model.latents = 200
    return config
