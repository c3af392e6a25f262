"""Plot of retrieval: all scores, the first choice of each query, and the rank of the right item."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

from tempclr.metrics import ranks
from tempclr.plots import _text as text
from tempclr.plots import style
from tempclr.plots._inputs import check_finite


@style.styled
def retrieval_matrix(
    scores: Float[np.ndarray, "queries items"],
    *,
    title: str = "",
    xlabel: str = "video",
    ylabel: str = "paragraph",
    unit: str = "score (high: better fit)",
    ax: Axes | None = None,
) -> Axes:
    """Draw all scores, with the first choice of each query marked and the rank of its right item at the side.

    Args:
        scores: One row per query; the right item of row i is column i.
        title: Short text above the plot.
        xlabel: What an item is.
        ylabel: What a query is.
        unit: Label of the colour scale.
        ax: Where to draw; the ranks take a fifth of its width on the right.

    Raises:
        ValueError: If the matrix is empty, a score is not finite, or there are fewer items than queries.
    """
    check_finite(scores, 2, "scores [queries, items]")
    found = 1 + ranks(torch.from_numpy(scores)).numpy()
    queries, items = scores.shape
    ax = style.axes_or_new(ax, height=3.0)
    image = ax.imshow(scores, cmap=style.COSTS, aspect="auto")
    first, look = scores.argmax(1), style.palette()
    right = first == np.arange(queries)
    size = float(np.clip(110 / max(scores.shape), 2.2, 8))
    edge: dict[str, Any] = {"markeredgecolor": style.EDGE, "markeredgewidth": 0.5, "markersize": size, "linestyle": ""}
    handles, labels = [], []
    for chosen, marker, colour, name in (
        (right, "o", "#ffffff", "first choice, right"),
        (~right, "X", style.LIGHT.series[1], "first choice, wrong"),
    ):
        handles += ax.plot(first[chosen], np.flatnonzero(chosen), marker=marker, color=colour, **edge)
        labels.append(f"{name}: {chosen.sum()}")
    ax.spines[:].set_visible(False)
    text.mark_steps(ax.xaxis, items)
    text.mark_steps(ax.yaxis, queries)
    ax.set(xlabel=text.plain(xlabel), ylabel=text.plain(ylabel))
    text.title(ax, title)
    margin = ax.inset_axes((1.03, 0, 0.22, 1), sharey=ax)
    style.instantiate_ticks(margin)
    _draw_ranks(margin, found, items, look)
    text.colorbar(image, ax, unit)
    text.legend(ax, handles, labels)
    return ax


def _draw_ranks(ax: Axes, found: np.ndarray, items: int, look: style.Palette) -> None:
    """Draw a line from rank 1 to the rank of each query's right item, on a logarithmic scale."""
    rows = np.arange(len(found))
    ax.hlines(rows, 1, found, color=look.neutral, linewidth=0.7)
    ax.plot(found, rows, "o", color=look.series[0], markersize=2.4, clip_on=False)
    ax.set_xscale("log")
    ax.set_xlim(1, max(items, 2))
    ax.xaxis.set_major_locator(LogLocator(numticks=3))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.minorticks_off()
    ax.tick_params(left=False, labelleft=False, top=True, bottom=False, labeltop=True, labelbottom=False)
    ax.spines[["left", "bottom"]].set_visible(False)
    ax.set_xlabel("rank")
