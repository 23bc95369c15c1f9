"""`import aejax` is quick and quiet: no heavy library, no device, no file but Python's own modules."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
HEAVY = (
    'orbax',
    'matplotlib',
    'sklearn',
    'scipy',
    'grain',
    'tensorflow_datasets',
    'tensorflow',
    'tensorboardX',
    'numpyro',
    'PIL',
)

PROGRAM = """
import json, sys, tempfile
import chex, flax.linen, jax, ml_collections, optax
tempfile.gettempdir()  # tries the folder by writing, once a process, for whoever asks first
loaded = set(sys.modules)
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)
import aejax
from jax._src import xla_bridge
print(json.dumps({
    'opened': opened,
    'new': sorted(set(sys.modules) - loaded),
    'devices': xla_bridge.backends_are_initialized(),
}))
"""


@pytest.fixture(scope='module')
def seen():
    environment = {**os.environ, 'PYTHONDONTWRITEBYTECODE': '1'}
    done = subprocess.run([sys.executable, '-c', PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


def test_no_heavy_library_is_imported(seen):
    assert 'aejax.training.loop' in seen['new']
    assert not {name for name in seen['new'] if name.split('.')[0] in HEAVY}


def test_no_device_is_started(seen):
    assert not seen['devices']


def test_only_python_modules_are_opened(seen):
    assert [name for name in seen['opened'] if name.endswith(('.py', '.pyc'))]
    assert not [name for name in seen['opened'] if not name.endswith(('.py', '.pyc', '.so'))]
