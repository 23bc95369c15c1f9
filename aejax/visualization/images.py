"""Pictures of examples: reconstructions, grids of samples, first-layer filters, clouds of points."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError
from aejax.visualization import style
from aejax.visualization.mosaic import as_images, signed_to_rgb, tile, to_rgb, value_range

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARGIN, LINE, NAMES, GAP = 0.1, 0.18, 0.82, 0.06
"""Inches: white around a picture, a line of text, the column with the strips' names, white between two images."""


def reconstructions(
    x: ArrayLike,
    reconstruction: ArrayLike,
    labels: Sequence[Any] | np.ndarray | None = None,
    errors: ArrayLike | None = None,
    corrupted: ArrayLike | None = None,
    columns: int = 10,
) -> 'Figure':
    """Inputs over their reconstructions, `columns` a block.

    All images share one scale, that of `x`: a reconstruction outside the data's range is clipped.

    Args:
        x: clean images [n, h, w, 1 or 3].
        reconstruction: of the same shape.
        labels: [n], written above each input.
        errors: [n], written below each reconstruction.
        corrupted: of the same shape as `x`: what a denoising model was given, shown between the two.
        columns: images side by side.

    Returns:
        A figure with one axes that holds the images in the order input, (corrupted,) output, next input, ...

    Raises:
        UserError: shapes that do not agree.
    """
    clean, given = as_images(x), [] if corrupted is None else [('corrupted', as_images(corrupted))]
    strips = dict([('input', clean), *given, ('output', as_images(reconstruction))])
    above, below = _texts(labels, '{}', len(clean)), _texts(errors, '{:.3g}', len(clean))
    for name, images in strips.items():
        if images.shape != clean.shape:
            raise UserError(f'{name} images are {list(images.shape)}, the inputs are {list(clean.shape)}')
    limits = value_range(clean)
    return _blocks({name: to_rgb(images, limits) for name, images in strips.items()}, above, below, columns)


def _texts(values: Any, pattern: str, count: int) -> list[str]:
    """One text an image, or none at all."""
    texts = [] if values is None else [pattern.format(value) for value in np.asarray(values)]
    if texts and len(texts) != count:
        raise UserError(f'{len(texts)} labels or errors for {count} images')
    return texts


def _blocks(strips: dict[str, np.ndarray], above: list[str], below: list[str], columns: int) -> 'Figure':
    """Lays strips of images out in blocks; every position is in inches from the top left corner."""
    count, height, width, _ = strips['input'].shape
    columns = min(columns, count)
    cell = min(0.84, (style.FULL_WIDTH - NAMES - MARGIN) / columns)
    tall, head = (cell - GAP) * height / width + GAP, LINE * bool(above)
    block = head + len(strips) * tall + LINE * bool(below) + MARGIN
    blocks = -(-count // columns)
    figure, axes = style.canvas(NAMES + columns * cell + MARGIN, MARGIN + blocks * block)
    for index in range(count):
        x, top = NAMES + index % columns * cell, MARGIN + index // columns * block
        for row, images in enumerate(strips.values()):
            _place(axes, images[index], x, top + head + row * tall, cell - GAP)
        centre = x + (cell - GAP) / 2
        for texts, y in ((above, top + head / 2), (below, top + head + len(strips) * tall + LINE / 2 - GAP / 2)):
            if texts:
                axes.text(centre, y, texts[index], ha='center', va='center_baseline', **style.SMALL_TEXT)
    for row, name in enumerate(list(strips) * blocks):
        y = MARGIN + row // len(strips) * block + head + (row % len(strips) + 0.5) * tall - GAP / 2
        axes.text(NAMES - MARGIN, y, name, ha='right', va='center', **style.SMALL_TEXT)
    return figure


def _place(axes: 'Axes', image: np.ndarray, x: float, y: float, width: float) -> None:
    """Puts an image [h, w, 3] on a canvas, its top left corner at (x, y)."""
    height = width * image.shape[0] / image.shape[1]
    axes.imshow(image, extent=(x, x + width, y + height, y), aspect='auto', interpolation='nearest')


def _sheet(images: np.ndarray, columns: int | None, title: str, per_gap: int = 20) -> 'Figure':
    """One mosaic of [n, h, w, 3] under a title; without `columns`, as square as the count allows."""
    columns = max(1, min(columns or int(np.ceil(np.sqrt(len(images)))), len(images)))
    mosaic = tile(images, columns, per_gap=per_gap)
    width = min(style.HALF_WIDTH if columns <= 24 else style.FULL_WIDTH, 0.6 * columns) - 2 * MARGIN
    head = (LINE + MARGIN) * bool(title)
    figure, axes = style.canvas(
        max(width, 2.4 * bool(title)) + 2 * MARGIN, width * mosaic.shape[0] / mosaic.shape[1] + head + 2 * MARGIN
    )
    _place(axes, mosaic, MARGIN, MARGIN + head, width)
    if title:
        axes.text(MARGIN, MARGIN, title, ha='left', va='top', fontsize=style.NORMAL, color=style.INK, parse_math=False)
    return figure


def image_grid(
    images: ArrayLike, columns: int | None = None, title: str = '', limits: tuple[float, float] | None = None
) -> 'Figure':
    """Many images as one mosaic by rows: samples from the prior, a decoded grid of latents.

    Args:
        images: [n, h, w, 1 or 3].
        columns: images a row; as square as the count allows without.
        title: one short line above.
        limits: what is shown as black and as white. Without: (0, 1) if all values lie in it, else their extremes.

    Returns:
        A figure with one axes and one mosaic in it.

    Raises:
        UserError: `images` of another shape.
    """
    array = as_images(images)
    return _sheet(to_rgb(array, limits or value_range(array)), columns, title)


def filters(kernel: ArrayLike, shape: Sequence[int], max_filters: int = 100, by_norm: bool = True) -> 'Figure':
    """What the units of a first layer look at: the columns of its weight matrix as images.

    Each filter is divided by its own largest absolute weight: grey data in blue (negative), white (zero) and red (positive),
    colour data channel by channel about grey.

    Args:
        kernel: [D, h], one column a unit; D = height * width * channels. For a decoder's last layer pass its transpose.
        shape: of one example, [height, width, 1 or 3].
        max_filters: how many are shown.
        by_norm: the filters of largest Euclidean norm, in falling order; else the first ones in the layer's order.

    Returns:
        A figure with one axes and one mosaic in it.

    Raises:
        UserError: D is not the size of `shape`.
    """
    weights = np.asarray(kernel, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[0] != int(np.prod(shape)):
        raise UserError(f'a kernel of {list(weights.shape)} has no columns of shape {list(shape)}')
    order = np.argsort(-np.linalg.norm(weights, axis=0), kind='stable') if by_norm else np.arange(weights.shape[1])
    shown = order[:max_filters]
    title = f'{len(shown)} of {len(order)} filters' + (', largest norm first' if by_norm else '')
    # A grey gap vanishes among cells that are pale in places; a wide white one does not.
    return _sheet(signed_to_rgb(as_images(weights[:, shown].T.reshape(-1, *shape))), None, title, per_gap=6)


def reconstructions_of_points(x: ArrayLike, reconstruction: ArrayLike, colour: ArrayLike | None = None) -> 'Figure':
    """Data in two or three dimensions beside its reconstruction, on the same axes' limits.

    Args:
        x: [n, 2 or 3].
        reconstruction: of the same shape; a grey shadow of the data lies under it.
        colour: [n], a coordinate along the manifold: neighbours on it should keep neighbouring colours.

    Returns:
        A figure with two axes.

    Raises:
        UserError: other dimensions, or shapes that do not agree.
    """
    data, output = np.asarray(x, dtype=np.float64), np.asarray(reconstruction, dtype=np.float64)
    if data.ndim != 2 or data.shape[1] not in (2, 3) or data.shape != output.shape:
        raise UserError(f'points must be [n, 2 or 3] and agree, got {list(data.shape)} and {list(output.shape)}')
    projection = {'projection': '3d', 'computed_zorder': False} if data.shape[1] == 3 else {}
    figure, grid = style.panels(1, 2, style.FULL_WIDTH, 4.3, subplot_kw=projection)
    paint: dict[str, Any] = {'s': style.dot_size(len(data)), 'linewidths': 0}
    coloured = {'color': style.PALETTE[0]} if colour is None else {'c': np.asarray(colour), 'cmap': style.SEQUENTIAL}
    grid[0, 1].scatter(*data.T, color=style.GRID, **paint)
    for axes, points, title in zip(grid[0], (data, output), ('data', 'reconstruction'), strict=True):
        style.quiet(axes, title)
        axes.scatter(*points.T, **coloured, **paint)
        axes.set_aspect('equal')
        style.quiet_panes(axes)
        axes.set(**_limits(data, output))
    return figure


def _limits(*clouds: np.ndarray) -> dict[str, tuple[float, float]]:
    """The box around all points, a twentieth wider, as keywords of `Axes.set`."""
    points = np.concatenate(clouds)
    low, high = np.nanmin(points, axis=0), np.nanmax(points, axis=0)
    pad = np.maximum(0.05 * (high - low), 1e-6)
    return {f'{name}lim': (a, b) for name, a, b in zip('xyz', low - pad, high + pad, strict=False)}
