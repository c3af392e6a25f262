"""Plots of true and wrong orders: their costs, and how many wrong ones are noticed."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from tempclr.metrics import Interval
from tempclr.plots import _text as text
from tempclr.plots import measurements, style
from tempclr.plots._inputs import check_finite


@style.styled
def order_costs(
    true: Float[np.ndarray, " videos"],
    wrong: Mapping[str, Float[np.ndarray, "videos _"]],
    *,
    title: str = "",
    xlabel: str = "cost of the sequence",
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of sequence costs of true and of wrong orders.

    Every cost is a dot; boxes show the median and the middle half. The percentage beside each kind of wrong order is
    the share noticed: how many of them cost more than the true order of the same video.

    Args:
        true: Cost of each video in its true order.
        wrong: Costs of its wrong orders, by kind, such as sentences, segments or clips within segments.
        title: Short text above the plot.
        xlabel: Name of the cost, with its unit.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If there is no wrong order, or a cost is not finite.
    """
    check_finite(true, 1, "costs of true orders [videos]")
    if not wrong:
        raise ValueError("expected costs of at least one kind of wrong order, got none")
    for name, costs in wrong.items():
        check_finite(costs, 2, f"costs of {name} [videos, orders]")
        if len(costs) != len(true):
            raise ValueError(f"expected costs of {name} for each of {len(true)} videos, got {len(costs)}")
    ax = style.axes_or_new(ax, height=0.85 + 0.36 * (1 + len(wrong)))
    look = style.palette()
    groups = {"true order": true, **{name: costs.ravel() for name, costs in wrong.items()}}
    for row, values in enumerate(groups.values()):
        colour = look.series[min(row, 1)]
        share = float(np.clip(5 / len(values) ** 0.5, 0.05, 1))
        ax.plot(values, row + _spread(values), "o", color=colour, markersize=2, alpha=share, markeredgewidth=0)
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75))
        ax.barh(row, high - low, left=low, height=0.56, facecolor="none", edgecolor=look.ink, linewidth=0.8)
        ax.plot([middle, middle], [row - 0.28, row + 0.28], color=look.ink, linewidth=1.6, solid_capstyle="butt")
    text.mark_steps(ax.yaxis, len(groups), list(groups))
    noticed = ["cost more"] + [f"{(costs > true[:, None]).mean():.0%}" for costs in wrong.values()]
    beside = ax.secondary_yaxis("right")
    beside.set_yticks(range(len(groups)), noticed)
    beside.tick_params(length=0)
    beside.spines[:].set_visible(False)
    ax.set_ylim(len(groups) - 0.5, -0.5)
    ax.set_xlabel(text.plain(xlabel))
    text.title(ax, title)
    dot = Line2D([], [], color=look.neutral, marker="o", linestyle="", markersize=3)
    box = Line2D([], [], color=look.ink, marker="s", markerfacecolor="none", linestyle="", markersize=6)
    text.legend(ax, [dot, box], ["one order", "middle half and median"])
    return ax


@style.styled
def orders_noticed(
    results: Mapping[str, Mapping[str, Mapping[str, Interval | float]]],
    *,
    chance: float = 0.5,
    width: float = style.FULL,
) -> Figure:
    """Draw the share of wrong orders that scores notice: a panel per model, a row per kind, a colour per score.

    Args:
        results: For each model and score, by kind of wrong order, the share noticed, 0 to 1. A score may lack some
            kinds.
        chance: Share that a coin toss notices, drawn as a dotted line.
        width: Of the figure, in inches. Two panels stand beside each other where they fit.

    Raises:
        ValueError: If there is nothing to draw, or a share is not from 0 to 1.
    """
    kinds = list(dict.fromkeys(kind for scores in results.values() for each in scores.values() for kind in each))
    names = list(dict.fromkeys(score for scores in results.values() for score in scores))
    shares = [value for scores in results.values() for each in scores.values() for value in each.values()]
    means = np.array([value.mean if isinstance(value, Interval) else value for value in shares])
    if not kinds or not ((means >= 0) & (means <= 1)).all():
        raise ValueError(f"expected shares from 0 to 1 of at least one kind of wrong order, got {means.tolist()}")
    columns = min(len(results), max(1, int(width // style.COLUMN)))
    rows = -(-len(results) // columns)
    height = 0.35 + rows * (0.6 + len(kinds) * max(0.24, 0.07 * len(names)))
    figure, axes = style.subplots(rows, columns, width=width, height=height)
    for ax in axes.flat[len(results) :]:
        ax.set_axis_off()
    for number, (model, scores) in enumerate(results.items()):
        ax = axes.flat[number]
        measurements.intervals(
            scores, xlabel="share noticed", title=model, reference=chance, reference_label="coin toss", ax=ax
        )
        ax.set_xlim(-0.03, 1.03)
        if number != (rows - 1) * columns:
            ax.get_legend().remove()
    return figure


def _spread(values: np.ndarray) -> np.ndarray:
    """Vertical offsets of dots, -0.2 to 0.2: deterministic, and far apart for neighbouring values."""
    heights = np.empty(len(values))
    heights[values.argsort(kind="stable")] = (np.arange(len(values)) * 0.618034) % 1  # golden ratio: never periodic
    return 0.4 * heights - 0.2
