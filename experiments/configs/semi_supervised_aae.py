"""Semi-supervised adversarial autoencoder, Makhzani et al. 2016, section 4.

python -m experiments.run --config=configs/semi_supervised_aae.py           digits with 100 labels
python -m experiments.run --config=configs/semi_supervised_aae.py:mnist     two layers of 1,000, 10 latents of style, 100 labels
python -m experiments.run --config=configs/semi_supervised_aae.py:mnist --config.data.num_labelled=1000

With 1,000 labels 100 labelled images a step are better than these 20 (--config.data.labelled_batch_size=100).
"""

from ml_collections import ConfigDict

from aejax import optimizers
from experiments.configs.base import base, check_variant
from experiments.configs.clustering_aae import mnist, two_codes


def get_config(variant: str = '') -> ConfigDict:
    """The config of `variant`: '' (digits) or 'mnist'."""
    check_variant(variant, 'mnist')
    config = base('semi_supervised_aae')
    config.evaluation.samples = 1_000
    two_codes(config)
    config.data.num_labelled = 100
    # A wide style without noise says the class, too: what is drawn is then not of the class that is asked for.
    config.model.latents, config.posterior = 4, 'gaussian'
    config.optimizers.classification = optimizers.default_config('adam', 1e-3)
    # Adam divides by the size of a gradient, and so makes steps of one that is nothing but rounding: not below this size.
    for section in config.optimizers.values():
        section.eps = 1e-6
    config.epochs = 200
    if variant == 'mnist':
        config.model.latents, config.posterior = 10, 'deterministic'
        mnist(config)
        config.input_noise, config.model.dropout = 0.3, 0.2
        config.data.labelled_batch_size = 20
    return config
