"""What every config has. A config's file says only how it differs."""

from ml_collections import ConfigDict

from aejax import optimizers
from aejax.types import UserError


def base(method: str) -> ConfigDict:
    """Defaults for `method` on the embedded digits."""
    return ConfigDict(
        {
            'method': method,
            'seed': 0,
            'batch_size': 100,
            'epochs': 100,
            'data': {
                'name': 'digits',
                'preprocessing': 'scale',
                'streaming': False,
                'patch_size': 12,
                'seed': 0,
                # Training examples that are kept, chosen by the seed above; 0 keeps them all.
                'num_train': 0,
                # Labels that a semi-supervised method is given, the same number of each class, and the seed that chooses them;
                # 0 for any other method.
                'num_labelled': 0,
                'label_seed': 0,
                # Labelled examples a step, at most batch_size; 0 for as many as that.
                'labelled_batch_size': 0,
            },
            'optimizer': optimizers.default_config(),
            # A last stage after the method's own: 'classify' (a softmax on the code, trained with the encoder), 'probe' (the
            # softmax alone), or 'reconstruct' (a stack unrolled).
            'finetune': {'target': 'none', 'epochs': 30, 'optimizer': optimizers.default_config('sgd', 0.1)},
            # Epochs between two lines of metrics.jsonl (with a look at the validation split), and between two checkpoints.
            'log_every': 10.0,
            'checkpoint_every': 50.0,
            # Which checkpoint the test figures are taken from: 'last', or the 'best' on the validation split.
            'test_checkpoint': 'last',
            # Samples an example for log p(x) of the test split, of a method that has a likelihood; samples for Parzen windows
            # (10,000 in the published figures); samples whose classes are counted, with codes held to the prior. 0 for none.
            'evaluation': {'importance_samples': 0, 'parzen_samples': 0, 'samples': 0},
            'parallel': 'jit',
            'tensorboard': True,
        }
    )


def check_variant(variant: str, *known: str) -> None:
    """Raises UserError where a config has no such variant; '' is always there."""
    if variant and variant not in known:
        raise UserError(f'there is no variant {variant!r}; choose one of {", ".join(known)}, or none for the digits')
