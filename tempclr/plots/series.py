"""Plots of two aligned series: one above the other with links, or beside their cost matrix."""

import math
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from tempclr.plots import _text as text
from tempclr.plots import alignment, style
from tempclr.plots._inputs import check_costs, check_finite, check_path

_MOST_LINKS = 200  # more would hide the series


@style.styled
def two_way(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " m"],
    path: Int[np.ndarray, "cells 2"],
    *,
    names: tuple[str, str] = ("x", "y"),
    title: str = "",
    xlabel: str = "step",
    ylabel: str = "value",
    ax: Axes | None = None,
) -> Axes:
    """Draw two series, one above the other, and link the steps that a path matches.

    Args:
        x: Values of the upper series, shifted up by a round number that the legend names.
        y: Values of the series below.
        path: Matched steps of x and y, in order; at most 200 of them are drawn, evenly spaced.
        names: Names of both series.
        title: Short text above the plot.
        xlabel: What a step is, with its unit.
        ylabel: What a value is, with its unit.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If a series is empty or not finite, or the path leaves the series.
    """
    check_finite(x, 1, "a series x [n]")
    check_finite(y, 1, "a series y [m]")
    check_path(path, len(x), len(y))
    ax = style.axes_or_new(ax)
    lift = _rounded_up(float(y.max() - x.min()) + 0.3 * float(np.ptp(x) + np.ptp(y)))
    shown = path[np.unique(np.linspace(0, len(path) - 1, min(len(path), _MOST_LINKS)).round().astype(int))]
    ends = np.stack((shown, np.stack((x[shown[:, 0]] + lift, y[shown[:, 1]]), 1)), 2)
    ax.add_collection(LineCollection(list(ends), colors=style.palette().neutral, linewidths=0.4))
    looks = [{**style.series(number), "markersize": 2.5} for number in (0, 1)]
    looks = looks if max(len(x), len(y)) <= 40 else [{**look, "marker": ""} for look in looks]
    handles = [ax.plot(x + lift, **looks[0])[0], ax.plot(y, **looks[1])[0]]
    ax.set(xlabel=text.plain(xlabel), ylabel=text.plain(ylabel))
    text.title(ax, title)
    text.legend(ax, handles, [f"{names[0]}, moved up by {lift:g}", names[1]])
    return ax


@style.styled
def three_way(
    x: Float[np.ndarray, " n"],
    y: Float[np.ndarray, " m"],
    cost: Float[np.ndarray, "n m"],
    path: Int[np.ndarray, "cells 2"],
    *,
    names: tuple[str, str] = ("x", "y"),
    title: str = "",
    xlabel: str = "step",
    ylabel: str = "value",
    unit: str = alignment.COST,
    width: float = style.COLUMN,
) -> Figure:
    """Draw a cost matrix with its path, beside the two series whose steps are its rows and columns.

    Args:
        x: Values of the series on the left, from top to bottom.
        y: Values of the series at the top.
        cost: Cost of each step of x with each of y.
        path: Cells of the best path, in order.
        names: Names of both series.
        title: Short text above the plot.
        xlabel: What a step is, with its unit.
        ylabel: What a value is, with its unit.
        unit: Label of the colour scale.
        width: Of the figure, in inches; the height follows from it.

    Raises:
        ValueError: If a series is empty or not finite, the costs have another shape, or as `cost_matrix`.
    """
    check_finite(x, 1, "a series x [n]")
    check_finite(y, 1, "a series y [m]")
    check_costs(cost)
    if cost.shape != (len(x), len(y)):
        raise ValueError(f"expected costs {(len(x), len(y))} for series of these lengths, got {cost.shape}")
    shares: dict[str, Any] = {"width_ratios": [1, 3.2], "height_ratios": [1, 3.2], "sharex": "col", "sharey": "row"}
    figure, ((corner, above), (left, matrix)) = style.subplots(2, 2, width=width, height=0.92 * width, **shares)
    corner.set_visible(False)
    alignment.cost_matrix(
        cost,
        path=path,
        xlabel=f"{xlabel} of {names[1]}",
        ylabel="",
        unit=unit,
        ax=matrix,
    )
    above.plot(np.arange(len(y)), y, **{**style.series(1), "marker": "" if len(y) > 1 else "s"})
    left.plot(x, np.arange(len(x)), **{**style.series(0), "marker": "" if len(x) > 1 else "o"})
    left.invert_xaxis()
    above.set_ylabel(text.plain(ylabel))
    left.set(xlabel=text.plain(ylabel), ylabel=text.plain(f"{xlabel} of {names[0]}"))
    above.tick_params(labelbottom=False)
    matrix.tick_params(labelleft=False)
    if title:
        text.title(above, title)
    return figure


def _rounded_up(value: float) -> float:
    """Round up to two digits; 1 for 0."""
    if value == 0:
        return 1.0
    unit = 10 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{math.ceil(value / unit) * unit:.2g}")
