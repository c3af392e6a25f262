"""Watch a training run: its curves, how the alignment of one pair changes, and buttons that pause and stop it."""

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
from tempclr_widgets._checks import GAMMA, checked_cost, checked_gamma, gamma_trait, limits_trait
from tempclr_widgets._packed import floats
from tempclr_widgets.view import View, module

CURVES = {
    "unit": "unit loss (nats)",
    "order": "order loss (nats)",
    "score": "validation score",
    "gradient_norm": "gradient norm",
}
_MOST_RECORDS = 2000  # points of a curve sent to the browser; longer curves are averaged over neighbouring points
MOST_CELLS = 100_000  # cells of the pair's costs
_MOST_LOOKS = 60  # beyond this, every second look is dropped
MOST_NUMBERS = 250_000  # costs in all looks; beyond this, every second look is dropped
_SHOW_EVERY = 0.5  # seconds between two messages to the browser
_LISTEN_EVERY = 0.2  # seconds between two pauses to receive the browser's messages
FILE = "looks.npz"  # in the run's folder

Record = TypeVar("Record")


class TrainingMonitor(View):
    """The curves of a training run, and the costs and alignment of one pair at several training steps.

    In a notebook, the pause button holds the loop between two training steps, and the stop button ends it. Both need
    a kernel that handles messages while a cell runs, such as ipykernel 7.4 or later. With any other kernel, interrupt
    the cell instead; training then continues from its last checkpoint.

    Args:
        steps: Training steps of the whole run, at least 1.
        sentences: Texts of the rows of the pair's costs; needed if `watch` is given a `look`.
        gamma: Smoothing of the pair's soft alignment, 0.001 to 10, in the unit of the cost.
        folder: Folder of the run. The monitor shows its whole `history.jsonl` and saves the looks at the pair in
            its `looks.npz`, so a continued run is shown in full.

    Raises:
        ValueError: If `steps` or `gamma` is out of range, or the folder's files are damaged or show another pair.

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

    state = traitlets.Enum(
        ["waiting", "running", "paused", "stopping", "ended"], "waiting", help="state of the loop"
    ).tag(sync=True)
    wish = traitlets.Enum(["", "pause", "stop"], "", help="what the reader has asked for").tag(sync=True)
    step = traitlets.Int(0, help="training step of the last record").tag(sync=True)
    steps = traitlets.Int(help="training steps of the whole run").tag(sync=True)
    seconds = traitlets.Float(0.0, help="median duration of the last training steps").tag(sync=True)
    ended = traitlets.Unicode("", help="why training ended").tag(sync=True)
    look = traitlets.Int(-1, help="index of the look on display; -1 is the last").tag(sync=True)
    gamma = gamma_trait()

    sentences = traitlets.List(traitlets.Unicode(), help="text of each row").tag(sync=True)
    _names = traitlets.List(traitlets.List(traitlets.Unicode()), help="key and label of each curve").tag(sync=True)
    _curves = traitlets.Bytes(help="float32 [records, 1 + curves]: step and values; NaN is no value").tag(sync=True)
    _limits = limits_trait(gamma=GAMMA)
    _shape = traitlets.List(traitlets.Int(), help="n and m").tag(sync=True)
    _costs = traitlets.Bytes(help="float32 [looks, n, m]").tag(sync=True)
    _look_steps = traitlets.List(traitlets.Int(), help="training step of each look").tag(sync=True)

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
        """Return a monitor of a past run, read from its folder.

        Raises:
            ValueError: If the folder has no recorded training step, or as for the class.
        """
        records = read_history(folder)
        if not records:
            raise ValueError(f"expected the history of a training run in {folder}, found none")
        monitor = cls(steps=records[-1]["step"], gamma=gamma, folder=folder)
        monitor.state, monitor.ended = "ended", records[-1].get("ended") or "interrupted"
        return monitor

    def stopping(self) -> bool:
        """Return whether the reader has pressed stop; pass this method to `train` as `stop`."""
        return self.wish == "stop"

    async def watch(
        self, loop: Iterable[Record], look: Callable[[], Tensor] | None = None, *, every: int | None = None
    ) -> AsyncIterator[Record]:
        """Yield the records of a training loop and show them, waiting while the reader has paused it.

        Args:
            loop: Records, such as `train(..., stop=monitor.stopping)`. After the reader presses stop, the loop has
                one more training step in which to end; then iteration stops.
            look: Returns the pair's costs [n, m] under the current model, without changing the state of training.
            every: Training steps between two looks, at least 1; the default makes about forty looks.

        Raises:
            ValueError: If `every` is out of range, a record has no step, a cost is NaN or -inf, or the shape of the
                costs changes or does not match the sentences.
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
                if last or time.monotonic() - self._sent > _SHOW_EVERY:
                    self._show()
                yield record
                if asked and not last:  # it had one more step to save a checkpoint and end
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
        """Return the curves, and below them the pair's costs and paths at the first look and at the one on display."""
        known = [key for key in CURVES if any(_number(each.get(key)) is not None for each in self._records)]
        if not known:
            raise ValueError("expected records of a training run to draw, got none; watch a run first")
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
        """Store a request of the reader, sent as a message because the kernel handles those while a cell runs."""
        if content.get("wish") in ("", "pause", "stop"):
            self.wish = content["wish"]

    async def _listen(self) -> None:
        """Let the kernel handle messages from time to time, and wait while the reader has paused the loop."""
        if time.monotonic() - self._heard > _LISTEN_EVERY:
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
        """Keep the pair's costs at a training step."""
        matrix = checked_cost(cost, MOST_CELLS)
        n, m = matrix.shape
        if n != len(self.sentences) or (self._looks and self._shape != [n, m]):
            wanted = self._shape if self._looks else [len(self.sentences), "clips"]
            raise ValueError(f"expected costs {wanted} of the pair, got {[n, m]}")
        self._looks[step] = matrix.float().numpy()
        if len(self._looks) > max(2, min(_MOST_LOOKS, MOST_NUMBERS // matrix.numel())):
            keep = [*list(self._looks)[:-1:2], step]
            self._looks = {each: self._looks[each] for each in keep}
        self._shape = [n, m]
        if self._folder is not None and self._folder.is_dir():
            with atomic_write(self._folder / FILE) as temporary, temporary.open("wb") as file:
                costs, texts = np.stack(list(self._looks.values())), np.array(self.sentences)
                np.savez(file, steps=np.array(list(self._looks)), costs=costs, sentences=texts)

    def _read_looks(self, path: Path) -> None:
        """Read the saved looks of a continued run, up to the last step of its history."""
        if not path.is_file():
            return
        try:
            stored = read_arrays(path)
            steps, costs, texts = stored["steps"], stored["costs"], stored["sentences"].tolist()
        except (ValueError, KeyError) as error:
            raise ValueError(f"expected looks at a pair in {path}, got a damaged file; delete it: {error}") from error
        if costs.ndim != 3 or len(steps) != len(costs) or costs.shape[1] != len(texts):
            raise ValueError(
                f"expected looks at a pair of {len(texts)} sentences in {path}, got costs {costs.shape}; delete it"
            )
        if self.sentences and self.sentences != texts:
            raise ValueError(
                f"expected the sentences of the pair in {path}, got others; delete it, or choose that pair"
            )
        self.sentences = texts
        last = self._records[-1]["step"] if self._records else 0
        self._looks = {int(step): cost for step, cost in zip(steps, costs, strict=True) if step <= last}
        self._shape = list(costs.shape[1:])

    def _show(self) -> None:
        """Send the browser the current curves and looks."""
        self._sent = time.monotonic()
        rows = [[_number(each.get(key)) for key in ("step", *CURVES)] for each in self._records]
        table = np.array(rows, dtype=float).reshape(-1, 1 + len(CURVES))
        with self.hold_sync():
            self.step = int(table[-1, 0]) if len(table) else 0
            lately = [each["seconds"] for each in self._records[-20:] if each.get("seconds") is not None]
            self.seconds = float(np.median(lately)) if lately else 0.0
            self._curves = floats(thinned(table, _MOST_RECORDS))
            self._look_steps = list(self._looks)
            self._costs = b"".join(map(floats, self._looks.values()))


def thinned(table: np.ndarray, most: int) -> np.ndarray:
    """Return at most `most` rows, each the mean of neighbouring rows.

    NaNs do not count in the mean. The first column, the training step, keeps the last value of its neighbours.
    """
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
