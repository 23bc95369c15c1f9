"""Importance weighted autoencoder, Burda, Grosse & Salakhutdinov 2016.

python -m experiments.run --config=configs/iwae.py           digits, 64-128-8, five samples
python -m experiments.run --config=configs/iwae.py:dreg      the same with the doubly reparameterised gradient, Tucker et al. 2018
python -m experiments.run --config=configs/iwae.py:mnist     784-200-200-50, tanh, k = 5, eight stages: 3,280 epochs of MNIST

objective='vae' maximises the ELBO over the same samples.
"""

from ml_collections import ConfigDict

from aejax.models import autoencoder, observation
from aejax.priors import prior
from experiments.configs.base import base, check_variant

NUM_STAGES = 8


def stages(num: int = NUM_STAGES) -> tuple[int, tuple[tuple[float, float], ...]]:
    """Epochs and `optimizer.drops` of the first `num` stages of the paper: stage i has 3^i epochs at a rate of 1e-3 * 10^(-i/7).

    Raises:
        ValueError: `num` is not from 1 to 8.
    """
    if not 1 <= num <= NUM_STAGES:
        raise ValueError(f'there are {NUM_STAGES} stages, not {num}')
    begins = [(3**i - 1) // 2 for i in range(num + 1)]
    return begins[-1], tuple((begins[i] / begins[-1], 10 ** (-i / 7)) for i in range(1, num))


def burda2015(config: ConfigDict, num_stages: int = NUM_STAGES) -> None:
    """Sets data, start, batches, optimiser, schedule and evaluation of the paper's protocol, up to a number of stages."""
    config.data.name, config.batch_size = 'mnist', 20
    config.epochs, config.optimizer.drops = stages(num_stages)
    config.optimizer.schedule = 'piecewise' if config.optimizer.drops else 'constant'
    config.optimizer.learning_rate, config.optimizer.eps = 1e-3, 1e-4
    # Much as in the authors' public code. From zero 15 of 50 units are active after 40 epochs and after 1,093 (k = 1); from here
    # 19.
    config.starts_at_mean = True
    config.evaluation.importance_samples = 5_000
    config.log_every, config.checkpoint_every = min(10.0, config.epochs), min(40.0, config.epochs)


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits), 'dreg' or 'mnist'."""
    check_variant(variant, 'dreg', 'mnist')
    config = base('iwae')
    config.num_samples = 5
    config.objective = 'iwae'
    config.gradient = 'dreg' if variant == 'dreg' else 'plain'
    # Whether the decoder's last bias starts at the mean of the data, and not at zero.
    config.starts_at_mean = False
    config.likelihood = observation.default_config()
    config.prior = prior.default_config()
    config.model = autoencoder.default_config(hidden=(128,), latents=8)
    del config.model.tied, config.model.latent_activation
    config.data.preprocessing = 'dynamic_binarisation'
    config.epochs = 200
    config.evaluation.importance_samples = 500
    if variant == 'mnist':
        config.model.hidden, config.model.latents, config.model.activation = (200, 200), 50, 'tanh'
        burda2015(config)
    return config
