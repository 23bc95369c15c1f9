"""Curves: the course of training, Jacobian spectra, contraction around data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from aejax.types import UserError
from aejax.visualization import style
from aejax.visualization.history import Curve, curves, panels, position_name, stage_starts

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEW = 8
"""So many singular values, or fewer, are points with error bars: a line between them would show values that are not there."""
SPLIT_COLOURS = {'train': style.PALETTE[0], 'validation': style.PALETTE[6], 'test': style.PALETTE[4]}


def learning_curves(history: Sequence[Mapping[str, Any]], max_panels: int = 9) -> 'Figure':
    """Training and validation metrics over epochs, one panel a metric, stages marked.

    Losses come first, then what is measured on validation data too, gradient norms last; what does not fit is counted below.
    Positive metrics that span more than a factor of ten get a logarithmic axis, and values that are not finite a note.

    Args:
        history: the lines of metrics.jsonl: 'step', 'epoch', 'stage', 'split', 'seconds' and metrics, named 'phase/metric' in
            training and 'metric' in validation.
        max_panels: at most so many panels.

    Returns:
        A figure with one axes a panel.

    Raises:
        UserError: no metric in the history.
    """
    groups = panels(curves(history))
    if not groups:
        raise UserError('there are no metrics to draw yet')
    shown, starts = groups[:max_panels], stage_starts(history)
    columns = {1: 1, 2: 2, 4: 2}.get(len(shown), 3)
    rows = -(-len(shown) // columns)
    width = style.FULL_WIDTH if columns > 1 else style.HALF_WIDTH
    figure, grid = style.panels(rows, columns, width, (2.2 if columns == 3 else 2.9) * rows + 0.35)
    for axes, group in zip(grid.flat, shown, strict=False):
        _learning_panel(axes, group, starts, position_name(history))
    for axes in grid.flat[len(shown) :]:
        axes.remove()
    present = {curve.split for group in shown for curve in group}
    splits = [split for split in SPLIT_COLOURS if split in present] + sorted(present - set(SPLIT_COLOURS))
    style.legend(figure, [_key(split) for split in splits], splits, loc='outside upper left', ncols=len(splits))
    if len(groups) > len(shown):
        figure.supxlabel(f'{len(groups) - len(shown)} more in metrics.jsonl', fontsize=style.SMALL, color=style.MUTED)
    return figure


def _paint(split: str) -> dict[str, Any]:
    """Held-out splits are dashed: they often lie on top of the training curve."""
    return {
        'color': SPLIT_COLOURS.get(split, style.INK),
        'linewidth': 1.5,
        'linestyle': '-' if split == 'train' else (0, (4, 1.5)),
    }


def _key(split: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **_paint(split))


def _learning_panel(axes: 'Axes', group: Sequence[Curve], starts: Sequence[tuple[str, float]], position: str) -> None:
    """One metric: a line a split, broken where a stage ends."""
    from matplotlib.ticker import MaxNLocator

    phase, _, metric = group[0].name.rpartition('/')
    style.quiet(axes, f'{metric.replace("_", " ")} ({phase})' if phase else metric.replace('_', ' '), x=position)
    for curve in group:
        dots = {'marker': 'o', 'markersize': 2.5} if len(curve.values) <= 25 else {}
        paint: dict[str, Any] = {**_paint(curve.split), **dots}
        stages = np.array(curve.stages)
        for stage in dict.fromkeys(curve.stages):
            axes.plot(curve.positions[stages == stage], _finite(curve.values[stages == stage]), **paint)
    if np.ptp(axes.get_xlim()) > 4.0:  # on less, whole numbers leave no ticks
        axes.xaxis.set_major_locator(MaxNLocator('auto', integer=True))
    values = np.concatenate([curve.values for curve in group])
    finite = values[np.isfinite(values)]
    if finite.size and finite.min() > 0.0 and finite.max() > 10.0 * finite.min():
        style.logarithmic(axes, finite.min(), finite.max())
    _mark_stages(axes, [(name, start) for name, start in starts if any(name in curve.stages for curve in group)])
    _mark_broken(axes, group, position)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.where(np.isfinite(values), values, np.nan)


def _mark_stages(axes: 'Axes', starts: Sequence[tuple[str, float]]) -> None:
    """A dotted line where each stage after the panel's first begins, and the stages' names where there are several."""
    text: dict[str, Any] = {'fontsize': style.SMALL - 1.0, 'color': style.MUTED, 'parse_math': False, 'clip_on': True}
    left = axes.get_xlim()[0]
    for index, (stage, start) in enumerate(starts if len(starts) > 1 else ()):
        if index:
            axes.axvline(start, color=style.MUTED, linewidth=0.8, linestyle=':')
        # The first begins at 0, and the axis where the first row is.
        axes.annotate(stage, (max(start, left), 1.0), (2, -2), xycoords=axes.get_xaxis_transform(), textcoords='offset points',
                      va='top', rotation=90, **text)  # fmt: skip


def _mark_broken(axes: 'Axes', group: Sequence[Curve], position: str) -> None:
    """Says where values stop being finite: a line that merely ends looks like a run that merely ended."""
    broken = [curve.positions[~np.isfinite(curve.values)] for curve in group]
    first = min((places[0] for places in broken if places.size), default=None)
    if first is not None:
        note: dict[str, Any] = {'ha': 'right', 'va': 'bottom', 'fontsize': style.SMALL, 'color': style.ALARM, 'zorder': 5}
        note['bbox'] = {'facecolor': 'white', 'edgecolor': 'none', 'alpha': 0.85, 'pad': 1.5}
        axes.text(0.98, 0.03, f'not finite at {position} {first:g}', transform=axes.transAxes, **note)


def jacobian_spectrum(spectra: Mapping[str, ArrayLike], standard_errors: Mapping[str, ArrayLike] | None = None) -> 'Figure':
    """Singular values of the encoder's Jacobian at data points, largest first, on a logarithmic axis.

    Few large values mean that the code moves along few directions of input space and is still along all others
    (Rifai et al. 2011, https://mlanthology.org/icml/2011/rifai2011icml-contractive/).

    Args:
        spectra: by model: [k], the mean over examples of each singular value.
        standard_errors: by model, where known: [k], drawn as a band (bars where k is small) of one standard error.

    Returns:
        A figure with one axes. Its lower end is 1e-7 of the largest value: below, float32 knows nothing.
    """
    figure, grid = style.panels(1, 1, style.HALF_WIDTH, 3.4)
    axes = grid[0, 0]
    style.quiet(axes, '', 'index, largest first', 'singular value of the Jacobian')
    positive = [value for values in spectra.values() for value in np.asarray(values, dtype=np.float64) if value > 0.0]
    low, high = min(positive, default=1.0), max(positive, default=1.0)
    style.logarithmic(axes, low, high)
    axes.xaxis.get_major_locator().set_params(integer=True)
    for index, (name, values) in enumerate(spectra.items()):
        mean = np.asarray(values, dtype=np.float64)
        error = (standard_errors or {}).get(name)
        draw = _points if len(mean) <= FEW else _curve
        draw(axes, index, name, np.arange(1, len(mean) + 1), np.where(mean > 0.0, mean, np.nan), error)
    axes.set_ylim(bottom=max(axes.get_ylim()[0], 1e-7 * high))
    if 0 < (longest := max(map(np.size, spectra.values()), default=0)) <= FEW:
        axes.set(xlim=(0.5, longest + 0.5), xticks=range(1, longest + 1))
    style.legend(axes, *axes.get_legend_handles_labels(), loc='best')
    return figure


def contraction_curve(
    contraction: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]], marks: Mapping[str, float] | None = None
) -> 'Figure':
    """How much an encoder shrinks distances at growing distance from data: E ||h(x0) - h(x1)|| / ||x0 - x1||.

    x1 is drawn on the sphere of a radius around a data point x0 (Rifai et al. 2011,
    https://mlanthology.org/icml/2011/rifai2011icml-contractive/).

    Args:
        contraction: by model: radii [k], mean ratios [k], standard errors [k] or None.
        marks: distances to compare the radii with, by name, drawn as upright lines.

    Returns:
        A figure with one axes.
    """
    figure, grid = style.panels(1, 1, style.HALF_WIDTH, 3.4)
    axes = grid[0, 0]
    style.quiet(axes, '', 'distance from the data point', 'contraction ratio')
    for index, (name, (radii, mean, error)) in enumerate(contraction.items()):
        _curve(axes, index, name, np.asarray(radii), np.asarray(mean), error)
    for index, (name, distance) in enumerate((marks or {}).items()):
        axes.axvline(distance, color=style.MUTED, linewidth=1.2, linestyle=(':', (0, (6, 2)))[index % 2], label=name)
    # Room for the markers of a flat curve.
    axes.set_ylim(bottom=0.0, top=max(axes.get_ylim()[1], 1.08 * _highest(contraction)))
    style.legend(figure, *axes.get_legend_handles_labels(), loc='outside upper left', ncols=3)
    return figure


def _highest(curves: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]]) -> float:
    """The largest value, one standard error included, that is finite; 0 where there is none."""
    tops = [np.asarray(mean) + np.asarray(0.0 if error is None else error) for _, mean, error in curves.values()]
    return max((float(value) for top in tops for value in np.ravel(top) if np.isfinite(value)), default=0.0)


def measured_curve(measured: Mapping[str, tuple[ArrayLike, ArrayLike, ArrayLike | None]], x_name: str, y_name: str) -> 'Figure':
    """A figure of merit over a setting that grows by factors (examples, epochs): a logarithmic axis with a tick for each.

    Args:
        measured: by model: values of the setting [k], means [k], standard errors [k] or None.
        x_name: the setting.
        y_name: what is measured, with its unit.

    Returns:
        A figure with one axes.
    """
    figure, grid = style.panels(1, 1, style.HALF_WIDTH, 3.4)
    axes = grid[0, 0]
    style.quiet(axes, '', x_name, y_name)
    axes.set_xscale('log')
    for index, (name, (x, mean, error)) in enumerate(measured.items()):
        _curve(axes, index, name, np.asarray(x), np.asarray(mean), error)
    ticks = sorted({float(value) for x, _, _ in measured.values() for value in np.ravel(x)})
    axes.set_xticks(ticks, [f'{tick:,.0f}' for tick in ticks])
    axes.minorticks_off()
    style.legend(figure, *axes.get_legend_handles_labels(), loc='outside upper left', ncols=3)
    return figure


def _curve(axes: 'Axes', index: int, name: str, x: np.ndarray, mean: np.ndarray, error: ArrayLike | None) -> None:
    """A line with a band of one standard error; line styles change with the colour, for readers who see none."""
    dashes = ('-', '--', '-.', ':')[index % 4]
    dots: dict[str, Any] = {'marker': 'o', 'markersize': 3} if len(x) <= 25 else {}
    axes.plot(x, mean, color=style.colour(index), linewidth=1.6, linestyle=dashes, label=name, **dots)
    if error is not None:
        half = np.asarray(error)
        low = np.where(mean > half, mean - half, np.nan if axes.get_yscale() == 'log' else mean - half)
        axes.fill_between(x, low, mean + half, color=style.colour(index), alpha=0.18, linewidth=0)


def _points(axes: 'Axes', index: int, name: str, x: np.ndarray, mean: np.ndarray, error: ArrayLike | None) -> None:
    """Markers with bars of one standard error, and no line between them."""
    look: dict[str, Any] = {'linestyle': 'none', 'marker': style.MARKERS[index % len(style.MARKERS)], 'markersize': 5}
    axes.errorbar(x, mean, error, color=style.colour(index), label=name, elinewidth=1.4, capsize=4, **look)
