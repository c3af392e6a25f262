"""Learning curves of several runs."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from tempclr.plots import style


def learning_curves(
    histories: Mapping[str, Sequence[Sequence[Mapping[str, float | None]]]],
    key: str,
    *,
    ylabel: str,
    ax: Axes | None = None,
) -> Axes:
    """Draw one value over the steps of training: each run thin, the mean of a method's runs thick.

    Args:
        histories: For each method its runs, each a list of records with `step` and `key`;
            records without the value are passed over.
        key: What to draw.
        ylabel: What it is called, with its unit.
        ax: Where to draw.
    """
    ax = style.axes_or_new(ax)
    for (method, runs), colour in zip(histories.items(), style.SERIES, strict=False):
        curves = [
            np.array([(record["step"], record[key]) for record in run if record.get(key) is not None]) for run in runs
        ]
        for curve in curves:
            ax.plot(curve[:, 0], curve[:, 1], color=colour, alpha=0.35, linewidth=0.8)
        shortest = min(len(curve) for curve in curves)
        mean = np.mean([curve[:shortest, 1] for curve in curves], axis=0)
        ax.plot(curves[0][:shortest, 0], mean, color=colour, linewidth=1.8, label=f"{method}, mean of {len(curves)}")
    ax.set_xlabel("step of training")
    ax.set_ylabel(ylabel)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=len(histories))
    return ax
