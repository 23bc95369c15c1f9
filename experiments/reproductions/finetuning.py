"""How pretrained encoders become classifiers in the tables of rifai2011 and vincent2010."""

from ml_collections import ConfigDict

from aejax import optimizers

FINETUNE_EPOCHS = 60


def classified(config: ConfigDict, rate: float, warmup_steps: int = 0) -> ConfigDict:
    """`config`, changed to fine-tune a softmax on its code by gradient descent at this rate, and to test the best epoch of it."""
    config.finetune.target, config.finetune.epochs = 'classify', FINETUNE_EPOCHS
    config.finetune.optimizer = optimizers.default_config('sgd', rate, 'cosine')
    config.finetune.optimizer.momentum, config.finetune.optimizer.warmup_steps = 0.9, warmup_steps
    config.test_checkpoint = 'best'
    return config
