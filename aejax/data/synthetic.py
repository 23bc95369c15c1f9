"""Manifolds whose true coordinates are known: sampled afresh for each seed, real-valued, in two or three dimensions."""

from collections.abc import Callable

import numpy as np

from aejax.data.dataset import Dataset, make_dataset
from aejax.data.preprocessing import REAL_PREPROCESSING, choose_preprocessing, preprocess_reals

Points = tuple[np.ndarray, np.ndarray]
"""x [n, 2 or 3] and its coordinates [n, c] on the manifold."""


def swiss_roll(random: np.random.RandomState, num: int) -> Points:
    """The rolled-up rectangle in three dimensions, noise .1; coordinates (angle, height). Roweis and Saul's, by scikit-learn."""
    from sklearn import datasets

    x, angle = datasets.make_swiss_roll(num, random_state=random)
    return x + random.normal(scale=0.1, size=x.shape), np.stack([angle, x[:, 1]], axis=1)


def s_curve(random: np.random.RandomState, num: int) -> Points:
    """The sheet bent into an S in three dimensions, noise .02; coordinates (angle, height)."""
    from sklearn import datasets

    x, angle = datasets.make_s_curve(num, random_state=random)
    return x + random.normal(scale=0.02, size=x.shape), np.stack([angle, x[:, 1]], axis=1)


def spiral(random: np.random.RandomState, num: int) -> Points:
    """x = .04 t (sin t, cos t) + N(0, .01^2), t uniform on [3, 15]; the coordinate is t.

    Vincent and Bengio 2002, Manifold Parzen windows, https://papers.nips.cc/paper/2203-manifold-parzen-windows.
    """
    t = random.uniform(3, 15, size=num)
    curve = 0.04 * t[:, None] * np.stack([np.sin(t), np.cos(t)], axis=1)
    return curve + random.normal(scale=0.01, size=curve.shape), t[:, None]


def ring(random: np.random.RandomState, num: int) -> Points:
    """The unit circle with noise .05; the coordinate is the angle in [0, 2 pi)."""
    angle = random.uniform(0, 2 * np.pi, size=num)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return circle + random.normal(scale=0.05, size=circle.shape), angle[:, None]


MANIFOLDS: dict[str, tuple[Callable[[np.random.RandomState, int], Points], tuple[int, int, int]]] = {
    'swiss_roll': (swiss_roll, (4_000, 1_000, 2_000)),
    's_curve': (s_curve, (4_000, 1_000, 2_000)),
    'spiral': (spiral, (300, 300, 10_000)),
    'ring': (ring, (4_000, 1_000, 2_000)),
}
"""The sampler of each manifold, and the sizes of its training, validation and test splits."""


def load_manifold(name: str, preprocessing: str | None, seed: int) -> Dataset:
    """Samples the manifold `name`; 'coordinates' hold the truth, whatever the preprocessing of 'x'."""
    preprocessing = choose_preprocessing(name, preprocessing, REAL_PREPROCESSING)
    sample, sizes = MANIFOLDS[name]
    random = np.random.RandomState(seed)
    splits = {}
    for split_name, num in zip(('train', 'validation', 'test'), sizes, strict=True):
        x, coordinates = sample(random, num)
        splits[split_name] = {'x': x.astype(np.float32), 'coordinates': coordinates.astype(np.float32)}
    stored, statistics = preprocess_reals(splits, preprocessing)
    return make_dataset(name, preprocessing, stored, source='sampled from its formula', seed=seed, statistics=statistics)
