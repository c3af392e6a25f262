"""Plots of few-shot recognition: the confusion matrix, and a query aligned with each support."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tempclr.plots import _text as text
from tempclr.plots import alignment, style
from tempclr.plots._inputs import check_finite

MOST_NUMBERS = 12  # classes; with more, the cells show no counts


@style.styled
def confusion(
    counts: Int[np.ndarray, "classes classes"],
    *,
    labels: Sequence[str] | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw how many queries of each class were assigned to which; colours are shares of the row.

    Args:
        counts: Rows are true classes, columns predicted ones.
        labels: Name of each class; numbers by default.
        title: Short text above the plot.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If the matrix is empty or not square, or a count is negative.
    """
    check_finite(counts, 2, "counts [classes, classes]")
    if counts.shape[0] != counts.shape[1] or (counts < 0).any():
        raise ValueError(f"expected a square matrix of counts >= 0, got shape {counts.shape}")
    classes = len(counts)
    ax = style.axes_or_new(ax, height=2.9)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = ax.imshow(shares, cmap=style.COSTS, vmin=0, vmax=1, aspect="auto")
    if classes <= MOST_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            ink = style.EDGE if shares[row, column] > 0.5 else style.PATH
            ax.text(column, row, f"{count}", color=ink, ha="center", va="center", fontsize=style.SMALL)
    ax.spines[:].set_visible(False)
    text.mark_steps(ax.xaxis, classes, labels)
    text.mark_steps(ax.yaxis, classes, labels)
    ax.set(xlabel="predicted class", ylabel="true class")
    text.title(ax, title)
    text.colorbar(image, ax, "share of the true class")
    return ax


def support_query(
    costs: Mapping[str, Float[np.ndarray, "_ _"]],
    distances: Float[np.ndarray, " supports"],
    *,
    truth: str,
    paths: Mapping[str, Int[np.ndarray, "_ 2"]] | None = None,
    width: float = style.FULL,
) -> Figure:
    """Draw how a query aligns with the support of each class, nearest first, on one colour scale.

    Args:
        costs: By class: rows are frames of the query, columns frames of the support.
        distances: Distance of the query from each support, in the order of `costs`.
        truth: True class of the query.
        paths: Best path of each, by class.
        width: Of the figure, in inches.

    Raises:
        ValueError: If there is not one finite distance per support, the true class is not among the supports, or
            as `cost_matrices`.
    """
    check_finite(distances, 1, "distances [supports]")
    if len(distances) != len(costs) or truth not in costs:
        found = f"{len(distances)} distances, classes {list(costs)}, true class {truth!r}"
        raise ValueError(f"expected a distance per support and the true class among them, got {found}")
    names = list(costs)
    titles = {
        names[index]: f"{names[index]}\n{distances[index]:.3g}{', true' if names[index] == truth else ''}"
        for index in distances.argsort(kind="stable")
    }
    return alignment.cost_matrices(
        {shown: costs[name] for name, shown in titles.items()},
        paths={titles[name]: path for name, path in (paths or {}).items()},
        xlabel="frame of support",
        ylabel="frame of query",
        width=width,
    )
