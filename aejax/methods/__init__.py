"""One file a system of the family. Each has `build(config, spec) -> Method`, and is found by the name in its config."""

import importlib
import pkgutil

from ml_collections import ConfigDict

from aejax.types import DataSpec, Method, UserError


def names() -> list[str]:
    """The methods there are: every module of this package that does not begin with an underscore."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith('_'))


def build(config: ConfigDict, spec: DataSpec) -> Method:
    """The method called `config.method`, for data of `spec`, with the fine-tuning stage that `config.finetune` asks for.

    Raises:
        UserError: naming the choices, if there is no such method; or from the method, if config and data do not fit.
    """
    if config.method not in names():
        raise UserError(f'there is no method {config.method!r}; choose one of {", ".join(names())}')
    from aejax.methods._finetuning import finetuned

    return finetuned(importlib.import_module(f'{__name__}.{config.method}').build(config, spec), config, spec)
