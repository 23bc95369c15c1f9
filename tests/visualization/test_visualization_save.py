import subprocess
import sys

import matplotlib
import numpy as np
from sklearn.datasets import load_digits

from aejax.visualization import latent_map, project_to_plane, reconstructions, save


def figures():
    x, y = load_digits(return_X_y=True)
    images = x[:12].reshape(-1, 8, 8, 1) / 16.0
    codes, names = project_to_plane(x[:50])
    return [reconstructions(images, images, y[:12]), latent_map(codes, y[:50], axis_labels=names)]


def test_equal_figures_give_equal_bytes_without_metadata(tmp_path):
    for index, (one, two) in enumerate(zip(figures(), figures(), strict=True)):
        first = save(one, tmp_path / 'deep' / f'{index}.png').read_bytes()
        assert save(two, tmp_path / f'{index}.png').read_bytes() == first
        assert first.startswith(b'\x89PNG')
        assert b'tEXt' not in first
        assert b'Matplotlib' not in first


def test_drawing_leaves_the_global_settings_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    for figure in figures():
        save(figure, tmp_path / 'a.png')
    assert dict(matplotlib.rcParams) == before
    assert 'matplotlib.pyplot' not in sys.modules or not sys.modules['matplotlib.pyplot'].get_fignums()


def test_importing_draws_nothing_in():
    code = "import sys, aejax.visualization.report; print('matplotlib' in sys.modules, 'sklearn' in sys.modules)"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ['False', 'False']


def test_arrays_of_jax_are_taken_too():
    import jax.numpy as jnp

    images = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 5, 4, 3)), jnp.float32)
    assert len(reconstructions(images, images).axes[0].images) == 6
