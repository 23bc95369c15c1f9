"""One quiet look for every figure: palette, fonts, light grid. Nothing here touches matplotlib's global settings."""

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aejax.files import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PALETTE = ('#3f90da', '#ffa90e', '#bd1f01', '#94a4a2', '#832db6', '#a96b59', '#e76300', '#b9ac70', '#717581', '#92dadd')
"""Ten colours chosen to stay apart under the common colour-vision deficiencies (Petroff 2021, arXiv:2107.02270)."""
MARKERS = 'os^Dv'
SEQUENTIAL = 'viridis'
INK, MUTED, GRID, UNLABELLED, ALARM = '#23272b', '#666d74', '#e7e9eb', '#c9cdd1', '#a51c00'
SMALL, NORMAL, LARGE = 7.5, 8.5, 10.0
FULL_WIDTH, HALF_WIDTH = 9.2, 4.8
"""Inches: a figure as wide as the report's column, or two beside each other."""
DPI = 150
SMALL_TEXT: dict[str, Any] = {'fontsize': SMALL, 'color': INK, 'parse_math': False}


def colour(index: int) -> str:
    """The palette's colour for the `index`-th category; it repeats after ten."""
    return PALETTE[index % len(PALETTE)]


def marker(index: int) -> str:
    """A marker that changes each time the palette starts anew, so that fifty categories stay distinct."""
    return MARKERS[index // len(PALETTE) % len(MARKERS)]


def dot_size(count: int) -> float:
    """Area of a scatter's dots in square points: large clouds get small dots."""
    return float(min(28.0, max(2.0, 9000.0 / max(count, 1))))


def panels(rows: int, columns: int, width: float, height: float, **subplots: Any) -> 'tuple[Figure, np.ndarray]':
    """An empty white figure of `width` by `height` inches and its axes, an array [rows, columns]."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, layout='constrained', facecolor='white')
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def canvas(width: float, height: float) -> 'tuple[Figure, Axes]':
    """A figure with one invisible axes over all of it, measured in inches from the top left corner.

    Mosaics of images are laid out on it exactly, which no automatic layout does.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white')
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0.0, width), ylim=(height, 0.0))
    axes.set_axis_off()
    return figure, axes


def quiet(axes: 'Axes', title: str = '', x: str = '', y: str = '') -> None:
    """Light grid, no frame at top and right, small grey ticks; names are shown as they are, never parsed as mathematics."""
    axes.set_facecolor('white')
    axes.set_axisbelow(True)
    axes.grid(True, color=GRID, linewidth=0.7)
    axes.tick_params(which='both', labelsize=SMALL, colors=MUTED, length=0)
    axes.spines[['top', 'right']].set_visible(False)
    axes.spines[['left', 'bottom']].set_color(UNLABELLED)
    axes.set_title(title, fontsize=NORMAL, color=INK, loc='left', parse_math=False)
    axes.set_xlabel(x, fontsize=NORMAL, color=MUTED, parse_math=False)
    axes.set_ylabel(y, fontsize=NORMAL, color=MUTED, parse_math=False)


def quiet_panes(axes: Any) -> None:
    """The same for three dimensions: pale walls instead of a grid. Does nothing in two."""
    if axes.name == '3d':
        axes.grid(False)
        for axis in (axes.xaxis, axes.yaxis, axes.zaxis):
            axis.set_pane_color('#f8f9fa')
            axis.line.set_color(UNLABELLED)


def logarithmic(axes: 'Axes', low: float, high: float) -> None:
    """A logarithmic y axis for values from `low` to `high`, its ticks written as plain numbers where they are few decades."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale('log')
    axes.yaxis.set_minor_formatter(NullFormatter())
    if high < 1e3 * low:
        axes.yaxis.set_major_locator(
            LogLocator(subs=(1.0, 2.0, 5.0) if high > 5.0 * low else (1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 7.0))
        )
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f'{value:g}'))


def legend(owner: Any, handles: list[Any], names: list[str], **placement: Any) -> None:
    """A frameless legend of an axes or a whole figure."""
    box = owner.legend(handles, names, frameon=False, fontsize=SMALL, labelcolor=INK, **placement)
    for text in box.get_texts():
        text.set_parse_math(False)


def png(figure: 'Figure') -> bytes:
    """The figure as PNG at 150 dots an inch, without metadata: equal figures give equal bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=DPI, facecolor='white', metadata={'Software': None})
    return buffer.getvalue()


def save(figure: 'Figure', path: str | os.PathLike[str]) -> Path:
    """Writes the figure as PNG, whole or not at all; see `png`.

    Args:
        figure: from any function of this package, or any other.
        path: of the file; folders on the way are made.

    Returns:
        The path written.
    """
    return write_bytes(path, png(figure))
