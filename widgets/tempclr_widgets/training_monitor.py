"""A training, watched: its curves, what becomes of one pair's alignment, and buttons that pause and stop it."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

import tempclr
from tempclr._util.files import atomic_write, read_arrays
from tempclr.plots import alignment, style, training
from tempclr.training.history import read_history
from tempclr_widgets._checks import checked_cost, checked_gamma, gamma_trait
from tempclr_widgets._packed import floats
from tempclr_widgets.view import View, module

CURVES = {
    "unit": "unit loss (nats)",
    "order": "order loss (nats)",
    "score": "validation score",
    "gradient_norm": "gradient norm",
}
MOST_RECORDS = 2000  # points of a curve that a browser is given; neighbours are averaged beyond
MOST_CELLS = 100_000  # of the pair
MOST_NUMBERS = 250_000  # in all looks at it, of which every second is left out beyond
MOST_LOOKS = 60
TELL = 0.5  # seconds between two messages to the browser
LISTEN = 0.2  # seconds between two pauses for messages from it
FILE = "looks.npz"  # in a run's folder

Record = TypeVar("Record")


class TrainingMonitor(View):
    """The curves of a training, and one pair's costs and alignment at several steps of it, with a slider through time.

    In a notebook, pause holds the loop between two steps, and stop ends it in order. For that, the kernel must take
    messages while a cell runs, as ipykernel does from 7.4 on; elsewhere, interrupt it: training continues from its
    last checkpoint.

    Args:
        steps: Of the whole training.
        sentences: Texts of the rows of the pair's costs, if it is looked at.
        gamma: Smoothing of its soft alignment, 0.001 to 10, in the unit of the cost.
        folder: Of the run. Its `history.jsonl` is shown from the start, and looks at the pair are kept in its
            `looks.npz`, so that a training that continues is shown whole.

    Raises:
        ValueError: If there is no step, gamma is out of range, or the folder's files are damaged or show another pair.

    Example:
        >>> monitor = TrainingMonitor(steps=2)
        >>> async def cell():  # a notebook's cell begins with the next line
        ...     async for record in monitor.watch([{"step": 1, "unit": 0.7}, {"step": 2, "unit": 0.5}]):
        ...         print(record["unit"])
        >>> asyncio.run(cell())
        0.7
        0.5
        >>> monitor.state
        'ended'
    """

    title = "Training"
    _esm = module("training_monitor.js")

    state = traitlets.Enum(["waiting", "running", "paused", "stopping", "ended"], "waiting", help="of the loop").tag(
        sync=True
    )
    wish = traitlets.Enum(["", "pause", "stop"], "", help="what the reader asked for").tag(sync=True)
    step = traitlets.Int(0, help="of the last record").tag(sync=True)
    steps = traitlets.Int(help="of the whole training").tag(sync=True)
    seconds = traitlets.Float(0.0, help="per step, lately").tag(sync=True)
    ended = traitlets.Unicode("", help="why training ended").tag(sync=True)
    look = traitlets.Int(-1, help="number of the look that is shown; -1 is the last").tag(sync=True)
    gamma = gamma_trait()

    sentences = traitlets.List(traitlets.Unicode(), help="text of each row").tag(sync=True)
    _names = traitlets.List(traitlets.List(traitlets.Unicode()), help="key and name of each curve").tag(sync=True)
    _curves = traitlets.Bytes(help="float32 [records, 1 + curves]: step and values; NaN is none").tag(sync=True)
    _shape = traitlets.List(traitlets.Int(), help="n and m").tag(sync=True)
    _costs = traitlets.Bytes(help="float32 [looks, n, m]").tag(sync=True)
    _look_steps = traitlets.List(traitlets.Int(), help="step of each look").tag(sync=True)

    def __init__(
        self, *, steps: int, sentences: Sequence[str] = (), gamma: float = 0.1, folder: Path | str | None = None
    ) -> None:
        if steps < 1:
            raise ValueError(f"expected at least one step of training, got {steps}")
        if isinstance(sentences, str):
            raise ValueError("expected a list of sentences, got one string")
        self._folder = None if folder is None else Path(folder)
        self._records: list[dict] = [] if folder is None else read_history(folder)
        self._looks: dict[int, np.ndarray] = {}
        self._sent = self._heard = -math.inf
        super().__init__(
            steps=steps,
            gamma=checked_gamma(gamma),
            sentences=[str(text) for text in sentences],
            _names=[[key, name] for key, name in CURVES.items()],
        )
        if self._folder is not None:
            self._read_looks(self._folder / FILE)
        self.on_msg(self._hear)
        self._show()

    @classmethod
    def of_run(cls, folder: Path | str, *, gamma: float = 0.1) -> Self:
        """Return the monitor of a training that was watched, as its folder tells.

        Raises:
            ValueError: If no step of a training is recorded there, or as for the class.
        """
        records = read_history(folder)
        if not records:
            raise ValueError(f"expected the history of a training in {folder}, found none")
        monitor = cls(steps=records[-1]["step"], gamma=gamma, folder=folder)
        monitor.state, monitor.ended = "ended", records[-1].get("ended") or "interrupted"
        return monitor

    def stopping(self) -> bool:
        """Return whether the reader asked for the end of training: `train` is passed this as `stop`."""
        return self.wish == "stop"

    async def watch(
        self, loop: Iterable[Record], look: Callable[[], Tensor] | None = None, *, every: int | None = None
    ) -> AsyncIterator[Record]:
        """Yield the records of a loop, show them, and hold it while the reader has paused it.

        Args:
            loop: Such as `train(..., stop=monitor.stopping)`. One that does not end by itself within a
                step when the reader asks for its end is left then.
            look: Returns the costs [n, m] of the pair as the model is now; it must leave the training as it is.
            every: Steps between two looks; by default, so that about forty are made.

        Raises:
            ValueError: If a record has no step, or a look is not of the same shape or is not finite.
        """
        every = max(1, self.steps // 40) if every is None else every
        if every < 1:
            raise ValueError(f"expected at least one step between looks, got {every}")
        self.state, self.ended, self.wish = "running", "", ""
        ended = "interrupted"
        try:
            if look is not None and not self._looks:
                self._add_look(self._records[-1]["step"] if self._records else 0, look())
            asked = False
            for record in loop:
                entry: dict[str, Any] = (
                    asdict(record) if is_dataclass(record) else dict(record)  # type: ignore[arg-type, call-overload]
                )
                if "step" not in entry:
                    raise ValueError(f"expected records with a step, got one with {', '.join(entry) or 'nothing'}")
                self._records.append(entry)
                last = bool(entry.get("ended")) or entry["step"] >= self.steps
                if look is not None and (last or entry["step"] % every == 0):
                    self._add_look(entry["step"], look())
                if last or time.monotonic() - self._sent > TELL:
                    self._show()
                yield record
                if asked and not last:  # it had one step to end by itself, with a checkpoint
                    ended = "stopped"
                    break
                await self._listen()
                asked = self.stopping()
                if asked:
                    self.state = "stopping"
            else:
                ended = (self._records[-1].get("ended") if self._records else None) or "steps"
        finally:
            self._show()
            self.state, self.ended, self.wish = "ended", ended, ""

    def figure(self) -> Figure:
        """Return the curves, and below the pair's costs and alignment at the first look and at the one shown."""
        known = [key for key in CURVES if any(_number(each.get(key)) is not None for each in self._records)]
        if not known:
            raise ValueError("expected records of a training to draw, got none; watch one first")
        with style.paper():
            pair = bool(self._looks)
            figure = Figure(figsize=(2.6 * max(2, len(known)), 2.4 + 2.6 * pair), layout="constrained")
            above, *below = figure.subfigures(1 + pair, 1, squeeze=False)[:, 0]
            axes = np.atleast_1d(above.subplots(1, len(known)))
            for ax, key in zip(axes, known, strict=True):
                training.learning_curves({"this run": [self._records]}, key, ylabel=CURVES[key], ax=ax)
                if ax.get_legend() is not None:
                    ax.get_legend().remove()
            for part in below:
                steps = (self._look_steps[0], self._look_steps[self.look])
                limits = alignment.shared_limits(*(self._looks[at] for at in steps))
                axes = part.subplots(1, 2, sharey=True)
                for ax, at in zip(axes, steps, strict=True):
                    cost = torch.from_numpy(self._looks[at]).double()
                    value = tempclr.soft_dtw(cost, gamma=self.gamma).item()
                    drawn: dict[str, Any] = {"path": tempclr.dtw_path(cost).numpy()} if value < math.inf else {}
                    drawn |= {"labels": self.sentences, "limits": limits, "colorbar": ax is axes[1]}
                    alignment.cost_matrix(cost.numpy(), title=f"step {at}: soft-DTW {value:.2f}", ax=ax, **drawn)
                axes[1].set_ylabel("")
        return figure

    def _hear(self, _view: object, content: dict, _buffers: object) -> None:
        """Note what the reader asks for; as a message, which the kernel hears also while a cell runs."""
        if content.get("wish") in ("", "pause", "stop"):
            self.wish = content["wish"]

    async def _listen(self) -> None:
        """Let messages in, now and then, and wait while the reader has paused."""
        if time.monotonic() - self._heard > LISTEN:
            await asyncio.sleep(0.005)
            self._heard = time.monotonic()
        if self.wish != "pause":
            return
        self._show()
        self.state = "paused"
        while self.wish == "pause":
            await asyncio.sleep(0.02)
        self.state = "running"

    def _add_look(self, step: int, cost: Tensor) -> None:
        """Keep what the pair costs at a step."""
        matrix = checked_cost(cost, MOST_CELLS)
        n, m = matrix.shape
        if n != len(self.sentences) or (self._looks and self._shape != [n, m]):
            wanted = self._shape if self._looks else [len(self.sentences), "clips"]
            raise ValueError(f"expected costs {wanted} of the pair, got {[n, m]}")
        self._looks[step] = matrix.float().numpy()
        if len(self._looks) > max(2, min(MOST_LOOKS, MOST_NUMBERS // matrix.numel())):
            keep = [*list(self._looks)[:-1:2], step]
            self._looks = {each: self._looks[each] for each in keep}
        self._shape = [n, m]
        if self._folder is not None and self._folder.is_dir():
            with atomic_write(self._folder / FILE) as temporary, temporary.open("wb") as file:
                costs, texts = np.stack(list(self._looks.values())), np.array(self.sentences)
                np.savez(file, steps=np.array(list(self._looks)), costs=costs, sentences=texts)

    def _read_looks(self, path: Path) -> None:
        """Take up what was kept of a training that continues, as far as its history goes."""
        if not path.is_file():
            return
        try:
            stored = read_arrays(path)
            steps, costs, texts = stored["steps"], stored["costs"], stored["sentences"].tolist()
        except (ValueError, KeyError) as error:
            raise ValueError(f"expected the looks at a pair in {path}, which is damaged; delete it: {error}") from error
        if costs.ndim != 3 or len(steps) != len(costs) or costs.shape[1] != len(texts):
            raise ValueError(f"expected the looks at a pair in {path}, got {costs.shape} for {len(texts)} sentences")
        if self.sentences and self.sentences != texts:
            raise ValueError(
                f"expected the sentences of the pair in {path}, got others; delete it, or choose that pair"
            )
        self.sentences = texts
        last = self._records[-1]["step"] if self._records else 0
        self._looks = {int(step): cost for step, cost in zip(steps, costs, strict=True) if step <= last}
        self._shape = list(costs.shape[1:])

    def _show(self) -> None:
        """Send the browser what is new."""
        self._sent = time.monotonic()
        rows = [[_number(each.get(key)) for key in ("step", *CURVES)] for each in self._records]
        table = np.array(rows, dtype=float).reshape(-1, 1 + len(CURVES))
        with self.hold_sync():
            self.step = int(table[-1, 0]) if len(table) else 0
            lately = [each["seconds"] for each in self._records[-20:] if each.get("seconds") is not None]
            self.seconds = float(np.median(lately)) if lately else 0.0
            self._curves = floats(thinned(table, MOST_RECORDS))
            self._look_steps = list(self._looks)
            self._costs = b"".join(map(floats, self._looks.values()))


def thinned(table: np.ndarray, most: int) -> np.ndarray:
    """Return at most that many rows: neighbours averaged by column without their NaNs, the first column their last."""
    if len(table) <= most:
        return table
    runs = np.array_split(table, most)
    kept = np.full((most, table.shape[1]), np.nan)
    for row, run in zip(kept, runs, strict=True):
        known = np.isfinite(run).any(0)
        row[known] = np.nanmean(run[:, known], axis=0)
        row[0] = run[-1, 0]
    return kept


def _number(value: object) -> float | None:
    """A finite number, or None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
