"""Restricted Boltzmann machine, Hinton 2002.

python -m experiments.run --config=configs/rbm.py              digits, 64-64, CD-1
python -m experiments.run --config=configs/rbm.py:persistent   digits, 100 persistent chains, centred gradient
python -m experiments.run --config=configs/rbm.py:gaussian     standardised digits, Gaussian visible units
python -m experiments.run --config=configs/rbm.py:mnist        784-1000, CD-1, grey values as probabilities (Rifai et al. 2011)
python -m experiments.run --config=configs/rbm.py:cd25         784-500, CD-25 on binarised MNIST (Salakhutdinov & Murray 2008)
"""

from ml_collections import ConfigDict

from aejax import optimizers
from experiments.configs.base import base, check_variant


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'persistent', 'gaussian', 'mnist' or 'cd25'."""
    check_variant(variant, 'persistent', 'gaussian', 'mnist', 'cd25')
    config = base('rbm')
    config.model = {'latents': 64, 'visible': 'binary'}
    config.cd_steps = 1
    config.persistent = False
    config.num_chains = 100
    config.centred = False
    config.weight_decay = 0.0
    config.sample_steps = 1000
    # Units drawn an example for the pseudo-log-likelihood; 0: all.
    config.pseudo_likelihood_units = 0
    config.optimizer = optimizers.default_config('sgd', learning_rate=0.05)
    config.optimizer.momentum = 0.9
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    if variant == 'persistent':
        config.persistent, config.centred = True, True
        # The chains must keep up with the parameters: they end at a rate of zero.
        config.epochs, config.optimizer.schedule = 300, 'linear'
    if variant == 'gaussian':
        config.data.preprocessing, config.model.visible = 'standardise', 'gaussian'
        config.optimizer.learning_rate = 0.003
    if variant in ('mnist', 'cd25'):
        config.data.name, config.data.preprocessing = 'mnist', 'scale'
        config.model.latents, config.pseudo_likelihood_units = 1000, 10
        config.optimizer.momentum = 0.5
        config.epochs, config.log_every, config.checkpoint_every = 30, 1.0, 10.0
    if variant == 'cd25':
        config.data.preprocessing = 'dynamic_binarisation'
        config.model.latents, config.cd_steps = 500, 25
        # With the plain gradient the machine soon has mass where no chain of 25 steps comes to take it away.
        config.centred, config.epochs, config.optimizer.schedule = True, 40, 'cosine'
    return config
