"""What happens to values before they are stored: once, in NumPy, with statistics of the training split alone."""

import difflib
from collections.abc import Callable, Mapping

import numpy as np

from aejax.data.dataset import SPLITS
from aejax.types import PREPROCESSING, UserError

IMAGE_PREPROCESSING = ('scale', 'dynamic_binarisation', 'static_binarisation', 'centre', 'standardise')
REAL_PREPROCESSING = ('standardise', 'whiten', 'raw')
PATCH_PREPROCESSING = ('standardise', 'whiten', 'whiten_low_pass', 'scale')

Arrays = Mapping[str, Mapping[str, np.ndarray]]


def choose_preprocessing(name: str, wanted: str | None, allowed: tuple[str, ...]) -> str:
    """The preprocessing that data set `name` is stored with: the wanted one, or the first allowed when none was named.

    Raises:
        UserError: no such preprocessing, or none for data of this kind.
    """
    if wanted is None:
        return allowed[0]
    if wanted not in PREPROCESSING:
        nearest = difflib.get_close_matches(wanted, allowed, n=1)
        hint = f', did you mean {nearest[0]!r}?' if nearest else ':'
        raise UserError(f'unknown preprocessing {wanted!r}{hint} {name} allows {", ".join(allowed)}')
    if wanted not in allowed:
        raise UserError(f'{name} cannot be preprocessed by {wanted!r}: it allows {", ".join(allowed)}')
    return wanted


def preprocess_images(splits: Arrays, preprocessing: str, seed: int) -> tuple[Arrays, dict[str, np.ndarray]]:
    """Turns uint8 images [n, h, w, c] into what is stored, and gives the statistics used.

    'scale' and 'dynamic_binarisation' keep the grey values, for the device to divide or draw; 'static_binarisation' makes one
    draw 255 * Bernoulli(x / 255); 'centre' and 'standardise' give float32.
    """
    if preprocessing == 'static_binarisation':
        # RandomState's streams are frozen for good (NumPy's NEP 19), so a seed means the same images in every version.
        randoms = {name: np.random.RandomState([seed, index]) for index, name in enumerate(SPLITS)}
        return {name: {**split, 'x': binarise(split['x'], randoms[name])} for name, split in splits.items()}, {}
    if preprocessing == 'centre':
        return centre(splits)
    if preprocessing == 'standardise':
        return standardise(splits)
    return splits, {}


def preprocess_reals(splits: Arrays, preprocessing: str) -> tuple[Arrays, dict[str, np.ndarray]]:
    """Turns float32 data [n, ...] into what is stored, and gives the statistics used."""
    if preprocessing == 'standardise':
        return standardise(splits)
    if preprocessing == 'whiten':
        return whiten(splits)
    return splits, {}


def binarise(x: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """255 * Bernoulli(x / 255) for uint8 x: a pixel of 0 stays 0, one of 255 stays 255."""
    draws = np.empty(x.shape, np.uint8)
    for start in range(0, len(x), 10_000):
        chunk = x[start : start + 10_000]
        draws[start : start + 10_000] = np.where(random.random_sample(chunk.shape) * 255 < chunk, 255, 0)
    return draws


def centre(splits: Arrays) -> tuple[Arrays, dict[str, np.ndarray]]:
    """x / 255 - mean by pixel, in float32, the mean that of the training split: differences of grey values stay as they are."""
    mean = (splits['train']['x'].mean(axis=0, dtype=np.float64) / 255).astype(np.float32)
    return apply(splits, lambda x: x.astype(np.float32) / 255 - mean[None]), {'mean': mean}


def standardise(splits: Arrays) -> tuple[Arrays, dict[str, np.ndarray]]:
    """(x - mean) / std per feature, in float32, both of the training split. Features that never vary there become 0."""
    train = splits['train']['x']
    mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
    std = train.std(axis=0, dtype=np.float64).astype(np.float32)
    # A border pixel that is always black may be grey in the test split: dividing by nothing would make it the whole signal.
    inverse = np.where(std > 0, 1 / np.where(std > 0, std, 1), 0)
    return apply(splits, lambda x: (x - mean[None]) * inverse[None]), {'mean': mean, 'scale': std}


def whiten(splits: Arrays, epsilon: float = 1e-3) -> tuple[Arrays, dict[str, np.ndarray]]:
    """ZCA: (x - mean) C^(-1/2) on flattened features, C the training covariance, so that features are uncorrelated there.

    `epsilon`, as a share of the mean eigenvalue, is added to every eigenvalue: without it directions that carry nothing but
    rounding would be blown up. Bell and Sejnowski 1997, https://doi.org/10.1016/S0042-6989(97)00121-1.
    """
    mean, matrix = _zca(splits, epsilon)
    return _project(splits, mean, matrix), {'mean': mean.astype(np.float32), 'matrix': matrix.astype(np.float32)}


def _zca(splits: Arrays, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and C^(-1/2) [D, D] of the flattened training split, in float64."""
    train = splits['train']['x'].reshape(len(splits['train']['x']), -1).astype(np.float64)
    eigenvalues, vectors = np.linalg.eigh(np.cov(train, rowvar=False))
    return train.mean(axis=0), (vectors / np.sqrt(eigenvalues + epsilon * eigenvalues.mean())[None]) @ vectors.T


def _project(splits: Arrays, mean: np.ndarray, matrix: np.ndarray) -> Arrays:
    """(x - mean) @ matrix of flattened examples."""
    return apply(splits, lambda x: ((x.reshape(len(x), -1) - mean[None]) @ matrix).reshape(x.shape))


def whiten_low_pass(splits: Arrays, cutoff: float = 0.3, variance: float = 0.1) -> tuple[Arrays, dict[str, np.ndarray]]:
    """Square patches [n, s, s, 1] whitened up to about `cutoff` cycles a pixel, of mean variance `variance` in training.

    ZCA as in `whiten` (epsilon .01), then `low_pass`, then one factor for all. Whitening alone makes the finest details, mostly
    noise and artefacts of compression, as strong as all else.

    Olshausen & Field 1997, https://doi.org/10.1016/S0042-6989(97)00169-7, do the same to whole photographs by a filter of
    f exp(-(f / 0.4)^4), and scale them to a variance of 0.1.
    """
    mean, matrix = _zca(splits, epsilon=0.01)
    matrix = matrix @ low_pass(splits['train']['x'].shape[1], cutoff)
    train = _project({'train': splits['train']}, mean, matrix)['train']['x']
    matrix *= np.sqrt(variance / train.var(axis=0, dtype=np.float64).mean())
    return _project(splits, mean, matrix), {'mean': mean.astype(np.float32), 'matrix': matrix.astype(np.float32)}


def low_pass(size: int, cutoff: float) -> np.ndarray:
    """The symmetric matrix [s^2, s^2] that scales waves of f cycles a pixel by exp(-(f / cutoff)^4) in patches [s, s].

    The waves are those of the cosine transform (DCT-II), whose patches go on beyond their borders as in a mirror: wave (a, b) has
    a / 2s cycles a pixel down and b / 2s across, f = hypot of both.
    """
    order, place = np.arange(size), np.arange(size) + 0.5
    cosines = np.cos(np.pi * order[:, None] * place[None] / size)
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    waves = np.kron(cosines, cosines)
    frequency = np.hypot(order[:, None], order[None]) / (2 * size)
    return waves.T @ (np.exp(-((frequency / cutoff) ** 4)).reshape(-1, 1) * waves)


def normalise_contrast(splits: Arrays, floor: float = 0.3) -> tuple[Arrays, dict[str, np.ndarray]]:
    """Each example without its mean and divided by sqrt(its variance + (floor s)^2), s^2 the mean variance in training.

    The floor keeps examples of next to no contrast from becoming noise as strong as any other.
    """
    splits = remove_means(splits)
    scale = splits['train']['x'].std(dtype=np.float64)

    def normalise(x: np.ndarray) -> np.ndarray:
        return x / np.sqrt(np.square(x).mean(axis=tuple(range(1, x.ndim)), keepdims=True) + (floor * scale) ** 2)

    return apply(splits, normalise), {'scale': scale.astype(np.float32)}


def remove_means(splits: Arrays) -> Arrays:
    """Each example without the mean of its own features."""
    return apply(splits, lambda x: x - x.mean(axis=tuple(range(1, x.ndim)), keepdims=True))


def apply(splits: Arrays, function: Callable[[np.ndarray], np.ndarray]) -> Arrays:
    """`function` of the 'x' of every split, as float32."""
    return {name: {**split, 'x': function(split['x']).astype(np.float32, copy=False)} for name, split in splits.items()}
