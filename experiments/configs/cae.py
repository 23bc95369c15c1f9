"""Contractive autoencoder, Rifai et al. 2011.

python -m experiments.run --config=configs/cae.py              digits, 64-256 sigmoid, tied, cross-entropy
python -m experiments.run --config=configs/cae.py:hessian      the same with the higher-order penalty: CAE+H
python -m experiments.run --config=configs/cae.py:mnist        the paper's one layer: 784-1000 sigmoid, tied, cross-entropy
python -m experiments.run --config=configs/cae.py:two_layers   CAE-2: two of them stacked, 784-1000-1000, then a softmax
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder
from experiments.configs import stacked_ae
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'hessian', 'mnist' or 'two_layers'."""
    check_variant(variant, 'hessian', 'mnist', 'two_layers')
    if variant == 'two_layers':
        return two_layers()
    config = base('cae')
    config.update(parts())
    config.epochs = 200
    if variant == 'hessian':
        config.hessian.weight = 10.0
    if variant == 'mnist':
        config.data.name = 'mnist'
        config.model.latents = 1000
        config.epochs = 60
        config.log_every, config.checkpoint_every = 2.0, 10.0
    return config


def parts() -> ConfigDict:
    """What is the CAE's own: loss, penalties and model."""
    model = autoencoder.default_config(hidden=(), latents=256)
    model.latent_activation, model.tied = 'sigmoid', True
    return ConfigDict(
        {
            'loss': 'cross_entropy',
            'weight_decay': 0.0,
            'penalty_weight': 0.1,
            'penalty_form': 'auto',
            # CAE+H where the weight is above 0: draws of the noise an example, and its standard deviation.
            'hessian': {'weight': 0.0, 'std': 0.1, 'num_samples': 4},
            'model': model,
        }
    )


def two_layers() -> ConfigDict:
    """CAE-2: each layer is a CAE on the codes of the one below; the penalty of both layers at once would take seconds a batch."""
    config = stacked_ae.get_config('mnist')
    config.widths, config.layer_corruption_levels = (1000, 1000), ()
    config.layer = ConfigDict({'method': 'cae', **parts()})
    return config
