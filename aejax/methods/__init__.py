"""One file a system of the family. Each has `build(config, spec) -> Method`, and is found by the name in its config."""

import importlib
import inspect
import pkgutil
from typing import Any

from ml_collections import ConfigDict

from aejax.types import DataSpec, Method, UserError


def names() -> list[str]:
    """The methods there are: every module of this package that does not begin with an underscore."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith('_'))


def build(config: ConfigDict, spec: DataSpec, prior: Any = None) -> Method:
    """The method called `config.method`, for data of `spec`, with the fine-tuning stage that `config.finetune` asks for.

    Args:
        config: of an experiment.
        spec: of the data.
        prior: for a GAN or an adversarial autoencoder, in place of the config's: an object with `sample(key, num)`.

    Raises:
        UserError: naming the choices, if there is no such method; or from the method, if config and data do not fit.
    """
    if config.method not in names():
        raise UserError(f'there is no method {config.method!r}; choose one of {", ".join(names())}')
    from aejax.methods._finetuning import finetuned

    build = importlib.import_module(f'{__name__}.{config.method}').build
    given = {} if prior is None else {'prior': prior}
    if given and 'prior' not in inspect.signature(build).parameters:
        raise UserError(f'method {config.method} takes no prior of your own')
    return finetuned(build(config, spec, **given), config, spec)
