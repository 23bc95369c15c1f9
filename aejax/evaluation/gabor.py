"""Which filters are oriented edges: the best fitted Gabor function of each, its R^2, and that of a round blob beside it.

A Gabor function is a wave under a Gaussian envelope. With u along the wave and v across it, both from the centre,

    g = A exp(-u^2 / (2 s_u^2) - v^2 / (2 s_v^2)) cos(2 pi f u + phase),

and a filter w is fitted by g + c, with c a constant: examples that have lost their own mean say nothing of a filter's. For given
centre, direction, f, s_u and s_v the rest is linear least squares, so that the search runs over six numbers (variable projection,
Golub & Pereyra 1973, https://doi.org/10.1137/0710036): first over a dictionary, then by Levenberg-Marquardt from its best atoms.

R^2 alone does not find edges, for a blob, the Gaussian itself, is a Gabor function of frequency 0 and fitted as well as any. Nor
does the frequency: the derivative of a Gaussian, an edge if anything is, is the limit of f to 0 at a phase of 90 degrees, and f
may be anything where s_u is small. So a round Gaussian (s_u = s_v, at most a quarter of the side: a larger one passes for a
step) is fitted beside it, and an oriented filter is one that it explains much less of.

Source: Jones & Palmer 1987, https://doi.org/10.1152/jn.1987.58.6.1233.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

LARGEST_FREQUENCY = 0.5
SMALLEST_SIGMA = 0.5
LARGEST_BLOB = 0.25
# The dictionary: centres and sigmas as shares of the filter's side, frequencies in cycles a side.
CENTRES = (0.1, 0.3, 0.5, 0.7, 0.9)
SIGMAS = (0.08, 0.14, 0.24)
CYCLES = (0.0, 0.6, 1.0, 1.6, 2.5, 3.7, 5.0)
DIRECTIONS = tuple(np.arange(8) * np.pi / 8)


class GaborFit(NamedTuple):
    """The best fitted Gabor function of each of m filters [h, w], in pixels and radians.

    Attributes:
        r_squared: 1 - ||w - g - c||^2 / ||w - mean w||^2, in [0, 1]; 0 of a constant filter. [m].
        blob_r_squared: the same for the best round Gaussian. [m].
        frequency: f, cycles a pixel. [m].
        direction: of the wave, at right angles to the edge, in [0, pi) from the axis of columns towards that of rows. [m].
        phase: 0 or pi of a bar, pi / 2 either way of an edge. [m].
        centre: row and column. [m, 2].
        sigma: s_u and s_v. [m, 2].
        amplitude: A. [m].
        offset: c. [m].
        fitted: g + c, [m, h, w].
    """

    r_squared: np.ndarray
    blob_r_squared: np.ndarray
    frequency: np.ndarray
    direction: np.ndarray
    phase: np.ndarray
    centre: np.ndarray
    sigma: np.ndarray
    amplitude: np.ndarray
    offset: np.ndarray
    fitted: np.ndarray

    def is_oriented(self, least_r_squared: float = 0.7, most_blob_share: float = 0.8) -> np.ndarray:
        """Whether a filter is an edge, grating or long bar: fitted well, and by a round blob not nearly as well. bool [m].

        The share of R^2 that a round blob reaches too, for filters of 12 x 12: a blob of any size and a single pixel .9 or more,
        a blob twice as long as wide .8 to .87, three times .6 to .7, a step across the whole filter .6 to .8, a derivative of a
        Gaussian .45 to .62, a grating less.
        """
        return (self.r_squared >= least_r_squared) & (self.blob_r_squared <= most_blob_share * self.r_squared)


def gabor_fit(filters: ArrayLike, num_starts: int = 3) -> GaborFit:
    """Fits a Gabor function and a constant to each filter, and a round Gaussian and a constant.

    Nine numbers fit some of any noise. R^2 of filters of 12 x 12: white noise has .13 in the median and .25 at most of 144;
    smoothed by a Gaussian of 1 pixel .46 and .72, of 1.5 pixels .65 and .92. Filters of an unknown smoothness are to be compared
    with others of the same (`phase_randomised`), and not with a threshold alone.

    144 filters of 12 x 12 take about ten seconds.

    Args:
        filters: [m, h, w].
        num_starts: atoms of the dictionary, of different frequencies, from which the search for each filter begins.

    Raises:
        ValueError: the filters are not [m, h, w] with m > 0, or not finite.
    """
    w = np.asarray(filters, np.float64)
    if w.ndim != 3 or w.size == 0 or not np.all(np.isfinite(w)):
        raise ValueError(f'gabor_fit needs finite filters [m, h, w], got shape {w.shape}')
    grid = np.indices(w.shape[1:], np.float64).reshape(2, -1)
    atoms = [_atoms(w.shape[1:], cycles) for cycles in CYCLES]
    dictionary = [(atom, _basis(atom, grid)) for atom in atoms]
    fits = [_fit_one(one, dictionary, grid, w.shape[1:], num_starts) for one in w]
    return GaborFit(**{name: np.stack([fit[name] for fit in fits]) for name in GaborFit._fields})


def phase_randomised(filters: ArrayLike, seed: int = 0) -> np.ndarray:
    """Filters [m, h, w] of the same means and power spectra, with random phases: what R^2 is at their smoothness alone.

    Waves add up to an edge where their phases agree; the phases here are those of white noise.

    Raises:
        ValueError: the filters are not [m, h, w].
    """
    w = np.asarray(filters, np.float64)
    if w.ndim != 3:
        raise ValueError(f'phase_randomised needs filters [m, h, w], got shape {w.shape}')
    noise = np.fft.rfft2(np.random.RandomState(seed).normal(size=w.shape))
    spectrum = np.fft.rfft2(w)
    mixed = np.abs(spectrum) * noise / np.abs(noise)
    mixed[:, 0, 0] = spectrum[:, 0, 0]
    return np.fft.irfft2(mixed, s=w.shape[1:])


def _atoms(shape: Sequence[int], cycles: float) -> np.ndarray:
    """Places (row, column, direction, f, s_u, s_v) of the dictionary at one frequency, with round envelopes: [N, 6]."""
    side = max(shape)
    centres = [[share * size - 0.5 for share in CENTRES] for size in shape]
    sigmas = [max(share * side, 1.1 * SMALLEST_SIGMA) for share in SIGMAS]
    frequency = min(cycles / side, 0.9 * LARGEST_FREQUENCY)
    return np.array([(*place, place[-1]) for place in itertools.product(*centres, DIRECTIONS, [frequency], sigmas)])


def _axes(place: np.ndarray, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and v of every pixel, each [..., pixels], for places [..., 6] on a grid (rows, columns) [2, pixels]."""
    row, column, direction = np.moveaxis(place[..., :3, None], -2, 0)
    cos, sin = np.cos(direction), np.sin(direction)
    down, right = grid[0] - row, grid[1] - column
    return right * cos + down * sin, down * cos - right * sin


def _waves(place: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """Cosine and sine under the envelope, [..., 2, pixels]."""
    u, v = _axes(place, grid)
    frequency, along, across = np.moveaxis(place[..., 3:, None], -2, 0)
    envelope = np.exp(-0.5 * (np.square(u / along) + np.square(v / across)))
    angle = 2 * np.pi * frequency * u
    return np.stack([envelope * np.cos(angle), envelope * np.sin(angle)], axis=-2)


def _basis(place: np.ndarray, grid: np.ndarray) -> np.ndarray:
    """The waves without their means, made orthonormal, cosine first: [..., 2, pixels]."""
    waves = _waves(place, grid)
    waves -= waves.mean(axis=-1, keepdims=True)
    cosine, sine = waves[..., 0, :], waves[..., 1, :]
    cosine /= np.linalg.norm(cosine, axis=-1, keepdims=True) + 1e-12
    sine -= np.sum(sine * cosine, axis=-1, keepdims=True) * cosine
    sine /= np.linalg.norm(sine, axis=-1, keepdims=True) + 1e-12
    return waves


def _fit_one(
    w: np.ndarray, dictionary: list[tuple[np.ndarray, np.ndarray]], grid: np.ndarray, shape: Sequence[int], num_starts: int
) -> dict[str, np.ndarray | float]:
    """The fields of `GaborFit` for one filter."""
    unit = w.ravel() - w.mean()
    unit /= max(np.linalg.norm(unit), 1e-300)
    explained = [np.square(basis @ unit).sum(axis=1) for _, basis in dictionary]
    best = np.argsort([-share.max() for share in explained])[:num_starts]
    starts = [dictionary[index][0][explained[index].argmax()] for index in best]
    row, column, side = shape[0] - 0.5, shape[1] - 0.5, max(shape)
    least = np.array([-0.5, -0.5, -np.pi, 0.0, SMALLEST_SIGMA, SMALLEST_SIGMA])
    greatest = np.array([row, column, 2 * np.pi, LARGEST_FREQUENCY, side, side])
    place, r_squared = _search(unit, starts, least, greatest, lambda place: _basis(place, grid))

    def blob(place: np.ndarray) -> np.ndarray:
        return _basis(np.array([place[0], place[1], 0.0, 0.0, place[2], place[2]]), grid)

    round_blobs = CYCLES.index(0.0)
    start = dictionary[round_blobs][0][explained[round_blobs].argmax()][[0, 1, 4]]
    greatest = np.array([row, column, max(LARGEST_BLOB * side, 1.5 * SMALLEST_SIGMA)])
    _, blob_r_squared = _search(unit, [start], least[[0, 1, 4]], greatest, blob)
    return {'r_squared': r_squared, 'blob_r_squared': blob_r_squared, **_describe(w, place, grid)}


def _search(
    unit: np.ndarray,
    starts: list[np.ndarray],
    least: np.ndarray,
    greatest: np.ndarray,
    basis: Callable[[np.ndarray], np.ndarray],
) -> tuple[np.ndarray, float]:
    """The place between `least` and `greatest` whose basis [k, pixels] explains most of `unit`, and how much, at most 1."""
    from scipy.optimize import least_squares
    from scipy.special import expit, logit

    def place_of(free: np.ndarray) -> np.ndarray:
        return least + (greatest - least) * expit(free)

    def residual(free: np.ndarray) -> np.ndarray:
        waves = basis(place_of(free))
        return unit - (waves @ unit) @ waves

    frees = [logit(np.clip((start - least) / (greatest - least), 0.02, 0.98)) for start in starts]
    found = [least_squares(residual, free, method='lm', max_nfev=300, ftol=1e-5, xtol=1e-4) for free in frees]
    place = place_of(min(found, key=lambda result: result.cost).x)
    return place, float(np.square(basis(place) @ unit).sum())


def _describe(w: np.ndarray, place: np.ndarray, grid: np.ndarray) -> dict[str, np.ndarray | float]:
    """What `place` and the least squares there say of a filter [h, w], by name."""
    columns = np.stack([*_waves(place, grid), np.ones(w.size)], axis=1)
    even, odd, offset = coefficients = np.linalg.lstsq(columns, w.ravel(), rcond=None)[0]
    turned = place[2] % (2 * np.pi) >= np.pi
    return {
        'frequency': place[3],
        'direction': place[2] % np.pi,
        'phase': np.arctan2(odd if turned else -odd, even),
        'centre': place[:2],
        'sigma': place[4:],
        'amplitude': np.hypot(even, odd),
        'offset': offset,
        'fitted': (columns @ coefficients).reshape(w.shape),
    }
