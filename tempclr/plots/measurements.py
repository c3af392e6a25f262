"""Plots of measurements: means with their intervals, and growth with size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Real
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tempclr.metrics import Interval
from tempclr.plots import _text as text
from tempclr.plots import style
from tempclr.plots._inputs import check_finite


@style.styled
def intervals(
    results: Mapping[str, Mapping[str, Interval | float]],
    *,
    xlabel: str,
    title: str = "",
    reference: float | None = None,
    reference_label: str = "",
    floor: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw numbers with their intervals: one row per name, one colour and marker per method.

    Args:
        results: For each method, by name of the row, a mean with its interval, or a plain number. A method may
            lack some rows.
        xlabel: Name of the values, with their unit.
        title: Short text above the plot.
        reference: A value to compare with, such as chance.
        reference_label: Name of that value.
        floor: Makes the scale logarithmic; values at or below it are drawn as hollow arrows at the floor.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If there is nothing to draw, or a value is not finite.
    """
    names = list(dict.fromkeys(name for values in results.values() for name in values))
    if not names:
        raise ValueError("expected at least one method with a value, got none")
    ax = style.axes_or_new(ax, height=0.75 + 0.15 * len(results) + 0.24 * len(names))
    spread, look, handles = 0.62 / len(results), style.palette(), []
    for number, values in enumerate(results.values()):
        own = [name for name in names if name in values]
        table = np.array([_as_row(values[name]) for name in own]).reshape(-1, 3)
        check_finite(table, 2, "measured values")
        rows = np.array([names.index(name) for name in own]) + (number - (len(results) - 1) / 2) * spread
        colour, marker = style.series(number)["color"], style.series(number)["marker"]
        handles.append(Line2D([], [], color=colour, marker=marker, linestyle="", markersize=3.5))
        above = table[:, 0] > (-np.inf if floor is None else floor)
        ax.hlines(rows[above], table[above, 1], table[above, 2], color=colour, linewidth=1.2)
        ax.plot(table[above, 0], rows[above], marker, color=colour, markersize=3.5)
        if not above.all():
            at: dict[str, Any] = {"color": colour, "markerfacecolor": "none", "markersize": 4, "clip_on": False}
            ax.plot(np.full((~above).sum(), floor), rows[~above], "<", **at)
    labels = list(results)
    if reference is not None:
        handles.append(ax.axvline(reference, color=look.neutral, linewidth=0.9, linestyle=":"))
        labels.append(reference_label)
    _finish_rows(ax, names, floor)
    ax.set_xlabel(text.plain(xlabel))
    text.title(ax, title)
    text.legend(ax, handles, labels, below=32.0 if floor is None else 36.0)
    return ax


@style.styled
def scaling(
    sizes: Real[np.ndarray, " sizes"],
    values: Mapping[str, Float[np.ndarray, " sizes"]],
    *,
    xlabel: str,
    ylabel: str,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw growth with size on logarithmic scales, one line per method.

    Args:
        sizes: Sizes, > 0.
        values: For each method its value at each size, > 0; NaN where it was not measured.
        xlabel: Name of the size, with its unit.
        ylabel: Name of the values, with their unit.
        title: Short text above the plot.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If there is nothing to draw, or a size or value is not positive.
    """
    check_finite(sizes, 1, "sizes")
    if not values:
        raise ValueError("expected values of at least one method, got none")
    if (sizes <= 0).any() or any(len(each) != len(sizes) or (each <= 0).any() for each in values.values()):
        raise ValueError("expected sizes and values above 0, one value per size: the scales are logarithmic")
    ax = style.axes_or_new(ax, height=2.4)
    handles = [
        ax.loglog(sizes, each, **style.series(number), markersize=3, linewidth=1.2)[0]
        for number, each in enumerate(values.values())
    ]
    between = (1.0, 2.0, 5.0) if sizes.max() < 100 * sizes.min() else (1.0,)
    ax.xaxis.set_major_locator(LogLocator(subs=between))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set(xlabel=text.plain(xlabel), ylabel=text.plain(ylabel))
    text.title(ax, title)
    text.legend(ax, handles, list(values))
    return ax


def _as_row(value: Interval | float) -> tuple[float, float, float]:
    """Mean, low and high of an interval; a plain number has width 0."""
    return (value.mean, value.low, value.high) if isinstance(value, Interval) else (value, value, value)


def _finish_rows(ax: Axes, names: list[str], floor: float | None) -> None:
    """Label the rows from top to bottom, and begin the scale at 0 or at the floor."""
    text.mark_steps(ax.yaxis, len(names), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    if floor is None:
        ax.set_xlim(left=min(0.0, ax.get_xlim()[0]) if ax.dataLim.x0 < 0 else 0.0)
    else:
        ax.set_xscale("log")
        ax.set_xlim(left=floor / 2)
