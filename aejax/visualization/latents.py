"""Pictures of codes: maps of the latent space, and the grid of latents whose decodings show a learned manifold."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError
from aejax.visualization import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_CLASSES, MAX_NAMES = 50, 12
"""Beyond the first a legend cannot be read, beyond the second names written on the map hide it."""


def latent_map(
    codes: ArrayLike,
    labels: ArrayLike | None = None,
    values: ArrayLike | None = None,
    title: str = '',
    axis_labels: Sequence[str] = ('latent 1', 'latent 2'),
    value_name: str = '',
    under: ArrayLike | None = None,
) -> 'Figure':
    """Codes as dots in the plane: coloured by class with a legend, or by a continuous value with a colour bar.

    Up to twelve classes are also named where their medians lie, so that nobody has to tell ten colours apart. Points are drawn in
    a fixed shuffled order: no class hides another because it comes later in the file. Both axes have the same scale.

    Args:
        codes: [n, 2]; see `project_to_plane` for others.
        labels: [n] classes, numbers or names; -1 is 'unlabelled', in grey.
        values: [n] numbers, a coordinate along the manifold for one; not together with `labels`.
        title: one line above.
        axis_labels: of the two axes.
        value_name: beside the colour bar.
        under: [m, 2], points in light grey beneath the codes: draws of their prior.

    Returns:
        A figure; its first axes is the map, a second one the colour bar if there is one.

    Raises:
        UserError: shapes that do not agree, both labels and values, or more than fifty classes.
    """
    points = np.asarray(codes, dtype=np.float64)
    given = [np.asarray(item) for item in (labels, values) if item is not None]
    if points.ndim != 2 or points.shape[1] != 2 or any(item.shape != points.shape[:1] for item in given):
        raise UserError(
            f'latent_map wants codes [n, 2] and labels or values [n], got {[list(a.shape) for a in (points, *given)]}'
        )
    if len(given) == 2:
        raise UserError('latent_map colours by labels or by values, not by both')
    figure, grid = style.panels(1, 1, style.HALF_WIDTH, 4.4)
    axes = grid[0, 0]
    style.quiet(axes, title, *axis_labels)
    axes.set_aspect('equal', adjustable='datalim')
    if under is not None:
        beneath = np.asarray(under)
        axes.scatter(beneath[:, 0], beneath[:, 1], s=style.dot_size(len(beneath)), color=style.UNLABELLED, linewidths=0, zorder=0)
    order = np.random.default_rng(0).permutation(len(points))
    if labels is not None:
        _by_class(figure, axes, points, order, given[0])
    else:
        _by_value(figure, axes, points[order], given[0][order] if given else None, value_name)
    return figure


def _by_value(figure: 'Figure', axes: 'Axes', points: np.ndarray, values: np.ndarray | None, name: str) -> None:
    colours: dict[str, Any] = {'color': style.PALETTE[0]} if values is None else {'c': values, 'cmap': style.SEQUENTIAL}
    dots = axes.scatter(points[:, 0], points[:, 1], s=style.dot_size(len(points)), linewidths=0, **colours)
    if values is not None:
        bar = figure.colorbar(dots, ax=axes, shrink=0.8, pad=0.02)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=style.SMALL, colors=style.MUTED, length=0)
        bar.set_label(name, fontsize=style.NORMAL, color=style.MUTED, parse_math=False)


def _by_class(figure: 'Figure', axes: 'Axes', points: np.ndarray, order: np.ndarray, labels: np.ndarray) -> None:
    """One dot a code; the palette, and after ten classes the marker too, tells the class."""
    from matplotlib.lines import Line2D

    found = np.unique(labels)
    classes = found[found != -1] if np.issubdtype(found.dtype, np.number) else found
    if len(classes) > MAX_CLASSES:
        raise UserError(f'{len(classes)} classes are too many for a legend: pass them as values instead of labels')
    names = [str(label) for label in classes] + ['unlabelled'] * (len(found) - len(classes))
    colours = np.array([*(style.colour(i) for i in range(len(classes))), style.UNLABELLED])
    markers = np.array([*(style.marker(i) for i in range(len(classes))), 'o'])
    index = np.where(np.isin(labels, classes), np.searchsorted(classes, labels), len(classes))
    for marker in np.unique(markers[index]):
        dots = order[markers[index[order]] == marker]
        area = style.dot_size(len(points))
        axes.scatter(points[dots, 0], points[dots, 1], color=colours[index[dots]], marker=marker, s=area, linewidths=0)
    if len(classes) <= MAX_NAMES:
        _name_classes(axes, [(names[i], np.nanmedian(points[index == i], axis=0)) for i in range(len(classes))])
    key: dict[str, Any] = {'linestyle': 'none', 'markersize': 5, 'markeredgewidth': 0}
    handles = [Line2D([], [], color=colours[i], marker=markers[i], **key) for i in range(len(names))]
    style.legend(figure, handles, names, loc='outside right center', ncols=-(-len(names) // 20), handletextpad=0.1)


def _name_classes(axes: 'Axes', places: list[tuple[str, np.ndarray]]) -> None:
    """Writes each class's name at its place, in ink on a white halo."""
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=2.5, foreground='white')]
    text: dict[str, Any] = {'ha': 'center', 'va': 'center', 'weight': 'bold', 'parse_math': False, 'path_effects': halo}
    for name, (x, y) in places:
        axes.text(x, y, name, fontsize=style.LARGE, color=style.INK, **text)


def project_to_plane(codes: ArrayLike) -> tuple[np.ndarray, list[str]]:
    """Codes of any size as points in the plane, with names for its axes.

    Two dimensions stay as they are. One becomes a strip: the code against a seeded jitter that means nothing. More are projected
    on their first two principal components, and the names say how much of the variance each keeps.

    Args:
        codes: [n, d], n > 1.

    Returns:
        Points [n, 2] and two names.

    Raises:
        UserError: another rank, or a single code.
    """
    array = np.asarray(codes, dtype=np.float64)
    if array.ndim != 2 or min(array.shape) < 1 or array.shape[0] < 2:
        raise UserError(f'project_to_plane wants codes [n, d] with n > 1, got {list(array.shape)}')
    if array.shape[1] == 1:
        jitter = np.random.default_rng(0).uniform(-0.2, 0.2, len(array)) * max(float(np.ptp(array)), 1e-6)
        return np.column_stack([array, jitter]), ['latent 1', 'jitter (no meaning)']
    if array.shape[1] == 2:
        return array, ['latent 1', 'latent 2']
    from sklearn.decomposition import PCA

    with np.errstate(invalid='ignore'):  # a collapsed encoder has no variance to divide by
        pca = PCA(2, svd_solver='full').fit(array)
    shares = np.nan_to_num(pca.explained_variance_ratio_)
    return pca.transform(array), [f'PC {i} ({share:.0%} of variance)'.replace('%', ' %') for i, share in enumerate(shares, 1)]


def manifold_grid_points(n: int = 20, low_quantile: float = 0.05, draws: np.ndarray | None = None) -> np.ndarray:
    """A grid of 2-D latents, evenly spread in probability under the prior: decoded, it shows the manifold a model has learned.

    The coordinates are F^-1(u) for n values u evenly spaced in [low_quantile, 1 - low_quantile], F the normal distribution
    function, as in figure 4 of Kingma & Welling 2013 (https://arxiv.org/abs/1312.6114), or those of both latents of `draws`.

    Args:
        n: points a side.
        low_quantile: of the outermost points, in (0, 0.5).
        draws: from the prior, [num, 2], where it is not N(0, I).

    Returns:
        [n * n, 2] in the order of `image_grid(..., columns=n)`: the first latent rises to the right, the second upwards.

    Raises:
        UserError: a quantile outside (0, 0.5), or n < 1.
    """
    from scipy.special import ndtri

    if n < 1 or not 0.0 < low_quantile < 0.5:
        raise UserError(f'manifold_grid_points wants n > 0 and 0 < low_quantile < 0.5, got {n} and {low_quantile}')
    u = np.linspace(low_quantile, 1.0 - low_quantile, n) if n > 1 else np.asarray([0.5])
    first, second = (ndtri(u), ndtri(u)) if draws is None else np.quantile(draws, u, axis=0).T
    across, up = np.meshgrid(first, second[::-1])
    return np.column_stack([across.ravel(), up.ravel()])
