"""Plot of step localization: truth, prediction and confidence over time."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from tempclr.plots import _text as text
from tempclr.plots import style
from tempclr.plots._inputs import check_finite
from tempclr.sequences import BACKGROUND, UNKNOWN

_HALF = 0.4  # share of a row: height of the truth, and of a prediction of confidence 1


@style.styled
def timeline(
    truth: Int[np.ndarray, " clips"],
    predicted: Int[np.ndarray, " clips"],
    *,
    confidence: Float[np.ndarray, " clips"] | None = None,
    labels: Sequence[str] | None = None,
    seconds: float | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Draw when each task step happens and, below that, when it was predicted.

    Args:
        truth: Task step of each clip, from 0; or `BACKGROUND`, or `UNKNOWN`: what is predicted there is neither
            right nor wrong, and the clips are hatched over all rows.
        predicted: Predicted task step of each clip, from 0, or `BACKGROUND`.
        confidence: Confidence of each prediction, 0 to 1, drawn as the height of its bar.
        labels: Text of each task step; numbers by default.
        seconds: Duration of a clip; by default, time is counted in clips.
        title: Short text above the plot.
        ax: Where to draw; new axes by default.

    Raises:
        ValueError: If there is no clip, a confidence is outside 0 to 1, a task step is negative and not one of these
            or has no label, or `seconds` is not positive.
    """
    _check(truth, predicted, confidence, labels, seconds)
    steps = len(labels) if labels is not None else max(0, int(max(truth.max(), predicted.max()))) + 1
    known = truth != UNKNOWN
    ax = style.axes_or_new(ax, height=0.85 + 0.35 * (not known.all()) + 0.3 * min(steps, 20))
    look, scale = style.palette(), seconds or 1.0
    sure = np.ones(len(truth)) if confidence is None else confidence
    placed, right = predicted >= 0, predicted == truth
    groups = [
        (truth, truth >= 0, np.ones(len(truth)), -_HALF, look.neutral, "", "truth"),
        (predicted, placed & right, sure, 0.0, look.series[0], "", "predicted, right"),
        (predicted, placed & ~right & known, sure, 0.0, look.series[1], "////", "predicted, wrong"),
    ]
    if not known.all():
        groups.append((predicted, placed & ~known, sure, 0.0, look.series[2], "", "predicted, truth unknown"))
    handles = []
    for step, chosen, height, offset, colour, hatch, _ in groups:
        face: dict[str, Any] = {"facecolor": colour, "hatch": hatch, "edgecolor": look.paper, "linewidth": 0}
        clips = np.flatnonzero(chosen)
        tall, top = _HALF * height[clips], step[clips] + offset
        ax.bar(clips * scale, tall, width=scale, bottom=top, align="edge", **face)
        handles.append(Patch(**face))
    if not known.all():
        blank: dict[str, Any] = {"facecolor": "none", "hatch": "....", "edgecolor": look.neutral, "linewidth": 0}
        clips = np.flatnonzero(~known)
        ax.bar(clips * scale, steps, width=scale, bottom=-0.5, align="edge", zorder=0, **blank)
        handles.append(Patch(**blank))
    for row in range(steps + 1):
        ax.axhline(row - 0.5, color=look.neutral, linewidth=0.3)
    ax.set_xlim(0, len(truth) * scale)
    ax.set_ylim(steps - 0.5, -0.5)
    text.mark_steps(ax.yaxis, steps, labels)
    ax.set_xlabel("clip" if seconds is None else "time (s)")
    ax.set_ylabel("step" if labels is None else "")
    ax.spines[["left"]].set_visible(False)
    text.title(ax, title)
    meaning = "" if confidence is None else " (height: confidence, 0 to 1)"
    names = [name + (meaning if name == "predicted, right" else "") for *_, name in groups]
    text.legend(ax, handles, names + ["truth unknown"] * (not known.all()))
    return ax


def _check(
    truth: np.ndarray,
    predicted: np.ndarray,
    confidence: np.ndarray | None,
    labels: Sequence[str] | None,
    seconds: float | None,
) -> None:
    """Refuse arrays that cannot be drawn."""
    check_finite(truth, 1, "true steps [clips]")
    if predicted.shape != truth.shape:
        raise ValueError(f"expected a predicted step for each of {len(truth)} clips, got {predicted.shape}")
    if truth.min() < UNKNOWN or predicted.min() < BACKGROUND:
        raise ValueError(
            f"expected steps from 0, {BACKGROUND} (background) or, in the truth, {UNKNOWN} (unknown), "
            f"got {min(truth.min(), predicted.min())}"
        )
    if confidence is not None:
        check_finite(confidence, 1, "confidence [clips]")
        if confidence.shape != truth.shape or (confidence < 0).any() or (confidence > 1).any():
            raise ValueError("expected a confidence from 0 to 1 for each clip")
    if labels is not None and max(truth.max(), predicted.max()) >= len(labels):
        last = max(truth.max(), predicted.max())
        raise ValueError(f"expected a label for every step, got {len(labels)} labels and step {last}")
    if seconds is not None and not 0 < seconds < np.inf:
        raise ValueError(f"expected seconds above 0, got {seconds}")
