"""Text on figures: shown verbatim, shortened or wrapped to fit, and left out where there is no room."""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis, YAxis
from matplotlib.cm import ScalarMappable
from matplotlib.colorbar import Colorbar
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, Locator
from matplotlib.transforms import ScaledTranslation

from tempclr.plots import style

JOINERS = "\u200c\u200d"  # invisible, but needed to spell words in some scripts


def visible(text: str) -> str:
    """Return text on one line without invisible characters, such as those that reverse the writing direction."""
    kept = []
    for character in " ".join(str(text).split()):
        if character.isprintable() or character in JOINERS:
            kept.append(character)
        elif unicodedata.category(character) != "Cf":
            kept.append("\ufffd")
    return "".join(kept)


def plain(text: str, inches: float = math.inf, size: float = style.TYPE, lines: int = 1) -> str:
    r"""Return text that matplotlib shows verbatim, wrapped to a width, with an ellipsis where it is cut.

    Args:
        text: What to show; nothing in it is interpreted as mathematics or markup.
        inches: Maximum width of a line.
        size: Font size, in points.
        lines: Maximum number of lines.

    Example:
        >>> print(plain("pay $5 or $6"))
        pay \$5 or \$6
    """
    out: list[str] = []
    rest = visible(text)
    while rest and len(out) < lines:
        last = len(out) + 1 == lines
        cut = _fitting(rest, inches, size, "…" if last else "")
        if cut < len(rest) and not last:
            cut = rest.rfind(" ", 1, cut + 1) if " " in rest[1 : cut + 1] else cut
        out.append(rest[:cut].rstrip() + ("…" if last and cut < len(rest) else ""))
        rest = rest[cut:].lstrip()
    return "\n".join(out).replace("$", r"\$")


def inches_of(text: str, size: float) -> float:
    """Return the width of one line of text at a font size in points."""
    if not text:
        return 0.0
    return text_to_path.get_text_width_height_descent(text, FontProperties(size=size), False)[0] / 72


def _fitting(text: str, inches: float, size: float, ending: str) -> int:
    """How many characters fit into a width, at least one; the ending is included if not all fit."""
    if inches == math.inf or inches_of(text, size) <= inches:
        return len(text)
    low, high = 1, len(text) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if inches_of(text[:middle] + ending, size) <= inches else (low, middle - 1)
    return low


class StepLocator(Locator):
    """Ticks at whole steps, as many as fit when the figure is drawn.

    Args:
        room: Points that one label takes along the axis.
        steps: Number of steps; there are no ticks beyond it.
    """

    def __init__(self, room: float, steps: int) -> None:
        self.room, self.steps = room, steps

    def __call__(self) -> list[int]:
        """Return the positions of the ticks."""
        axis: Any = self.axis
        box = axis.axes.bbox
        length = box.height if axis.axis_name == "y" else box.width
        low, high = sorted(axis.get_view_interval())
        shown = max(0.0, min(high, self.steps - 0.5) - max(low, -0.5))
        most = max(1.0, length * 72 / axis.axes.figure.dpi / self.room)
        every = next(each for each in _round_numbers() if shown / each <= most)
        return list(range(0, self.steps, every))

    def tick_values(self, vmin: float, vmax: float) -> list[int]:
        """Return the positions of the ticks; the limits are those of the view."""
        return self()


def _round_numbers() -> Iterator[int]:
    """1, 2, 5, 10, 20, 50, ..."""
    power = 1
    while True:
        yield from (power, 2 * power, 5 * power)
        power *= 10


def mark_steps(axis: Axis, steps: int, labels: Sequence[str] | None = None) -> None:
    """Label the steps along an axis, by text or by numbers from 0.

    Args:
        axis: The x or y axis.
        steps: Number of steps.
        labels: Text of each step, cut at 0.34 of the figure's width for rows and 0.25 of its height for
            columns; labels that do not fit are left out.

    Raises:
        ValueError: If there is not one label per step.
    """
    upright = isinstance(axis, YAxis)
    size = style.SMALL
    room = 1.3 * size
    if labels is None:
        shown = [str(number) for number in range(steps)]
        room = room if upright else (0.65 * len(shown[-1]) + 1.1) * size
    else:
        if len(labels) != steps:
            raise ValueError(f"expected {steps} labels, one per step, got {len(labels)}")
        figure = axis.axes.figure
        inches = 0.34 * style.width_of(axis.axes) if upright else 0.25 * figure.bbox.height / figure.dpi
        shown = [plain(label, inches, size) for label in labels]
    axis.set_major_locator(StepLocator(room, steps))
    axis.set_major_formatter(FuncFormatter(lambda value, _: shown[round(value)] if 0 <= value < steps else ""))
    if labels is not None and not upright:
        axis.set_tick_params(rotation=90)


def title(ax: Axes, text: str) -> None:
    """Set a title: the given lines, or a single one wrapped to at most two."""
    given, room = text.split("\n"), 0.56 * style.width_of(ax)
    ax.set_title("\n".join(plain(line, room, lines=1 if len(given) > 1 else 2) for line in given))


def legend(ax: Axes, handles: Sequence[Artist], labels: Sequence[str], *, below: float = 32.0) -> None:
    """Put a legend below axes, flush right, in as many columns as fit.

    Args:
        ax: The axes it describes.
        handles: One artist per entry.
        labels: Text of each entry.
        below: Distance from the axes in points, which leaves room for ticks and the axis label.
    """
    size, room = style.SMALL, style.width_of(ax)
    shown = [plain(label, 0.75 * room, size) for label in labels]
    entry = max(inches_of(label, size) for label in shown) + 4.5 * size / 72
    shift = ScaledTranslation(0, -below / 72, ax.figure.dpi_scale_trans)
    drawn = ax.legend(
        list(handles),
        [str(number) for number in range(len(shown))],  # set below, as matplotlib hides labels that begin with _
        loc="upper right",
        bbox_to_anchor=(1, 0),
        bbox_transform=ax.transAxes + shift,
        ncols=int(np.clip(0.8 * room / entry, 1, len(shown))),
        borderaxespad=0,
        borderpad=0,
        handlelength=1.8,
        handletextpad=0.5,
        columnspacing=1.2,
    )
    for each, label in zip(drawn.get_texts(), shown, strict=True):
        each.set_text(label)


def colorbar(image: ScalarMappable, ax: Axes | np.ndarray, unit: str, **options: object) -> Colorbar:
    """Draw the colour scale of an image beside axes, labelled with its unit."""
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    figure = axes[0].figure
    boxes = [each.get_position() for each in axes]
    height = (max(box.y1 for box in boxes) - min(box.y0 for box in boxes)) * figure.bbox.height / figure.dpi
    bar = figure.colorbar(image, ax=list(axes), **{"pad": 0.02, "aspect": 25, **options})
    style.instantiate_ticks(bar.ax)
    bar.outline.set_visible(False)
    size = style.TYPE
    bar.set_label(plain(unit, 0.75 * height, size, lines=2), fontsize=size)
    return bar
