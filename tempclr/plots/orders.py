"""What wrong orders cost: the true order among them, by what was shuffled."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tempclr.plots import style, text
from tempclr.plots.inputs import check_finite


@style.styled
def order_costs(
    true: Float[np.ndarray, " videos"],
    wrong: Mapping[str, Float[np.ndarray, "videos _"]],
    *,
    title: str = "",
    xlabel: str = "cost of the sequence",
    ax: Axes | None = None,
) -> Axes:
    """Draw the distribution of sequence costs of the true order and of wrong ones.

    Every cost is a dot; the line in a box is the median, the box holds the middle half. Beside each kind of wrong
    order stands how many of them cost more than the true order of the same video, which is the share noticed.

    Args:
        true: Cost of each video in its true order.
        wrong: Costs of its wrong orders, by what was shuffled: sentences, segments, clips within segments.
        title: Short; stands above.
        xlabel: What the cost is, with its unit.
        ax: Where to draw.

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


def _spread(values: np.ndarray) -> np.ndarray:
    """Heights at which dots stand, within 0.2 of their row: neighbours in value stand apart, and always alike."""
    heights = np.empty(len(values))
    heights[values.argsort(kind="stable")] = (np.arange(len(values)) * 0.618034) % 1  # golden ratio: never in step
    return 0.4 * heights - 0.2
