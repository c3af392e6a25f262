"""Pictures of one alignment: the cost matrix, the hard path through it, and the soft alignment."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tempclr.plots import style


def cost_matrix(
    cost: Float[np.ndarray, "n m"],
    *,
    path: Int[np.ndarray, "cells 2"] | None = None,
    labels: Sequence[str] | None = None,
    limits: tuple[float, float] | None = None,
    title: str = "",
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw a cost matrix, and the hard path on it.

    Args:
        cost: Rows are sentences, columns clips; forbidden cells (+inf) are left grey.
        path: Cells of the best path, in order.
        labels: Text of each sentence.
        limits: Costs at both ends of the colour scale, so that several matrices can share it.
        title: Short; stands above.
        colorbar: Whether to draw the scale.
        ax: Where to draw.
    """
    finite = cost[np.isfinite(cost)]
    low, high = limits or ((finite.min(), finite.max()) if finite.size else (0.0, 1.0))
    ax = _matrix(cost, (low, high), "cost (low: more alike)", labels, title, colorbar, ax)
    if path is not None:
        for width, colour in ((3.2, style.EDGE), (1.6, style.PATH)):
            ax.plot(path[:, 1], path[:, 0], "-", color=colour, linewidth=width, solid_capstyle="round")
        ax.plot(path[:, 1], path[:, 0], "o", color=style.PATH, markeredgecolor=style.EDGE, markersize=4)
    return ax


def soft_alignment(
    alignment: Float[np.ndarray, "n m"],
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
    colorbar: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw how probable it is that the alignment visits each cell, from 0 to 1."""
    return _matrix(alignment, (0.0, 1.0), "probability of visit", labels, title, colorbar, ax)


def shared_limits(*costs: Float[np.ndarray, "n m"]) -> tuple[float, float]:
    """Return the lowest and highest finite cost of several matrices."""
    finite = np.concatenate([cost[np.isfinite(cost)] for cost in costs])
    return float(finite.min()), float(finite.max())


def _matrix(
    values: np.ndarray,
    limits: tuple[float, float],
    unit: str,
    labels: Sequence[str] | None,
    title: str,
    colorbar: bool,
    ax: Axes | None,
) -> Axes:
    """A matrix of sentences by clips."""
    ax = style.axes_or_new(ax)
    ax.set_facecolor("#d9d9d9")
    shown = np.where(np.isfinite(values), values, np.nan)
    image = ax.imshow(shown, cmap=style.COSTS, vmin=limits[0], vmax=limits[1], aspect="auto")
    ax.spines[:].set_visible(False)
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    ax.yaxis.set_major_locator(MaxNLocator(8, integer=True))
    style.label_steps(ax, labels, len(values))
    ax.set_xlabel("clip")
    ax.set_title(title)
    if colorbar:
        ax.figure.colorbar(image, ax=ax, label=unit, pad=0.02, aspect=25).outline.set_visible(False)
    return ax
