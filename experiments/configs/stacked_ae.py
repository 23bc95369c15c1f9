"""Stacked (denoising) autoencoder, Vincent et al. 2010.

python -m experiments.run --config=configs/stacked_ae.py                digits, denoising layers 64-256-128, then a softmax
python -m experiments.run --config=configs/stacked_ae.py:plain          the same without noise
python -m experiments.run --config=configs/stacked_ae.py:unrolled       fine-tuned for reconstruction instead
python -m experiments.run --config=configs/stacked_ae.py:rbm            RBMs 64-256-128 by CD-1, then a softmax
python -m experiments.run --config=configs/stacked_ae.py:mnist          784-1000-1000-1000, 10 / 20 / 30 % of the inputs masked
python -m experiments.run --config=configs/stacked_ae.py:basic          the paper's SDAE-3 on 10,000 images, 10 % masked
"""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.models import autoencoder
from experiments.configs import rbm
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'plain', 'unrolled', 'rbm', 'mnist' or 'basic'."""
    check_variant(variant, 'plain', 'unrolled', 'rbm', 'mnist', 'basic')
    config = base('stacked_ae')
    # Epochs are those of every layer; 0 is a network that was not pretrained. Lists by layer are empty, or have one entry each.
    config.epochs = 50
    config.widths = (256, 128)
    config.layer_epochs = config.layer_learning_rates = config.layer_corruption_levels = ()
    config.layer = ConfigDict(
        {
            'method': 'dae',
            'loss': 'cross_entropy',
            'weight_decay': 0.0,
            'num_corruptions': 1,
            'corruption': {'kind': 'masking', 'level': 0.1},
            'emphasis': {'corrupted': 1.0, 'uncorrupted': 1.0},
            'model': autoencoder.default_config(hidden=(), latents=256),
        }
    )
    config.layer.model.latent_activation, config.layer.model.tied = 'sigmoid', True
    # What else is different in a layer, of its own keys, `epochs` or `optimizer`: (('layer_1.optimizer.name', 'sgd'), ...), or
    # ('layer_0.model.output', 'identity') for data outside [0, 1].
    config.layer_overrides = ()
    config.finetune.target, config.finetune.optimizer = 'classify', optimizers.default_config('adam', 3e-3)
    if variant == 'plain':
        config.layer.corruption.level = 0.0
    if variant == 'unrolled':
        config.finetune.target = 'reconstruct'
    if variant == 'rbm':
        # What is the RBM's own of its config; grey values are taken for probabilities, as are the codes above them.
        alone, shared = rbm.get_config(), base('rbm')
        config.layer = ConfigDict({'method': 'rbm', **{name: alone[name] for name in alone if name not in shared}})
        config.optimizer = alone.optimizer
    if variant in ('mnist', 'basic'):
        config.data.name = 'mnist' if variant == 'mnist' else 'mnist_basic'
        config.widths = (1000, 1000, 1000)
        config.epochs = 15 if variant == 'mnist' else 30
        config.log_every, config.checkpoint_every = 1.0, 15.0
        config.finetune.epochs, config.finetune.optimizer = 36, optimizers.default_config('sgd', 0.1)
        config.test_checkpoint = 'best'
        if variant == 'mnist':
            config.layer_corruption_levels = (0.1, 0.2, 0.3)
    return config
