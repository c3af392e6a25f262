"""Draw two curves and see how soft-DTW and its relatives align them; for teaching."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

import tempclr
from tempclr.plots import alignment, series, style
from tempclr_widgets._alignments import VIEW_ALIGNMENTS, alignment_fn, labelled
from tempclr_widgets._checks import GAMMA, band_trait, checked_band, checked_gamma, gamma_trait, limits_trait
from tempclr_widgets.view import View, module

HINTS = {
    "dtw": "all of x with all of y, from the first steps to the last",
    "otam": "every step of y once; first and last steps of x may be left out",
    "drop_dtw": "steps of y may be left out, at a price each",
    "subsequence_dtw": "all of x with the part of y that fits best",
}
MOST = 120  # steps of a curve
_DROP_COST = (0.0, 2.0)  # ends of its slider; Python may set a higher cost
_BAND = (0, 20)  # ends of its slider, in steps; the right end means no band


class SoftDTWPlayground(View):
    """Two curves, drawn by mouse or keyboard, with their cost matrix, path and alignment.

    The cost of matching a step of x with a step of y is the square of their difference. The browser aligns
    the curves while they are drawn; the properties of this class use the package's functions.

    Args:
        x: Values of the upper curve, 1 to 120 finite numbers; by default a bump.
        y: Values of the lower curve, as for `x`; by default a later and wider bump.
        alignment: Name of the alignment function: "dtw", "otam", "drop_dtw" or "subsequence_dtw".
        gamma: Smoothing, 0 or 0.001 to 10, in the unit of the cost; 0 is the hard minimum.
        band: Steps off the line between the corners, for "dtw"; -1 is no band.
        drop_cost: Cost of dropping a step of y, for "drop_dtw".

    Raises:
        ValueError: If a curve is empty, too long or not finite, or another argument is out of range.

    Example:
        >>> playground = SoftDTWPlayground([0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], gamma=0.0)
        >>> playground.value, playground.path
        (0.0, [[0, 0], [0, 1], [1, 2], [2, 3]])
    """

    title = "Soft-DTW by hand"
    _esm = module("soft_dtw_playground.js")

    x = traitlets.List(traitlets.Float(), minlen=1, maxlen=MOST, help="values of the upper curve").tag(sync=True)
    y = traitlets.List(traitlets.Float(), minlen=1, maxlen=MOST, help="values of the lower curve").tag(sync=True)
    alignment = traitlets.Enum(list(VIEW_ALIGNMENTS), "dtw", help="how the curves are aligned").tag(sync=True)
    gamma = gamma_trait(0.0)
    band = band_trait()
    drop_cost = traitlets.Float(0.1, min=0.0, help="cost of dropping a step of y").tag(sync=True)
    cursor = traitlets.List(traitlets.Int(), help="[] or the current cell [i, j]").tag(sync=True)
    _limits = limits_trait(gamma=GAMMA, drop_cost=_DROP_COST, band=_BAND, steps=(2, MOST))
    _choices = traitlets.List(default_value=labelled(HINTS), help="key, name and hint of each alignment function").tag(
        sync=True
    )

    def __init__(
        self,
        x: Sequence[float] | None = None,
        y: Sequence[float] | None = None,
        *,
        alignment: str = "dtw",
        gamma: float = 0.1,
        band: float = -1.0,
        drop_cost: float = 0.1,
    ) -> None:
        if alignment not in VIEW_ALIGNMENTS:
            raise ValueError(f"expected an alignment of {', '.join(VIEW_ALIGNMENTS)}, got {alignment!r}")
        if not 0 <= drop_cost < math.inf:
            raise ValueError(f"expected a finite drop_cost >= 0, got {drop_cost}")
        super().__init__(
            x=_curve(_bump(24, 8, 2.5) if x is None else x, "x"),
            y=_curve(_bump(30, 19, 4.0) if y is None else y, "y"),
            alignment=alignment,
            gamma=checked_gamma(gamma, hard=True),
            band=checked_band(band),
            drop_cost=float(drop_cost),
        )

    @property
    def cost(self) -> Tensor:
        """Squared differences, [n, m], a row for each step of x."""
        x, y = (torch.tensor(values, dtype=torch.float64) for values in (self.x, self.y))
        return (x[:, None] - y[None, :]).square()

    @property
    def value(self) -> float:
        """Value of the alignment function with the current settings."""
        return self._function(self.gamma)(self.cost).item()

    @property
    def visits(self) -> Tensor:
        """Expected alignment with the current settings, [n, m]: how often each cell is matched."""
        return tempclr.alignment_of(self._function(self.gamma), self.cost)

    @property
    def path(self) -> list[list[int]]:
        """Cells of the hard path."""
        return tempclr.path_of(self._function(0.0), self.cost).tolist()

    def figure(self) -> Figure:
        """Return both curves with the links of the hard path, the costs and the alignment."""
        cost, path = self.cost, np.array(self.path).reshape(-1, 2)
        with style.paper():
            figure = Figure(figsize=(10.2, 2.9), layout="constrained")
            left, middle, right = figure.subplots(1, 3)
            series.two_way(np.array(self.x), np.array(self.y), path, title=VIEW_ALIGNMENTS[self.alignment], ax=left)
            names: dict[str, Any] = {"xlabel": "step of y", "ylabel": "step of x"}
            hard = self._function(0.0)(cost).item()
            title = f"costs and path: {hard:.3f}"
            alignment.cost_matrix(cost.numpy(), path=path, title=title, unit="squared difference", ax=middle, **names)
            title = f"alignment, gamma {self.gamma:g}: {self.value:.3f}"
            alignment.soft_alignment(self.visits.numpy(), title=title, ax=right, **names)
        return figure

    def _function(self, gamma: float) -> Callable[..., Tensor]:
        """The alignment function with this smoothing."""
        return alignment_fn(self.alignment, gamma=gamma, band=self.band, drop_cost=self.drop_cost)


def _curve(values: Sequence[float], name: str) -> list[float]:
    """A curve as a list, after checking its values."""
    curve = np.asarray(values, dtype=float)
    if curve.ndim != 1 or not 1 <= len(curve) <= MOST or not np.isfinite(curve).all():
        what = "NaN or infinity" if not np.isfinite(curve).all() else f"shape {curve.shape}"
        raise ValueError(f"expected 1 to {MOST} finite values in {name}, got {what}")
    return curve.tolist()


def _bump(steps: int, middle: float, width: float) -> list[float]:
    """A bell curve of height 1."""
    return [round(math.exp(-(((step - middle) / width) ** 2) / 2), 4) for step in range(steps)]
