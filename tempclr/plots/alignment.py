"""Plots of alignments: the cost matrix, the hard path through it, and the soft alignment."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch

from tempclr.plots import _text as text
from tempclr.plots import style
from tempclr.plots._inputs import check_costs, check_finite, check_path

COST = "cost (low: more alike)"
VISITS = "visit probability"
_FORBIDDEN = "forbidden (+inf)"


@style.styled
def cost_matrix(
    cost: Float[np.ndarray, "n m"],
    *,
    path: Int[np.ndarray, "cells 2"] | None = None,
    labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    xlabel: str = "clip",
    ylabel: str = "sentence",
    unit: str = COST,
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw a cost matrix and, if given, the hard path on it.

    Args:
        cost: Rows are steps of x, columns steps of y; forbidden cells (+inf) are hatched.
        path: Cells of the best path, in order.
        labels: Text of each row, shortened to fit; numbers by default.
        limits: Costs at the ends of the colour scale, so that several matrices can share it.
        title: Short text above the plot.
        xlabel: What a column stands for.
        ylabel: What a row stands for; not shown if there are labels.
        unit: Label of the colour scale.
        colorbar: Whether to draw the colour scale.
        ax: Where to draw; new axes of column width by default.

    Raises:
        ValueError: If the matrix is empty, a cost is NaN or -inf, the path leaves the matrix, or there is
            not one label per row.
    """
    check_costs(cost)
    ax = style.axes_or_new(ax)
    if np.isposinf(cost).any():
        text.legend(ax, [_hatched()], [_FORBIDDEN])
    image = _matrix(ax, cost, limits or shared_limits(cost), labels, title, xlabel, ylabel)
    if colorbar:
        text.colorbar(image, ax, unit)
    if path is not None:
        _draw_path(ax, path, cost.shape)
    return ax


@style.styled
def soft_alignment(
    alignment: Float[np.ndarray, "n m"],
    *,
    path: Int[np.ndarray, "cells 2"] | None = None,
    labels: Sequence[str] | None = None,
    title: str = "",
    xlabel: str = "clip",
    ylabel: str = "sentence",
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw the probability, 0 to 1, that the alignment visits each cell; arguments as for `cost_matrix`.

    Raises:
        ValueError: If the matrix is empty, a value is not finite, or as `cost_matrix`.
    """
    check_finite(alignment, 2, "an alignment [n, m]")
    ax = style.axes_or_new(ax)
    image = _matrix(ax, alignment, (0.0, 1.0), labels, title, xlabel, ylabel)
    if colorbar:
        text.colorbar(image, ax, VISITS)
    if path is not None:
        _draw_path(ax, path, alignment.shape)
    return ax


@style.styled
def cost_matrices(
    costs: Mapping[str, Float[np.ndarray, "_ _"]],
    *,
    paths: Mapping[str, Int[np.ndarray, "_ 2"]] | None = None,
    alignments: Mapping[str, Float[np.ndarray, "_ _"]] | None = None,
    labels: Sequence[str] | None = None,
    xlabel: str = "clip",
    ylabel: str = "sentence",
    unit: str = COST,
    width: float = style.FULL,
) -> Figure:
    """Draw several cost matrices on one colour scale, such as those of the true and a shuffled order.

    Args:
        costs: Matrices by title, with the same number of rows each.
        paths: Best path of each, by the same titles; titles without a path are allowed.
        alignments: Soft alignment of each, by the same titles, drawn below or beside its cost.
        labels: Text of each row.
        xlabel: What a column stands for.
        ylabel: What a row stands for.
        unit: Label of the colour scale.
        width: Of the figure, in inches; below 5, the matrices are stacked.

    Raises:
        ValueError: If there is no matrix, an alignment is missing, or as `cost_matrix`.
    """
    if not costs or (alignments is not None and set(alignments) != set(costs)):
        given = "none" if alignments is None else list(alignments)
        raise ValueError(f"expected costs, and alignments of the same titles, got {list(costs)} and {given}")
    limits = shared_limits(*costs.values())
    kinds = 1 if alignments is None else 2
    beside = width >= 5
    shape = (kinds, len(costs)) if beside else (len(costs), kinds)
    rows = max(len(cost) for cost in costs.values())
    height = 0.9 + shape[0] * (np.clip((0.19 if beside else 0.13) * rows, 0.85, 2.4) + 0.4)
    figure, axes = style.subplots(*shape, width=width, height=height, sharey=True)
    grid = axes if beside else axes.T
    drawn: dict[str, Any] = {"xlabel": xlabel, "ylabel": ylabel, "labels": labels, "colorbar": False}
    for name, upper in zip(costs, grid[0], strict=True):
        cost_matrix(costs[name], path=(paths or {}).get(name), limits=limits, title=name, ax=upper, **drawn)
        if upper.get_legend():
            upper.get_legend().remove()  # replaced by one legend for all, below
    bars = [(grid[0], unit)]
    if alignments is not None:
        for name, lower in zip(costs, grid[1], strict=True):
            soft_alignment(alignments[name], title="" if beside else " ", ax=lower, **drawn)
        bars.append((grid[1], VISITS))
    for ax in axes.flat:
        ax.label_outer(remove_inner_ticks=True)
    for row, what in bars:
        place = {} if beside else {"location": "bottom", "pad": 0.01, "aspect": 15}
        text.colorbar(row[0].images[0], row, what, **place)
    if any(np.isposinf(cost).any() for cost in costs.values()):
        figure.legend([_hatched()], [_FORBIDDEN], loc="outside lower left")
    return figure


def shared_limits(*costs: Float[np.ndarray, "_ _"]) -> tuple[float, float]:
    """Return the lowest and highest finite cost of several matrices; 0 and 1 if none is finite."""
    finite = np.concatenate([cost[np.isfinite(cost)] for cost in costs])
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _matrix(
    ax: Axes,
    values: np.ndarray,
    limits: tuple[float, float],
    labels: Sequence[str] | None,
    title: str,
    xlabel: str,
    ylabel: str,
) -> AxesImage:
    """Draw a matrix; cells that are not finite show the hatching behind them."""
    look = style.palette()
    shown = values if np.isfinite(values).all() else np.where(np.isfinite(values), values, np.nan)
    if shown is not values:
        ax.patch.set(facecolor=look.forbidden, edgecolor=look.neutral, hatch="/////", linewidth=0)
    image = ax.imshow(shown, cmap=style.COSTS, vmin=limits[0], vmax=limits[1], aspect="auto")
    ax.spines[:].set_visible(False)
    text.mark_steps(ax.xaxis, values.shape[1])
    text.mark_steps(ax.yaxis, values.shape[0], labels)
    ax.set_xlabel(text.plain(xlabel))
    ax.set_ylabel("" if labels is not None else text.plain(ylabel))
    text.title(ax, title)
    return image


def _draw_path(ax: Axes, path: np.ndarray, shape: tuple[int, int]) -> None:
    """Draw a white line over a dark one, with a dot per cell if there are few enough."""
    check_path(path, *shape)
    for width, colour in ((2.6, style.EDGE), (1.3, style.PATH)):
        ax.plot(path[:, 1], path[:, 0], color=colour, linewidth=width, solid_capstyle="round")
    if max(shape) <= 24:
        ax.plot(path[:, 1], path[:, 0], "o", color=style.PATH, markeredgecolor=style.EDGE, markersize=3.2)


def _hatched() -> Patch:
    """Legend entry of forbidden cells."""
    look = style.palette()
    return Patch(facecolor=look.forbidden, edgecolor=look.neutral, hatch="/////", linewidth=0)
