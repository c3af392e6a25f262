"""Colours, fonts and sizes that all figures share: perceptually uniform, colour-blind safe, fit for print.

Figures are light unless they are drawn inside `with style.paper(dark=True):`. A plot drawn on given axes follows the
text colour of those axes. Figures are not registered with pyplot, so there is nothing to close.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import matplotlib as mpl
import numpy as np
from matplotlib import colors, font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

COLUMN, FULL = 3.3, 7.0  # inches: widths of a column and of a page
TYPE, SMALL = 8.0, 7.0  # font sizes in points: titles and axis labels; ticks and legends
COSTS = "cividis"  # colour map of cost and score matrices
PATH = "#ffffff"  # drawn over a dark edge, so that it stands out on any cost
EDGE = "#1a1a1a"
_MARKERS = "os^DvPX"
_DASHES = ("-", "--", "-.", ":")


@dataclass(frozen=True)
class Palette:
    """The colours that differ between light and dark figures."""

    paper: str
    ink: str
    neutral: str  # of references and guides
    forbidden: str  # behind the hatching of +inf cells
    series: tuple[str, ...]


# after Okabe & Ito, "Color Universal Design", 2008, adjusted to a contrast of at least 3 with the paper
LIGHT = Palette("#ffffff", "#1a1a1a", "#767676", "#e6e6e6", ("#0072b2", "#d55e00", "#009e73", "#b8649a", "#3d3d3d"))
DARK = Palette("#16181d", "#e8e8e8", "#8f9399", "#2c2f36", ("#56b4e9", "#e69f00", "#2fbf93", "#d58fb5", "#f0e442"))

P = ParamSpec("P")
R = TypeVar("R")


@functools.cache
def _families() -> tuple[str, ...]:
    """The main font, then installed fonts that cover the scripts it lacks."""
    wanted = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Microsoft YaHei", "PingFang SC", "WenQuanYi Micro Hei")
    return "DejaVu Sans", *sorted(set(wanted) & set(font_manager.get_font_names()), key=wanted.index)


@functools.cache
def settings(*, dark: bool = False) -> Mapping[str, object]:
    """Return the matplotlib settings of a light or dark figure; a notebook may apply them globally."""
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
    """Draw light or dark figures inside the block, and change nothing outside it."""
    with mpl.rc_context(dict(settings(dark=dark))):  # type: ignore[arg-type]  # a mapping of valid names
        yield


def styled(plot: Callable[P, R]) -> Callable[P, R]:
    """Draw a plot in the project's style: as light or dark as the given axes, or else as `is_dark` says."""

    @functools.wraps(plot)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        ax = kwargs.get("ax")
        dark = _is_light(ax.xaxis.label.get_color()) if isinstance(ax, Axes) else is_dark()
        with paper(dark=dark):
            return plot(*args, **kwargs)

    return inside


def is_dark() -> bool:
    """Return whether new figures are dark, that is, whether their text is light."""
    return _is_light(mpl.rcParams["text.color"])


def palette() -> Palette:
    """Return the colours of new figures."""
    return DARK if is_dark() else LIGHT


def series(number: int) -> dict[str, Any]:
    """Return colour, marker and dashes of line `number`; the first 20 differ even without colour."""
    hues = palette().series
    return {
        "color": hues[number % len(hues)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number // len(hues) % len(_DASHES)],
    }


def subplots(
    rows: int = 1,
    columns: int = 1,
    *,
    width: float = COLUMN,
    height: float = 2.2,
    layout: str = "constrained",
    **options: Any,
) -> tuple[Figure, np.ndarray]:
    """Return a new figure of a given size in inches, and its axes, always as an array [rows, columns].

    Further options are passed to `Figure.subplots`. The figure is light, or dark inside `paper(dark=True)`.
    """
    with paper(dark=is_dark()):
        figure = Figure(figsize=(width, height), layout=layout)  # type: ignore[arg-type]  # one of matplotlib's names
        axes = figure.subplots(rows, columns, squeeze=False, **options)
        for ax in axes.flat:
            instantiate_ticks(ax)
    return figure, axes


def instantiate_ticks(ax: Axes) -> None:
    """Create the first ticks of new axes now: matplotlib copies their style to later ones, even outside our style."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.get_major_ticks(1)
        axis.get_minor_ticks(1)


def axes_or_new(ax: Axes | None, width: float = COLUMN, height: float = 2.2) -> Axes:
    """Return the given axes, or new ones of a given size in inches."""
    return ax if ax is not None else subplots(width=width, height=height)[1][0, 0]


def width_of(ax: Axes) -> float:
    """Return the width in inches of one column of axes, including labels beside them."""
    figure: Figure | SubFigure = ax.figure
    whole, spec = figure.bbox.width / figure.dpi, ax.get_subplotspec()
    if spec is None:
        return whole
    shares = np.asarray(spec.get_gridspec().get_width_ratios())
    return whole * sum(shares[column] for column in spec.colspan) / sum(shares)


def _is_light(colour: Any) -> bool:
    """Whether a colour is closer to white than to black."""
    return float(np.dot(colors.to_rgb(colour), (0.2126, 0.7152, 0.0722))) > 0.5
