"""Training: phases to steps, stages to a loop, devices, ensembles, checkpoints. No method is named in here."""

from aejax.training.fit import Fit, fit

__all__ = ['Fit', 'fit']
