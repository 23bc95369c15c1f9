"""Data sets as plain arrays: named, split, checked, the same on every machine.

`load` gives a whole data set in memory; `batches` streams one that is larger. Nothing here touches JAX's devices: values are
stored so that the last step of preprocessing (x / 255, a Bernoulli draw) happens where the training step runs.
"""

from aejax.data.catalogue import NAMES, load
from aejax.data.dataset import Dataset
from aejax.data.streaming import batches

__all__ = ['NAMES', 'Dataset', 'batches', 'load']
