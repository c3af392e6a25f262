"""Colours, type and sizes that all figures share: perceptually uniform, safe for colour-blind eyes, fit for print.

A figure is light or dark as the text around it: `with style.paper(dark=True):` makes those inside dark, and a plot
that is drawn on given axes follows their colour of type. Figures are not known to pyplot, so nothing has to be closed.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import colors, font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

COLUMN, FULL = 3.3, 7.0  # inches: widths of a column and of a page
TYPE, SMALL = 8.0, 7.0  # points: titles and axis labels; ticks and legends
COSTS = "cividis"  # of cost and score matrices
PATH = "#ffffff"  # drawn over a dark edge, so that it is seen on any cost
EDGE = "#1a1a1a"
MARKERS = "os^DvPX"
DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Palette:
    """What changes between light and dark."""

    paper: str
    ink: str
    neutral: str  # of what is there to compare with
    forbidden: str  # behind the hatching of +inf cells
    series: tuple[str, ...]


# after Okabe & Ito, "Color Universal Design", 2008, each shaded so that its contrast with the paper is at least 3
LIGHT = Palette("#ffffff", "#1a1a1a", "#767676", "#e6e6e6", ("#0072b2", "#d55e00", "#009e73", "#b8649a", "#3d3d3d"))
DARK = Palette("#16181d", "#e8e8e8", "#8f9399", "#2c2f36", ("#56b4e9", "#e69f00", "#2fbf93", "#d58fb5", "#f0e442"))

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _families() -> tuple[str, ...]:
    """The font, and those on this machine that have the scripts it lacks."""
    wanted = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei")
    return "DejaVu Sans", *sorted(set(wanted) & set(font_manager.get_font_names()), key=wanted.index)


@functools.cache
def settings(*, dark: bool = False) -> Mapping[str, object]:
    """Return matplotlib's settings of a light or dark figure; a notebook may set them for itself."""
    look = DARK if dark else LIGHT
    inked = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
    return MappingProxyType(
        {
            **dict.fromkeys(inked, look.ink),
            **dict.fromkeys(("figure.facecolor", "axes.facecolor"), look.paper),
            "savefig.facecolor": "auto",
            "figure.dpi": 110,
            "savefig.dpi": 200,
            "figure.constrained_layout.use": True,
            "font.family": list(_families()),
            "font.size": TYPE,
            "axes.titlesize": TYPE,
            "axes.titlelocation": "left",
            "axes.labelsize": TYPE,
            "xtick.labelsize": SMALL,
            "ytick.labelsize": SMALL,
            "legend.fontsize": SMALL,
            "legend.frameon": False,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "hatch.linewidth": 0.5,
            "image.interpolation": "nearest",
            "svg.fonttype": "none",
            "text.usetex": False,
        }
    )


@contextmanager
def paper(*, dark: bool = False) -> Iterator[None]:
    """Draw light or dark figures inside the block; nothing changes outside of it."""
    with mpl.rc_context(dict(settings(dark=dark))):
        yield


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Make a plot draw in the project's style: on given axes in their light or dark, else as `is_dark` says."""

    @functools.wraps(plot)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        ax = kwargs.get("ax")
        dark = _is_light(ax.xaxis.label.get_color()) if isinstance(ax, Axes) else is_dark()
        with paper(dark=dark):
            return plot(*args, **kwargs)

    return inside


def is_dark() -> bool:
    """Return whether figures made now are dark: whether type is light."""
    return _is_light(mpl.rcParams["text.color"])


def palette() -> Palette:
    """Return the colours of figures made now."""
    return DARK if is_dark() else LIGHT


def series(number: int) -> dict[str, str]:
    """Return the look of the line of a number; none of the first 20 looks like another, even without colour."""
    hues = palette().series
    return {
        "color": hues[number % len(hues)],
        "marker": MARKERS[number % len(MARKERS)],
        "linestyle": DASHES[number // len(hues) % len(DASHES)],
    }


def subplots(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = COLUMN,
    height: float = 2.2,
    layout: str = "constrained",
    **options: object,
) -> tuple[Figure, np.ndarray]:
    """Return a new figure of a size in inches and its axes, always as an array [rows, columns].

    Further options are those of `Figure.subplots`. The figure is light, or dark inside `paper(dark=True)`.
    """
    with paper(dark=is_dark()):
        figure = Figure(figsize=(width, height), layout=layout)
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        for ax in axes.flat:
            settle(ax)
    return figure, axes


def settle(ax: Axes) -> None:
    """Make the first ticks of new axes now, which all later ones copy, also those made outside of this style."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_ticks(1)
        axis.get_minor_ticks(1)


def axes_or_new(ax: Axes | None, width: float = COLUMN, height: float = 2.2) -> Axes:
    """Return the given axes, or new ones of a size in inches."""
    return ax if ax is not None else subplots(width=width, height=height)[1][0, 0]


def width_of(ax: Axes) -> float:
    """Return the inches that the figure has for one column of axes, with all that stands beside them."""
    figure: Figure | SubFigure = ax.figure
    whole, spec = figure.bbox.width / figure.dpi, ax.get_subplotspec()
    if spec is None:
        return whole
    shares = spec.get_gridspec().get_width_ratios()
    return whole * sum(shares[column] for column in spec.colspan) / sum(shares)


def _is_light(colour: object) -> bool:
    """Whether a colour is nearer to white than to black."""
    return float(np.dot(colors.to_rgb(colour), (0.2126, 0.7152, 0.0722))) > 0.5
