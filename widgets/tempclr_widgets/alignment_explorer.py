"""Explore one cost matrix: its sentences, clips, costs and alignments, all linked."""

import math
import mimetypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

import tempclr
from tempclr.plots import alignment, style
from tempclr_widgets._alignments import VIEW_ALIGNMENTS, alignment_fn, labelled
from tempclr_widgets._checks import (
    GAMMA,
    band_trait,
    checked_band,
    checked_cost,
    checked_gamma,
    checked_sentences,
    gamma_trait,
    limits_trait,
)
from tempclr_widgets._packed import floats, ints
from tempclr_widgets._pictures import sheet_of
from tempclr_widgets.view import View, module

HINTS = {
    "dtw": "all sentences with all clips",
    "otam": "every clip once; sentences may be left out at the ends",
    "drop_dtw": "steps may be dropped, at a price",
    "subsequence_dtw": "all sentences with the clips that fit best",
}
MOST_CELLS = 10_000_000
_MOST_VIDEO = 64 * 2**20  # bytes


class AlignmentExplorer(View):
    """A cost matrix under one or several alignment functions, with its sentences and clips.

    Brush sentences, in their list or down a matrix, to see their clips. Brush clips, in the strip or across a matrix,
    to see their sentences. In a notebook the kernel computes the alignments; a saved page does so itself.

    Args:
        cost: n x m, rows are sentences and columns clips; finite or +inf, which forbids a cell. Kept in float32.
        sentences: Text of each row.
        frames: Pictures of each clip in 8-bit colour, [m, frames, height, width, 3] or [m, height, width, 3]. Large
            pictures are scaled down.
        video: File that the clips come from, at most 64 MB; playback follows the current clip.
        starts: Seconds at which the clips begin, in increasing order; or the duration of every clip in seconds.
        alignments: Initial choice of "dtw", "otam", "drop_dtw" and "subsequence_dtw". The first one links sentences
            and clips.
        gamma: Smoothing, 0.001 to 10, in the unit of the cost.
        band: Steps off the line between the corners, for "dtw"; -1 is no band.
        drop_cost: Cost of dropping a step, for "drop_dtw"; by default the median of the finite costs.
        drops: Which steps may be dropped: clips "y", sentences "x", or both "xy".

    Raises:
        ValueError: If the cost is not such a matrix, is empty or has more than ten million cells; if there are not n
            sentences; if another argument does not match the cost or is out of range; or if the video does not
            exist, is too large, or comes without `starts`.

    Example:
        >>> view = AlignmentExplorer([[0.0, 1.0], [1.0, 0.0]], sentences=["crack eggs", "whisk them"])
        >>> view.values["dtw"]["hard"]
        0.0
    """

    title = "Alignment"
    _esm = module("alignment_explorer.js")

    alignments = traitlets.List(traitlets.Enum(list(VIEW_ALIGNMENTS)), minlen=1, help="alignments on display").tag(
        sync=True
    )
    arrangement = traitlets.Enum(["beside", "blended"], "beside", help="how the panels are arranged").tag(sync=True)
    gamma = gamma_trait()
    band = band_trait()
    drop_cost = traitlets.Float(0.0, help="cost of dropping a step").tag(sync=True)
    drops = traitlets.Enum(["y", "x", "xy"], "y", help="steps that may be dropped: clips, sentences, both").tag(
        sync=True
    )
    ink = traitlets.Float(0.0, min=0.0, max=1.0, help="0 shows costs, 1 the soft alignment").tag(sync=True)
    brush: Any = traitlets.List(help="[] or ['rows' or 'columns', first, last]").tag(sync=True)
    cursor = traitlets.List(traitlets.Int(), help="[] or the current cell [i, j]").tag(sync=True)
    area = traitlets.List(traitlets.Float(), help="[] or the zoomed area: top, bottom, left, right").tag(sync=True)

    sentences = traitlets.List(traitlets.Unicode(), help="text of each row").tag(sync=True)
    _choices = traitlets.List(default_value=labelled(HINTS), help="key, name and hint of each alignment function").tag(
        sync=True
    )
    _limits = limits_trait(gamma=GAMMA)
    _shape = traitlets.List(traitlets.Int(), help="n and m").tag(sync=True)
    _cost = traitlets.Bytes(help="float32, row by row").tag(sync=True)
    _sheet = traitlets.Bytes(help="all pictures in one PNG or JPEG").tag(sync=True)
    _sheet_shape = traitlets.List(traitlets.Int(), help="frames per clip, height, width, frames per row").tag(sync=True)
    _clip_starts = traitlets.Bytes(help="float32 seconds").tag(sync=True)
    _video_type = traitlets.Unicode(help="media type; the video itself is sent on request").tag(sync=True)

    def __init__(
        self,
        cost: object,
        *,
        sentences: Sequence[str],
        frames: np.ndarray | None = None,
        video: Path | str | None = None,
        starts: float | Sequence[float] | None = None,
        alignments: Sequence[str] = ("dtw",),
        gamma: float = 0.1,
        band: float = -1.0,
        drop_cost: float | None = None,
        drops: str = "y",
    ) -> None:
        self._matrix = checked_cost(cost, MOST_CELLS)
        n, m = self._matrix.shape
        if not alignments or not set(alignments) <= set(VIEW_ALIGNMENTS):
            raise ValueError(f"expected alignments among {', '.join(VIEW_ALIGNMENTS)}, got {list(alignments)}")
        if drops not in ("x", "y", "xy"):
            raise ValueError(f"expected drops to be 'y', 'x' or 'xy', got {drops!r}")
        finite = self._matrix[self._matrix.isfinite()]
        usual = finite.median().item() if len(finite) else 0.0
        if drop_cost is not None and not math.isfinite(drop_cost):
            raise ValueError(f"expected a finite drop_cost, got {drop_cost}")
        sheet, sheet_shape = sheet_of(frames, m)
        self._video, kind = _video_of(video)
        if (video is None) != (starts is None):
            raise ValueError(
                "expected video and starts together (the seconds at which its clips begin), got only one of them"
            )
        super().__init__(
            alignments=list(alignments),
            gamma=checked_gamma(gamma),
            band=checked_band(band),
            drop_cost=usual if drop_cost is None else float(drop_cost),
            drops=drops,
            sentences=checked_sentences(sentences, n),
            _shape=[n, m],
            _cost=floats(self._matrix),
            _sheet=sheet,
            _sheet_shape=sheet_shape,
            _clip_starts=b"" if starts is None else floats(_checked_starts(starts, m)),
            _video_type=kind,
        )
        self.on_msg(self._answer)
        self.observe(lambda _: self._align(self.alignments), ["alignments", "gamma", "band", "drop_cost", "drops"])

    @property
    def values(self) -> dict[str, dict[str, float | None]]:
        """Soft and hard cost of each alignment on display, by name; None where no path exists."""
        found = {}
        for name in self.alignments:
            soft, hard = (function(self._matrix).item() for function in self._functions(name))
            found[name] = {"soft": _finite(soft), "hard": _finite(hard)}
        return found

    @property
    def brushed(self) -> tuple[list[int], list[int]]:
        """Sentences and clips: those brushed on one side, and their partners on the path of the first alignment."""
        if not self.brush:
            return [], []
        axis, first, last = self.brush
        own = 0 if axis == "rows" else 1
        path = _path(self._functions(self.alignments[0])[1], self._matrix)
        linked = path[(path[:, own] >= first) & (path[:, own] <= last)][:, 1 - own].unique().tolist()
        chosen = list(range(first, last + 1))
        return (chosen, linked) if axis == "rows" else (linked, chosen)

    def figure(self) -> Figure:
        """Return the costs with the hard path beside the soft alignment, one row per alignment shown."""
        with style.paper():
            figure = Figure(figsize=(8.4, 2.7 * len(self.alignments)), layout="constrained")
            axes = figure.subplots(len(self.alignments), 2, squeeze=False, sharey=True)
            for name, (left, right) in zip(self.alignments, axes, strict=True):
                soft, hard = self._functions(name)
                path = _path(hard, self._matrix)
                title = f"{VIEW_ALIGNMENTS[name]}, hard: {_written(hard(self._matrix).item())}"
                shown: dict[str, Any] = {"path": path.numpy()} if len(path) else {}
                alignment.cost_matrix(self._matrix.numpy(), labels=self.sentences, title=title, ax=left, **shown)
                title = f"soft, gamma {self.gamma:g}: {_written(soft(self._matrix).item())}"
                visits = tempclr.alignment_of(soft, self._matrix).numpy()
                alignment.soft_alignment(visits, labels=self.sentences, title=title, ax=right)
        return figure

    def page_state(self) -> dict[str, object]:
        """Return the synchronized state, and the video, which a page cannot request from a kernel."""
        return super().page_state() | ({"_video": self._video} if self._video else {})

    def _functions(self, name: str) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
        """The soft and the hard form of an alignment function, with the current settings."""
        options = {"band": self.band, "drop_cost": self.drop_cost, "drops": self.drops}
        return alignment_fn(name, gamma=self.gamma, **options), alignment_fn(name, gamma=0.0, **options)

    def _answer(self, _view: object, content: dict, _buffers: object) -> None:
        """Answer a request of the browser for alignments by name, or for the video."""
        if content.get("video") and self._video:
            self.send({"video": True}, buffers=[self._video])
        self._align([name for name in content.get("ask", []) if name in VIEW_ALIGNMENTS])

    def _align(self, names: Sequence[str]) -> None:
        """Compute alignments and send them to the browser."""
        answers, buffers = [], []
        for name in names:
            soft, hard = self._functions(name)
            cost = self._matrix.clone().requires_grad_()
            value = soft(cost)
            (visits,) = torch.autograd.grad(value, cost)
            hard_value = _finite(hard(self._matrix).item())
            answers.append({"name": name, "value": _finite(value.item()), "hard": hard_value})
            buffers += [floats(visits), ints(_path(hard, self._matrix))]
        if answers:
            self.send({"answers": answers}, buffers=buffers)


def _path(hard: Callable[..., Tensor], cost: Tensor) -> Tensor:
    """Cells of the hard path; empty if there is no path or it matches nothing."""
    if hard(cost) == torch.inf:
        return torch.empty((0, 2), dtype=torch.int64)
    return tempclr.path_of(hard, cost)


def _finite(value: float) -> float | None:
    """The value, or None where JSON has no number for it."""
    return value if math.isfinite(value) else None


def _written(value: float) -> str:
    """A value as text for a title."""
    return f"{value:.3f}" if math.isfinite(value) else "no path"


def _checked_starts(starts: float | Sequence[float], m: int) -> np.ndarray:
    """Seconds at which the clips begin."""
    if isinstance(starts, int | float):
        if not 0 < starts < math.inf:
            raise ValueError(f"expected clips that last > 0 seconds, got {starts}")
        return np.arange(m) * float(starts)
    seconds = np.asarray(starts, dtype=float)
    if seconds.shape != (m,) or not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any() or seconds[0] < 0:
        raise ValueError(f"expected {m} rising seconds in starts, got {list(np.atleast_1d(seconds))[:4]}...")
    return seconds


def _video_of(path: Path | str | None) -> tuple[bytes, str]:
    """A video's bytes and media type."""
    if path is None:
        return b"", ""
    path = Path(path)
    kind = mimetypes.guess_type(path.name)[0] or ""
    if not path.is_file():
        raise ValueError(f"expected a video file, found none at {path}")
    if not kind.startswith("video/"):
        raise ValueError(f"expected a video such as .mp4 or .webm, got {path.name}")
    if path.stat().st_size > _MOST_VIDEO:
        raise ValueError(
            f"expected a video of at most {_MOST_VIDEO >> 20} MB, got {path.stat().st_size / 2**20:.0f} MB in "
            f"{path.name}; cut or compress it, or pass frames instead"
        )
    return path.read_bytes(), kind
