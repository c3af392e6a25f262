"""Take the order loss apart: wrong orders, the cost of each, and the gradient with respect to the costs."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import matplotlib
import numpy as np
import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

import tempclr
from tempclr import negatives
from tempclr.experiments.choices import SHUFFLES
from tempclr.losses import even_split, info_nce
from tempclr.plots import alignment, style
from tempclr.sequences import BACKGROUND, UNKNOWN
from tempclr_widgets._checks import GAMMA, checked_cost, checked_gamma, checked_sentences, gamma_trait, limits_trait
from tempclr_widgets._packed import floats, ints
from tempclr_widgets.view import View, module

# the package's shuffles, which move clips, and one that moves sentences: the function, and its one-line description
KINDS: Mapping[str, tuple[negatives.Shuffle, str]] = MappingProxyType(
    {kind: (choice.resolve(), choice.help) for kind, choice in SHUFFLES.items()}
    | {"sentences": (negatives.permute_segments, "sentences change places, clips stay")}
)
MOST_CELLS = 40_000
_MOST_ORDERS = 63
_TEMPERATURE = (0.01, 10.0)  # lowest and highest
_PAGE_DRAWS = 8  # per kind in a saved page, which has no kernel to draw more


class ShuffleLab(View):
    """The true order of one video and wrong ones, on one colour scale, with the order loss and its gradient.

    Choose what changes places, draw orders, and pick one to see why it costs more or less. The gradient shows which
    costs training lowers and which it raises.

    Args:
        cost: n x m, rows are sentences and columns clips, as `AlignmentExplorer` takes it.
        sentences: Text of each row.
        segments: Sentence that each clip shows, 0 to n - 1; or `BACKGROUND`, which stays in its place; or `UNKNOWN`,
            which is drawn as such, and shuffled as in training: by the segments of an even split.
        shuffle: What initially changes places: whole "segments" of clips, "clips" within their segment, "both",
            all ("reversed"), neighbouring segments ("swaps"), a run of segments ("blocks"), or "sentences".
        count: Number of wrong orders, 1 to 63; fewer if fewer exist. The paper uses 31.
        gamma: Smoothing of soft-DTW, 0.001 to 10, in the unit of the cost.
        temperature: Temperature of the loss, 0.01 to 10.
        seed: Seed of the first draw.

    Raises:
        ValueError: If an argument does not match the cost or is out of range, or if the video has no wrong order of any
            kind.

    Example:
        >>> lab = ShuffleLab([[0.0, 1.0], [1.0, 0.0]], sentences=["crack eggs", "whisk them"], segments=[0, 1])
        >>> lab.orders.tolist()
        [[1, 0]]
        >>> lab.loss < 0.5
        True
    """

    title = "Wrong orders"
    _esm = module("shuffle_lab.js")

    shuffle = traitlets.Enum(list(KINDS), "segments", help="what changes places").tag(sync=True)
    seed = traitlets.Int(0, min=0, help="seed of the draw").tag(sync=True)
    gamma = gamma_trait()
    temperature = traitlets.Float(1.0, min=_TEMPERATURE[0], max=_TEMPERATURE[1], help="of the order loss").tag(
        sync=True
    )
    order = traitlets.Int(0, min=0, help="index of the wrong order on display").tag(sync=True)

    sentences = traitlets.List(traitlets.Unicode(), help="text of each row").tag(sync=True)
    segments = traitlets.List(traitlets.Int(), help="sentence of each clip; -1: background; -2: unknown").tag(sync=True)
    kinds = traitlets.List(traitlets.Unicode(), help="kinds of wrong orders that this video has").tag(sync=True)
    _choices: Any = traitlets.List(help="key, name and hint of each of these kinds").tag(sync=True)
    _limits = limits_trait(gamma=GAMMA, temperature=_TEMPERATURE)
    _shape = traitlets.List(traitlets.Int(), help="n and m").tag(sync=True)
    _cost = traitlets.Bytes(help="float32, row by row").tag(sync=True)
    _orders = traitlets.Bytes(help="int32, order by order").tag(sync=True)
    _drawn: Any = traitlets.List(help="kind and seed of these orders").tag(sync=True)

    def __init__(
        self,
        cost: object,
        *,
        sentences: Sequence[str],
        segments: Sequence[int] | Tensor,
        shuffle: str = "segments",
        count: int = 31,
        gamma: float = 0.1,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> None:
        self._matrix = checked_cost(cost, MOST_CELLS)
        n, m = self._matrix.shape
        self._texts = checked_sentences(sentences, n)
        numbers = [int(each) for each in segments]
        if len(numbers) != m or not set(numbers) <= {BACKGROUND, UNKNOWN, *range(n)}:
            raise ValueError(
                f"expected a segment from 0 to {n - 1}, {BACKGROUND} (background) or {UNKNOWN} (unknown) for each of "
                f"{m} clips, got {numbers[:8]}"
            )
        if not 1 <= count <= _MOST_ORDERS:
            raise ValueError(f"expected 1 to {_MOST_ORDERS} wrong orders, got {count}")
        if shuffle not in KINDS:
            raise ValueError(f"expected shuffle to be one of {', '.join(KINDS)}, got {shuffle!r}")
        if not _TEMPERATURE[0] <= temperature <= _TEMPERATURE[1]:
            raise ValueError(
                f"expected a temperature from {_TEMPERATURE[0]:g} to {_TEMPERATURE[1]:g}, got {temperature}"
            )
        smoothing = checked_gamma(gamma)
        self._count, self._moved = count, even_split(torch.tensor([numbers]), torch.tensor([n]))[0]
        kinds = [kind for kind in KINDS if len(self._draw(kind, seed))]
        if not kinds:
            raise ValueError(
                f"expected a video with a wrong order, got {n} sentence{'s' * (n > 1)} and {m} clip{'s' * (m > 1)} "
                f"in segments {numbers[:8]}"
            )
        super().__init__(
            shuffle=shuffle if shuffle in kinds else kinds[0],
            seed=seed,
            gamma=smoothing,
            temperature=float(temperature),
            sentences=self._texts,
            segments=numbers,
            kinds=kinds,
            _choices=[[kind, kind.capitalize(), KINDS[kind][1]] for kind in kinds],
            _shape=[n, m],
            _cost=floats(self._matrix),
        )
        self._redraw()
        self.observe(lambda _: self._redraw(), ["shuffle", "seed"])

    @property
    def orders(self) -> Tensor:
        """Wrong orders on display, [count, steps]: for each place, the clip (or sentence) that stands there."""
        return self._draw(self.shuffle, self.seed)

    @property
    def distances(self) -> Tensor:
        """Soft-DTW of the true order, which comes first, and of each wrong one."""
        return tempclr.soft_dtw(self._reordered(self._matrix), gamma=self.gamma)

    @property
    def loss(self) -> float:
        """The order loss in nats; log(1 + count) when order makes no difference."""
        return self._loss(self._matrix).item()

    @property
    def gradient(self) -> Tensor:
        """Gradient of the loss with respect to the costs in true order, [n, m], in nats per unit of cost."""
        cost = self._matrix.clone().requires_grad_()
        return torch.autograd.grad(self._loss(cost), cost)[0]

    def figure(self) -> Figure:
        """Return the true order and the current wrong order, on one colour scale, and the gradient."""
        chosen = min(self.order, len(self.orders) - 1)
        costs = self._reordered(self._matrix)[[0, 1 + chosen]].numpy()
        values = self.distances[[0, 1 + chosen]].tolist()
        places = self.orders[chosen].tolist() if self.shuffle == "sentences" else range(len(self._texts))
        texts = [self._texts, [self._texts[row] for row in places]]
        gradient = self.gradient.numpy()
        with style.paper():
            figure = Figure(figsize=(10.2, 2.9), layout="constrained")
            axes = figure.subplots(1, 3)
            names = ("true order", f"wrong order {chosen + 1}")
            limits = alignment.shared_limits(*costs)
            for ax, each, name, value, labels in zip(axes, costs, names, values, texts, strict=False):
                path = None if value == torch.inf else tempclr.dtw_path(torch.from_numpy(each)).numpy()
                title = f"{name}: soft-DTW {value:.2f}"
                alignment.cost_matrix(
                    each, labels=labels, limits=limits, title=title, colorbar=ax is axes[1], ax=ax, path=path
                )
            most = max(np.abs(gradient).max(), 1e-12)
            image = axes[2].imshow(gradient, cmap=matplotlib.colormaps["PuOr"], vmin=-most, vmax=most, aspect="auto")
            axes[2].set(title=f"gradient of the loss ({self.loss:.2f} nats)", xlabel="clip")
            axes[2].set_yticks([])
            axes[2].xaxis.get_major_locator().set_params(integer=True)
            figure.colorbar(image, ax=axes[2], label="nats per unit of cost")
        return figure

    def page_state(self) -> dict[str, object]:
        """Return the synchronized state, and draws for further seeds, which a page cannot request from a kernel."""
        draws = {
            f"{kind} {seed}": ints(self._draw(kind, seed))
            for kind in self.kinds
            for seed in range(self.seed, self.seed + _PAGE_DRAWS)
        }
        return super().page_state() | {"_draws": draws}

    def _draw(self, kind: str, seed: int) -> Tensor:
        """Wrong orders of one kind: `count` of them, or all if there are fewer."""
        rows = kind == "sentences"
        segments = torch.arange(len(self._texts)) if rows else self._moved
        texts = self._texts if rows else [self._texts[each] if each >= 0 else "" for each in segments.tolist()]
        numbers = {text: number for number, text in enumerate(dict.fromkeys(texts))}
        captions = torch.tensor([numbers[text] for text in texts])
        generator = torch.Generator().manual_seed(seed)
        drawn = negatives.wrong_orders(
            segments[None], self._count, KINDS[kind][0], captions=captions[None], generator=generator
        )
        return drawn[0]

    def _redraw(self) -> None:
        """Draw orders for the current kind and seed, and send them to the browser."""
        if self.shuffle not in self.kinds:
            return
        with self.hold_sync():
            self._orders = ints(self.orders)
            self._drawn = [self.shuffle, self.seed]

    def _reordered(self, cost: Tensor) -> Tensor:
        """Costs in true order, which comes first, and in each wrong one."""
        axis = 0 if self.shuffle == "sentences" else 1
        return torch.stack([cost, *(cost.index_select(axis, order) for order in self.orders)])

    def _loss(self, cost: Tensor) -> Tensor:
        """The order loss of these costs."""
        distances = tempclr.soft_dtw(self._reordered(cost), gamma=self.gamma)[None]
        return info_nce(distances, torch.ones_like(distances, dtype=torch.bool), self.temperature)[0]
