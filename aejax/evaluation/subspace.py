"""The linear subspace that a model has learned, held against that of principal component analysis (PCA).

PCA maximises the projected variance, which is the same as to minimise the squared reconstruction error (it is sometimes said to
minimise the covariance, a slip). A linear autoencoder with squared error has the same optimum, but only up to an invertible map
of its code: it learns the subspace and not the basis.

Source: Baldi and Hornik 1989, Neural networks and principal component analysis, https://doi.org/10.1016/0893-6080(89)90014-2.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class PcaBaseline(NamedTuple):
    """PCA of a training set, in float64.

    Attributes:
        mean: [D].
        components: orthonormal rows, largest variance first, [k, D].
        reconstruct: projects examples [B, ...] on the subspace and back, keeping their shape.
    """

    mean: np.ndarray
    components: np.ndarray
    reconstruct: Callable[[ArrayLike], np.ndarray]


def principal_angles(A: ArrayLike, B: ArrayLike) -> np.ndarray:
    """Principal angles between the spans of the columns of A and B, in degrees, largest first.

    For a linear autoencoder A is the transpose of the decoder's kernel and B that of PCA's components.

    Args:
        A: [D, k], of full column rank.
        B: [D, l], of full column rank.

    Returns:
        [min(k, l)], between 0 and 90 degrees, in float64.

    Raises:
        ValueError: the columns do not lie in the same space.
    """
    from scipy.linalg import subspace_angles

    return np.rad2deg(subspace_angles(np.asarray(A, np.float64), np.asarray(B, np.float64)))


def pca_baseline(train: ArrayLike, num_components: int) -> PcaBaseline:
    """PCA by the eigenvectors of the exact covariance, in float64: no randomised solver and nothing to converge.

    Args:
        train: [N, ...].
        num_components: k, at most min(N, D).

    Raises:
        ValueError: there are too many components.
    """
    from sklearn.decomposition import PCA

    flat = np.asarray(train, np.float64).reshape(len(np.asarray(train)), -1)
    pca = PCA(num_components, svd_solver='covariance_eigh').fit(flat)
    mean, components = pca.mean_, pca.components_

    def reconstruct(x: ArrayLike) -> np.ndarray:
        x = np.asarray(x, np.float64)
        centred = x.reshape(len(x), -1) - mean
        return (mean + centred @ components.T @ components).reshape(x.shape)

    return PcaBaseline(mean, components, reconstruct)


def error_ratio(x: ArrayLike, reconstruction: ArrayLike, baseline: PcaBaseline) -> float:
    """Squared reconstruction error of a model over PCA's on the same examples, in float64.

    At most 1 where the model is better; on the training set no linear model of the same code size is below 1.

    Args:
        x: [B, ...].
        reconstruction: the model's, [B, ...].
        baseline: PCA, of the same code size for a fair comparison.

    Raises:
        ValueError: the shapes differ.
    """
    x, reconstruction = np.asarray(x, np.float64), np.asarray(reconstruction, np.float64)
    if x.shape != reconstruction.shape:
        raise ValueError(f'x {x.shape} and its reconstruction {reconstruction.shape} differ in shape')
    return float(np.sum(np.square(x - reconstruction)) / np.sum(np.square(x - baseline.reconstruct(x))))
