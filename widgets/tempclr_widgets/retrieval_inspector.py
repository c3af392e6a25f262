"""Inspect a retrieval: one paragraph, the videos ranked for it, and why the first one beat the right one."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Self

import torch
import traitlets
from matplotlib.figure import Figure
from torch import Tensor

import tempclr
from tempclr.costs import cosine_cost
from tempclr.losses import TempCLR
from tempclr.metrics import ranks
from tempclr.plots import alignment, style
from tempclr.sequences import Pair, Sequences
from tempclr.tasks import retrieval
from tempclr_widgets._checks import GAMMA, checked_gamma, gamma_trait, limits_trait
from tempclr_widgets._packed import floats, ints
from tempclr_widgets.view import View, module

SCORES = list(retrieval.RETRIEVAL_SCORES)
# of each score: how a sentence contributes to it, which scores.js computes, and a hint
DETAILS = {
    "mean-pool": ("none", "cosine of the mean sentence and the mean clip: order does not count"),
    "Cap.Avg.": ("best clip", "mean over sentences of the most similar clip: order does not count"),
    "DTW": ("path", "minus the cost of the cheapest alignment, per sentence and clip"),
    "soft-DTW": ("alignment", "minus the soft minimum over alignments, per sentence and clip"),
}
_MOST_QUERIES = 5000
_TOP = 5  # ranked videos on display
_PAGE_BYTES = 3_000_000  # of costs in a saved page, for the queries with the worst ranks


class RetrievalInspector(View):
    """Every paragraph with the videos that each score ranks first, and two videos side by side.

    The right video stands beside another one, initially the best of the wrong ones. Both are shown with their costs and
    alignments, and with what each sentence contributes to the difference of their scores.

    Args:
        paragraphs: Embedded paragraphs, 2 to 5,000.
        videos: Embedded videos; video i is the right one for paragraph i.
        sentences: Texts of the steps of each paragraph.
        names: Names of the videos; by default their indices.
        score: Initial score: "mean-pool", "Cap.Avg.", "DTW" or "soft-DTW", as in `tempclr.tasks.retrieval`.
        gamma: Smoothing of soft-DTW, 0.001 to 10, in the unit of the cosine cost.
        query: Index of the initial paragraph.

    Raises:
        ValueError: If there are fewer than two or more than 5,000 paragraphs, another number of videos, or texts that
            do not match; if embeddings are not finite; or if another argument is out of range.

    Example:
        >>> from tempclr.sequences import pad
        >>> steps = pad([torch.eye(3), torch.eye(3).flip(0)])
        >>> view = RetrievalInspector(steps, steps, sentences=[["a", "b", "c"], ["c", "b", "a"]])
        >>> view.ranks["DTW"].tolist(), view.ranks["mean-pool"].tolist()  # mean-pool ignores order, hence the tie
        ([1.0, 1.0], [1.5, 1.5])
    """

    title = "Retrieval"
    _esm = module("retrieval_inspector.js")

    score = traitlets.Enum(SCORES, "DTW", help="how videos are ranked").tag(sync=True)
    query = traitlets.Int(0, min=0, help="index of the paragraph").tag(sync=True)
    rival = traitlets.Int(-1, help="video beside the right one; -1 is the best of the wrong ones").tag(sync=True)
    search = traitlets.Unicode("", help="text that filters the list of paragraphs").tag(sync=True)
    wrong_only = traitlets.Bool(False, help="list only paragraphs that missed their video").tag(sync=True)
    gamma = gamma_trait()

    names = traitlets.List(traitlets.Unicode(), help="names of the videos").tag(sync=True)
    sentences = traitlets.List(traitlets.List(traitlets.Unicode()), help="sentences of each paragraph").tag(sync=True)
    _choices = traitlets.List(
        default_value=[[name, *DETAILS[name]] for name in SCORES], help="scores, contributions and hints"
    ).tag(sync=True)
    _limits = limits_trait(gamma=GAMMA)
    _ranks = traitlets.Bytes(help="float32 [scores, queries], from 1; ties count half").tag(sync=True)
    _first = traitlets.Bytes(help="int32 [scores, queries, top] videos, the best first").tag(sync=True)
    _first_scores = traitlets.Bytes(help="float32, their scores").tag(sync=True)
    _right_scores = traitlets.Bytes(help="float32 [scores, queries], scores of the right videos").tag(sync=True)
    _costs = traitlets.Dict(help="by query: its videos, their clips, and float32 costs one after the other").tag(
        sync=True
    )

    def __init__(
        self,
        paragraphs: Sequences,
        videos: Sequences,
        *,
        sentences: Sequence[Sequence[str]],
        names: Sequence[str] | None = None,
        score: str = "DTW",
        gamma: float = 0.1,
        query: int = 0,
    ) -> None:
        count = len(paragraphs)
        if not 2 <= count <= _MOST_QUERIES or len(videos) != count:
            raise ValueError(
                f"expected 2 to {_MOST_QUERIES:,} paragraphs and as many videos, got {count} and {len(videos)}"
            )
        texts = [[str(text) for text in each] for each in sentences]
        if (
            any(isinstance(each, str) for each in sentences)
            or [len(each) for each in texts] != paragraphs.lengths.tolist()
        ):
            raise ValueError(
                "expected lists of the sentences of each paragraph, one per step, got other numbers or strings"
            )
        named = [str(number) for number in range(count)] if names is None else [str(name) for name in names]
        if len(named) != count:
            raise ValueError(f"expected {count} names, got {len(named)}")
        if score not in SCORES:
            raise ValueError(f"expected a score of {', '.join(SCORES)}, got {score!r}")
        if not 0 <= query < count:
            raise ValueError(f"expected a query from 0 to {count - 1}, got {query}")
        self._paragraphs, self._videos = paragraphs.to("cpu"), videos.to("cpu")
        super().__init__(
            score=score,
            gamma=checked_gamma(gamma),
            query=query,
            names=named,
            sentences=texts,
            **self._ranked(gamma),
        )
        self._show_query()
        self.observe(lambda _: self._show_query(), ["query", "rival"])
        self.observe(lambda _: self._rank_again(), ["gamma"])

    @classmethod
    def of_model(cls, model: TempCLR, pairs: Sequence[Pair], **options: Any) -> Self:
        """Return an inspector of pairs that a model embeds; options are further arguments of the class."""
        embedded = retrieval.embed(model, pairs)
        return cls(
            embedded.paragraphs,
            embedded.videos,
            sentences=[pair.captions for pair in pairs],
            names=[pair.name for pair in pairs],
            **options,
        )

    @property
    def ranks(self) -> dict[str, Tensor]:
        """Rank of each paragraph's video by score, from 1; half of the ties count as ranked before it."""
        return {name: ranks(scores) + 1 for name, scores in self._found.items()}

    @property
    def shown(self) -> tuple[int, int]:
        """Indices of the right video and of the one beside it."""
        return self.query, self._rival(self.query) if self.rival < 0 else self.rival

    def cost(self, query: int, video: int) -> Tensor:
        """Return the cosine costs of a paragraph with a video, [n, m]."""
        return cosine_cost(self._paragraphs[query].double(), self._videos[video].double()).float().double()

    def figure(self) -> Figure:
        """Return the costs of the right video and of the other one, on one colour scale, with their paths."""
        costs = [self.cost(self.query, video) for video in self.shown]
        scores = [self._found[self.score][self.query, video].item() for video in self.shown]
        titles = [
            f"{kind}, {_shortened(self.names[video])}: {score:.3f}"
            for kind, video, score in zip(("right", "other"), self.shown, scores, strict=True)
        ]
        with style.paper():
            figure = Figure(figsize=(8.4, 2.8), layout="constrained")
            axes = figure.subplots(1, 2, sharey=True)
            limits = alignment.shared_limits(*(cost.numpy() for cost in costs))
            for ax, cost, title in zip(axes, costs, titles, strict=True):
                drawn: dict[str, Any] = {"path": tempclr.dtw_path(cost).numpy()} if "DTW" in self.score else {}
                alignment.cost_matrix(
                    cost.numpy(), labels=self.sentences[self.query], limits=limits, title=title,
                    colorbar=ax is axes[1], ax=ax, **drawn,
                )  # fmt: skip
            axes[1].set_ylabel("")
            figure.suptitle(f"{self.score}: the right video has rank {self.ranks[self.score][self.query]:g}")
        return figure

    def page_state(self) -> dict[str, object]:
        """Return the synchronized state, with the costs of as many queries as fit into a page, the worst first."""
        kept: dict[str, dict] = {}
        state, size = super().page_state(), 0
        worst = torch.stack(list(self.ranks.values())).amax(0).argsort(descending=True, stable=True).tolist()
        for query in [self.query, *worst]:
            costs = self._costs_of(query)
            size += len(costs["costs"]) if str(query) not in kept else 0
            if size > _PAGE_BYTES and kept:
                break
            kept[str(query)] = costs
        return state | {"_costs": kept}

    def _scores(self, gamma: float) -> dict[str, Tensor]:
        """Scores of all pairs, by name."""
        score_fns = dict(retrieval.RETRIEVAL_SCORES) | {"soft-DTW": partial(retrieval.soft_dtw, gamma=gamma)}
        return {
            name: retrieval.retrieve(self._paragraphs, self._videos, score_fns[name]).scores.float() for name in SCORES
        }

    def _ranked(self, gamma: float) -> dict[str, bytes]:
        """Rank all videos, and return what the browser needs to show the ranks."""
        self._found = found = self._scores(gamma)
        first = [scores.topk(min(_TOP, len(scores)), dim=1) for scores in found.values()]
        return {
            "_ranks": floats(torch.stack([ranks(scores) + 1 for scores in found.values()])),
            "_first": ints(torch.stack([each.indices for each in first])),
            "_first_scores": floats(torch.stack([each.values for each in first])),
            "_right_scores": floats(torch.stack([scores.diagonal() for scores in found.values()])),
        }

    def _rank_again(self) -> None:
        """Send the browser the ranks under another gamma."""
        with self.hold_sync():
            for name, content in self._ranked(self.gamma).items():
                setattr(self, name, content)
            self._show_query()

    def _rival(self, query: int) -> int:
        """The best of the wrong videos."""
        scores = self._found[self.score][query].clone()
        scores[query] = -torch.inf
        return int(scores.argmax())

    def _costs_of(self, query: int) -> dict[str, Any]:
        """Costs of a query with its own video and with those that any score ranks first."""
        first = {
            int(video)
            for scores in self._found.values()
            for video in scores[query].topk(min(_TOP, len(scores))).indices
        }
        compared = {self.rival} if query == self.query and 0 <= self.rival < len(self.names) else set()
        videos = [query, *sorted((first | compared) - {query})]
        costs = [self.cost(query, video) for video in videos]
        joined = b"".join(map(floats, costs))
        return {"videos": videos, "clips": [cost.shape[1] for cost in costs], "costs": joined}

    def _show_query(self) -> None:
        """Send the browser the costs of the current paragraph."""
        if self.query < len(self._paragraphs):
            self._costs = {str(self.query): self._costs_of(self.query)}


def _shortened(name: str) -> str:
    """A name short enough for a title."""
    return name if len(name) <= 24 else f"{name[:11]}…{name[-11:]}"
