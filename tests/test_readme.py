"""What README shows does what README says."""

import pathlib
import re
import sys
import types

import jax
import numpy as np
import pytest

import aejax
from aejax.methods.ae import AE
from experiments import benchmark

README = pathlib.Path(__file__).parents[1] / 'README.md'


def python_blocks() -> list[str]:
    return re.findall(r'```python\n(.*?)```', README.read_text(encoding='utf-8'), flags=re.DOTALL)


def load_block(name: str, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    block = next(block for block in python_blocks() if block.startswith(f'# {name.replace(".", "/")}.py'))
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(compile(block, name, 'exec'), module.__dict__)
    return module


@pytest.fixture
def added(monkeypatch):
    """The config of the model that README adds, with its method in place."""
    load_block('aejax.methods.l1_ae', monkeypatch)
    known = aejax.methods.names()
    monkeypatch.setattr(aejax.methods, 'names', lambda: [*known, 'l1_ae'])
    config = load_block('experiments.configs.l1_ae', monkeypatch).get_config()
    config.epochs = 20
    return config


def test_the_model_that_readme_adds_trains_to_smaller_codes(added):
    dataset = aejax.data.load('digits')
    sizes = {}
    for sparsity in (0.0, 0.3):
        added.sparsity = sparsity
        method = aejax.methods.build(added, dataset.spec)
        assert isinstance(method, AE)
        fit = aejax.training.fit(method, dataset, batch_size=added.batch_size, log_every=20)
        sizes[sparsity] = fit.history[-1]['reconstruction/l1']
    assert sizes[0.3] < 0.2 * sizes[0.0]


def test_the_ensemble_that_readme_shows(monkeypatch, tmp_path):
    block = next(block for block in python_blocks() if block.startswith('import aejax'))
    lines = block.splitlines()
    shown = '\n'.join(lines[: next(i for i, line in enumerate(lines) if 'aejax.load' in line)])
    from experiments.configs import vae

    short = vae.get_config()
    short.epochs = 2
    monkeypatch.setattr(vae, 'get_config', lambda: short)
    names: dict = {}
    exec(compile(shown, 'README', 'exec'), names)
    assert np.shape(names['fit'].history[-1]['validation/elbo']) == (3,)


def test_the_prior_that_readme_shows():
    block = next(block for block in python_blocks() if 'class Moons' in block)
    block = block.replace("aejax.load('runs/vae')", 'None').replace('method = ', 'config.epochs = 1\nmethod = ')
    estimate, own = block.index('x = '), block.index('class Moons')
    names: dict = {}
    exec(compile(block[:estimate] + block[own:], 'README', 'exec'), names)
    assert names['fit'].history[-1]['epoch'] == 1
    assert np.std(names['method'].prior.sample(jax.random.key(0), 1000)) > 2


def between(marker: str) -> str:
    return re.search(rf'<!-- {marker} -->\n(.*?)\n?<!-- /{marker} -->', README.read_text(encoding='utf-8'), re.DOTALL)[1].strip()


def test_the_benchmark_table_is_that_of_the_results():
    assert between('benchmark') == benchmark.markdown(README.parent / 'experiments' / 'results')


def test_every_config_that_readme_names_is_there():
    configs = README.parent / 'experiments' / 'configs'
    named = set(re.findall(r'configs/(\w+)\.py', README.read_text(encoding='utf-8'))) - {'l1_ae'}
    assert named >= {'cae', 'vae'}
    assert all((configs / f'{name}.py').exists() for name in named)
