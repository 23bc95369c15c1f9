"""Imports point down only, in every file, function-level imports included."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[1]

LEVELS = {
    'experiments': 7,
    'aejax': 6,
    'aejax.runs': 6,
    'aejax.training': 5,
    'aejax.visualization': 5,
    'aejax.evaluation': 4,
    'aejax.data': 4,
    'aejax.density': 4,
    'aejax.methods': 3,
    'aejax.models': 2,
    'aejax.losses': 2,
    'aejax.priors': 2,
    'aejax.corruption': 2,
    'aejax.preprocessing': 2,
    'aejax.optimizers': 2,
    'aejax.distributions': 1,
    'aejax.rows': 1,
    'aejax.settings': 1,
    'aejax.types': 0,
    'aejax.files': 0,
    'aejax.same': 0,
    'aejax.spread': 0,
}
"""A unit may import itself and units of strictly lower levels. A new package or module of `aejax` needs its line here."""

NAME_NO_METHOD = ('aejax.training', 'aejax.evaluation', 'aejax.data', 'aejax.visualization')
"""They lie above `aejax.methods` and yet must work for a method that they have never heard of."""

NO_ARRAYS_ON_DEVICES = ('jax', 'jaxlib', 'flax', 'optax', 'orbax')
"""What `aejax.data` must not import: its arrays are numpy's."""


def unit(module: str) -> str:
    """The first two parts of a module of aejax; the first part of any other."""
    parts = module.split('.')
    return '.'.join(parts[: 2 if parts[0] == 'aejax' else 1])


def imported(source: str) -> list[tuple[int, str]]:
    """(line, module) of every import in `source`; `from aejax import data` names aejax.data."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            found.append((node.lineno, '.relative'))
        elif isinstance(node, ast.ImportFrom):
            names = [f'{node.module}.{alias.name}' for alias in node.names]
            found += [(node.lineno, name if name in LEVELS else str(node.module)) for name in names]
        elif isinstance(node, ast.Call) and 'import' in ast.unparse(node.func):
            literals = [arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)]
            found += [(node.lineno, name) for name in literals if isinstance(name, str)]
    return found


def violations(module: str, source: str) -> list[str]:
    """What is wrong with the imports of `module`, one line each."""
    here = unit(module)
    if here not in LEVELS:
        return [f'{module}: {here} has no level in tests/test_layering.py']
    wrong = []
    for line, name in imported(source):
        there = unit(name)
        if name == '.relative':
            wrong.append(f'{module}:{line}: relative import; write the whole name')
        elif here == 'aejax.data' and there in NO_ARRAYS_ON_DEVICES:
            wrong.append(f'{module}:{line}: data knows no {there}')
        elif there.startswith(('aejax', 'experiments')) and there != here and not _may_import(here, there):
            wrong.append(f'{module}:{line}: {here} must not import {there}')
    return wrong


def _may_import(here: str, there: str) -> bool:
    if there == 'aejax.methods' and here in NAME_NO_METHOD:
        return False
    return there in LEVELS and LEVELS[there] < LEVELS[here]


def files() -> dict[str, pathlib.Path]:
    """Every Python file of aejax and experiments, by module; but for the top-level __init__, which gathers the public names."""
    paths = [path for top in ('aejax', 'experiments') for path in (ROOT / top).rglob('*.py')]
    names = {'.'.join(path.relative_to(ROOT).with_suffix('').parts).removesuffix('.__init__'): path for path in paths}
    return {name: path for name, path in names.items() if name != 'aejax'}


@pytest.mark.parametrize('module', sorted(files()))
def test_imports_point_down(module):
    assert not violations(module, files()[module].read_text(encoding='utf-8'))


def test_there_are_files_to_check():
    assert {'aejax.types', 'aejax.training', 'aejax.training.loop', 'aejax.methods.vae', 'experiments.run'} <= set(files())


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('aejax.models.mlp', 'from aejax.losses.elbo import elbo'),
        ('aejax.losses.elbo', 'import aejax.models'),
        ('aejax.types', 'from aejax.files import write_text'),
        ('aejax.optimizers', 'from aejax import preprocessing'),
        ('aejax.distributions.normal', 'def f():\n    from aejax import models'),
        ('aejax.methods.vae', 'from aejax.training.loop import train'),
        ('aejax.training.loop', 'from aejax.methods import vae'),
        ('aejax.training.loop', 'from aejax import methods'),
        ('aejax.training.loop', 'import importlib\nimportlib.import_module("aejax.methods.vae")'),
        ('aejax.training.loop', 'from aejax.visualization import curves'),
        ('aejax.training.loop', 'from . import step'),
        ('aejax.evaluation.summary', 'import aejax.methods.ae'),
        ('aejax.evaluation.summary', 'from aejax import data'),
        ('aejax.data.dataset', 'import jax.numpy as jnp'),
        ('aejax.runs.train', 'from experiments.configs import base'),
        ('aejax.runs.train', 'import aejax'),
        ('aejax.novelty', 'import math'),
        ('aejax.training.loop', 'from aejax import novelty'),
    ],
)
def test_the_checker_sees(module, source):
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ('module', 'source'),
    [
        ('experiments.run', 'import aejax\nfrom aejax.runs import train\nfrom experiments import cli'),
        ('aejax.runs.setup', 'from aejax import data, methods'),
        ('aejax.training.fit', 'from aejax.data import Dataset\nfrom aejax.training import loop'),
        ('aejax.methods.cae', 'from aejax.methods.ae import AE\nfrom aejax import optimizers\nimport optax'),
        ('aejax.data.dataset', 'import numpy as np\nfrom aejax.types import UserError'),
    ],
)
def test_the_checker_lets_pass(module, source):
    assert not violations(module, source)
