"""aejax: the autoencoder family in JAX.

`aejax.data.load(name)` gives a data set, `aejax.methods.build(config, spec)` a method, `aejax.training.fit(...)` trains it in
memory and `aejax.runs.train(config, workdir)` in a folder, `aejax.load(run_dir)` gives the trained model back.
"""

from aejax import data, methods, training
from aejax.runs import load

__version__ = '0.1.0'
__all__ = ['data', 'load', 'methods', 'training']
