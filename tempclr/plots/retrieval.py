"""Pictures of retrieval: who was found for whom, and how well each measure does."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from tempclr.metrics import Interval
from tempclr.plots import style


def retrieval_matrix(
    scores: Float[np.ndarray, "queries items"],
    *,
    title: str = "",
    unit: str = "score (high: better fit)",
    ax: Axes | None = None,
) -> Axes:
    """Draw all scores; the first choice of each query is ringed, in colour where it is right."""
    ax = style.axes_or_new(ax, 4.2, 3.9)
    image = ax.imshow(scores, cmap=style.COSTS, aspect="equal")
    first = scores.argmax(1)
    right = first == np.arange(len(scores))
    queries = np.arange(len(scores))
    size = max(2.0, 130 / max(scores.shape))
    for chosen, colour, name in (
        (right, "#ffffff", "first choice, right"),
        (~right, style.SERIES[1], "first choice, wrong"),
    ):
        ax.plot(
            first[chosen],
            queries[chosen],
            "o",
            color=colour,
            markeredgecolor=style.EDGE,
            markeredgewidth=0.5,
            markersize=size,
            label=f"{name}: {chosen.sum()}",
        )
    ax.spines[:].set_visible(False)
    ax.set_xlabel("video")
    ax.set_ylabel("paragraph")
    ax.set_title(title)
    ax.figure.colorbar(image, ax=ax, label=unit, pad=0.02, shrink=0.8).outline.set_visible(False)
    ax.legend(
        loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2, handletextpad=0.2, columnspacing=1.2, borderaxespad=0
    )
    return ax


def intervals(
    results: Mapping[str, Mapping[str, Interval]],
    *,
    xlabel: str,
    reference: float | None = None,
    reference_label: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw means with their intervals: one group of rows per measure, one colour per method.

    Args:
        results: For each method, its interval by measure.
        xlabel: What is measured, with its unit.
        reference: A value to compare with, such as chance.
        reference_label: What that is.
        ax: Where to draw.
    """
    measures: Sequence[str] = list(next(iter(results.values())))
    ax = style.axes_or_new(ax, 3.4, 0.5 + 0.5 * len(measures))
    spread = 0.6 / max(1, len(results))
    for number, ((method, values), colour) in enumerate(zip(results.items(), style.SERIES, strict=False)):
        rows = np.arange(len(measures)) + (number - (len(results) - 1) / 2) * spread
        means = np.array([values[measure].mean for measure in measures])
        low = means - [values[measure].low for measure in measures]
        high = [values[measure].high for measure in measures] - means
        ax.errorbar(
            means,
            rows,
            xerr=np.clip([low, high], 0, None),
            fmt="o",
            color=colour,
            markersize=4,
            capsize=2,
            linewidth=1.2,
            label=method,
        )
    if reference is not None:
        ax.axvline(reference, color=style.NEUTRAL, linewidth=0.9, linestyle=":", label=reference_label)
    ax.set_yticks(range(len(measures)), measures)
    ax.invert_yaxis()
    ax.set_xlim(left=0)
    ax.set_xlabel(xlabel)
    ax.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=2, columnspacing=1.2)
    return ax
