"""Colours and type that all figures share: perceptually uniform, safe for colour-blind eyes, fit for print."""

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COSTS = "cividis"  # of cost and score matrices
PATH = "#ffffff"  # drawn over a dark edge, so that it is seen on any colour
EDGE = "#1a1a1a"
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe & Ito, 2008
NEUTRAL = "#767676"

PAPER = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "savefig.bbox": "tight",
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "image.interpolation": "nearest",
    "svg.fonttype": "none",
}


@contextmanager
def paper() -> Iterator[None]:
    """Draw in the project's style inside the block; nothing changes outside of it."""
    with mpl.rc_context(PAPER):
        yield


def axes_or_new(ax: Axes | None, width: float = 3.4, height: float = 2.6) -> Axes:
    """Return the given axes, or new ones of a size in inches."""
    return ax if ax is not None else plt.subplots(figsize=(width, height))[1]


def label_steps(ax: Axes, labels: Sequence[str] | None, steps: int, *, width: int = 28) -> None:
    """Put the text of each step at its row, shortened to a width in characters; numbers where there is none."""
    if labels is None or steps > 30:
        ax.set_ylabel("sentence")
        return
    ax.set_yticks(
        range(steps), [textwrap.shorten(label, width, placeholder="…").replace("$", r"\$") for label in labels]
    )
