"""Plot of the learning curves of several runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from tempclr.plots import _text as text
from tempclr.plots import style

Histories = Mapping[str, Sequence[Sequence[Mapping[str, object]]]]


@style.styled
def learning_curves(
    histories: Histories,
    key: str,
    *,
    ylabel: str,
    title: str = "",
    level: float = 0.95,
    ax: Axes | None = None,
) -> Axes:
    """Draw one value over training steps: each run thin, their mean thick, and a band that holds most runs.

    Args:
        histories: For each method its runs, each a list of records with `step` and `key`;
            records without the value are skipped.
        key: Name of the value in the records.
        ylabel: Label of the value, with its unit.
        title: Short text above the plot.
        level: Share of the runs inside the band, 0 to 1, by quantiles. The band shows how much runs differ, not
            how well their mean is known.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If no run has the value, or the level is out of range.
    """
    if not 0 < level <= 1:
        raise ValueError(f"expected a level above 0 and at most 1, got {level}")
    ax = style.axes_or_new(ax)
    handles, labels = [], []
    for number, (method, runs) in enumerate(histories.items()):
        look = style.series(number)
        curves = [curve for curve in (curve_of(run, key) for run in runs) if len(curve)]
        if not curves:
            continue
        for curve in curves:
            ax.plot(curve[:, 0], curve[:, 1], color=look["color"], alpha=0.4, linewidth=0.6)
        steps, values = shared_steps(curves)
        if len(curves) > 1:
            low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=0)
            ax.fill_between(steps, low, high, color=look["color"], alpha=0.18, linewidth=0)
        few: dict[str, Any] = {"markersize": 3, "marker": look["marker"] if len(steps) <= 12 else ""}
        ax.plot(steps, values.mean(0), color=look["color"], linestyle=look["linestyle"], linewidth=1.5, **few)
        handles.append(Line2D([], [], color=look["color"], linestyle=look["linestyle"], linewidth=1.5, **few))
        labels.append(legend_entry(method, len(curves), level))
    if not handles:
        raise ValueError(f"expected at least one run with values of {key!r}, got none")
    ax.set(xlabel="training step", ylabel=text.plain(ylabel))
    text.title(ax, title)
    text.legend(ax, handles, labels)
    return ax


def curve_of(run: Sequence[Mapping[str, object]], key: str) -> Float[np.ndarray, "records 2"]:
    """Return training steps and values of one run, without records whose value is missing or not finite."""
    pairs = [(record["step"], record[key]) for record in run if record.get(key) is not None]
    curve = np.array(pairs, dtype=float).reshape(-1, 2)
    return curve[np.isfinite(curve[:, 1])]


def shared_steps(
    curves: Sequence[Float[np.ndarray, "_ 2"]],
) -> tuple[Float[np.ndarray, " steps"], Float[np.ndarray, "runs steps"]]:
    """Return the training steps that all runs share, and the values of each run there."""
    steps = curves[0][:, 0]
    for curve in curves[1:]:
        steps = np.intersect1d(steps, curve[:, 0])
    return steps, np.stack([curve[np.isin(curve[:, 0], steps), 1] for curve in curves])


def legend_entry(method: str, runs: int, level: float) -> str:
    """Return the legend entry of a method."""
    return method if runs == 1 else f"{method}: mean and {level:.0%} of {runs} runs"
