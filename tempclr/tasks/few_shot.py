"""Few-shot recognition: find the class of a video, given one or a few videos of each class.

An episode draws N classes and, of each class, K support videos and one query. A query is assigned to the class whose
supports score highest on average. Two videos are compared by one of these scores:

    mean_pool  cosine of the mean clips                                   order-free
    hausdorff  each clip with its most similar clip, both ways            order-free
    diagonal   clip i with clip i                                         no alignment
    otam       OTAM, both ways summed, as published
    dtw        cost of the best monotone alignment, per step
    soft_dtw   the same, smoothed

Source:
    Cao et al., "Few-Shot Video Classification via Temporal Alignment", CVPR 2020.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn

from tempclr import alignment
from tempclr.encoders import encode
from tempclr.losses import TempCLR
from tempclr.losses.distances import both_ways
from tempclr.metrics import Interval, check_finite
from tempclr.pairwise import distances
from tempclr.sequences import Sequences, pad, pair_mask
from tempclr.tasks.retrieval import ScoreFn, dtw, mean_pool, soft_dtw

PROTOCOL = "few-shot, one query per class, mean score over shots, expected ties"


def hausdorff(x: Sequences, y: Sequences) -> Float[Tensor, "queries items"]:
    """Return minus the bi-directional mean Hausdorff distance: mean cost of each clip to its nearest, both ways."""

    def nearest(cost: Tensor, lengths: Tensor) -> Tensor:
        real = pair_mask(lengths, *cost.shape[-2:])
        masked = cost.masked_fill(~real, torch.inf)
        ways = (masked.amin(-1), real[..., 0], lengths[..., 0]), (masked.amin(-2), real[..., 0, :], lengths[..., 1])
        first, second = (least.masked_fill(~mask, 0).sum(-1) / length for least, mask, length in ways)
        return first + second

    return -distances(x, y, nearest)


def diagonal(x: Sequences, y: Sequences) -> Float[Tensor, "queries items"]:
    """Return minus the mean cost of clip i of one video with clip i of the other.

    Raises:
        ValueError: If the videos differ in length.
    """
    found = sorted({*x.lengths.tolist(), *y.lengths.tolist()})
    if len(found) > 1:
        raise ValueError(f"expected videos with equally many clips for the diagonal, got {found[0]} to {found[-1]}")
    return -distances(x, y, lambda cost, _: cost[..., : found[0], : found[0]].diagonal(dim1=-2, dim2=-1).mean(-1))


def otam(x: Sequences, y: Sequences, *, gamma: float = 0.1) -> Float[Tensor, "queries items"]:
    """Return minus the OTAM cost, summed over both directions and divided by n + m."""
    both = both_ways(partial(alignment.otam, gamma=gamma))
    return -distances(x, y, lambda cost, lengths: both(cost, lengths) / lengths.sum(-1))


FEW_SHOT_SCORES: Mapping[str, ScoreFn] = MappingProxyType(
    {
        "mean-pool": mean_pool,
        "Hausdorff": hausdorff,
        "diagonal": diagonal,
        "OTAM": otam,
        "DTW": dtw,
        "soft-DTW": soft_dtw,
    }
)


@dataclass(frozen=True)
class Episodes:
    """Episodes over a set of videos, drawn once so that all methods are tested on the same ones."""

    classes: Int[Tensor, "episodes ways"]  # indices of labels
    support: Int[Tensor, "episodes ways shots"]  # indices of videos
    query: Int[Tensor, "episodes ways"]
    labels: tuple[str, ...]  # of the classes


def check_design(*, ways: int, shots: Sequence[int], episodes: int) -> None:
    """Raise `ValueError` unless a design is valid: a list of numbers of shots, and the number of episodes for each.

    An interval needs at least two episodes.
    """
    if ways < 2 or episodes < 2 or not shots or not all(isinstance(each, int) and each >= 1 for each in shots):
        raise ValueError(
            f"expected at least 2 ways and episodes and a list of shots >= 1, got {ways}, {episodes} and {shots}"
        )


def draw_episodes(labels: Sequence[str], *, ways: int, shots: int, count: int, generator: Generator) -> Episodes:
    """Return episodes of `ways` distinct classes, each with `shots` distinct supports and another video as query.

    Args:
        labels: Class of each video.
        ways: Classes per episode, at least 2.
        shots: Supports per class, at least 1.
        count: Number of episodes; 10,000 is usual.
        generator: Source of randomness.

    Raises:
        ValueError: If a number is out of range, there are fewer classes than ways, or a class has too few videos.
    """
    names = tuple(dict.fromkeys(labels))
    numbers = torch.tensor([names.index(label) for label in labels])
    if ways < 2 or shots < 1 or count < 1 or len(names) < ways:
        raise ValueError(
            f"expected 2 to {len(names)} ways and at least 1 shot and episode, got {ways}, {shots} and {count}"
        )
    small = [name for number, name in enumerate(names) if (numbers == number).sum() <= shots]
    if small:
        raise ValueError(f"expected at least {shots + 1} videos of every class, got fewer of {', '.join(small[:4])}")
    classes = torch.rand(count, len(names), generator=generator).argsort(1)[:, :ways]
    support = torch.empty(count, ways, shots, dtype=torch.int64)
    query = torch.empty(count, ways, dtype=torch.int64)
    for number in range(len(names)):
        own = (numbers == number).nonzero()[:, 0]
        episode, way = (classes == number).nonzero(as_tuple=True)
        drawn = own[torch.rand(len(episode), len(own), generator=generator).argsort(1)[:, : shots + 1]]
        support[episode, way], query[episode, way] = drawn[:, 1:], drawn[:, 0]
    return Episodes(classes, support, query, names)


@dataclass(frozen=True)
class FewShot:
    """The predictions for all queries."""

    correct: Float[Tensor, "episodes ways"]  # probability that the query is assigned to its class; below 1 for ties
    predicted: Int[Tensor, "episodes ways"]  # predicted class, the first of those that tie
    episodes: Episodes
    protocol: str = PROTOCOL

    @property
    def accuracy(self) -> Interval:
        """Mean accuracy, 0 to 1, with its 95 % interval over episodes (1.96 s / sqrt(n)), as is usual.

        The interval shrinks with the number of episodes. It does not generalise to other videos or classes.
        """
        return _over_episodes(self.correct.double().mean(1))

    @property
    def by_class(self) -> dict[str, float]:
        """Mean accuracy of the queries of each drawn class."""
        pairs = ((name, self.episodes.classes == number) for number, name in enumerate(self.episodes.labels))
        return {name: self.correct[own].double().mean().item() for name, own in pairs if own.any()}

    @property
    def confusion(self) -> Int[Tensor, "classes classes"]:
        """Number of queries by true class (rows) and predicted class (columns)."""
        count = len(self.episodes.labels)
        cells = self.episodes.classes * count + self.predicted
        return torch.bincount(cells.flatten(), minlength=count**2).view(count, count)

    def minus(self, other: "FewShot") -> Interval:
        """Return the accuracy minus that of another method on the same episodes, with its interval.

        Raises:
            ValueError: If the episodes differ.
        """
        if not torch.equal(self.episodes.query, other.episodes.query):
            raise ValueError("expected both methods on the same episodes, got different ones")
        return _over_episodes((self.correct - other.correct).double().mean(1))


def recognize(scores: Float[Tensor, "videos videos"], episodes: Episodes) -> FewShot:
    """Return the predictions for the queries of episodes, given the scores of all pairs of videos.

    Args:
        scores: Similarity of videos, queries by supports; higher is better.
        episodes: Episodes over these videos.

    Raises:
        ValueError: If a score is not finite.
    """
    check_finite(scores)
    mean = scores[episodes.query[:, :, None, None], episodes.support[:, None]].mean(-1)  # [episodes, queries, ways]
    best = mean == mean.amax(-1, keepdim=True)
    correct = best.diagonal(dim1=1, dim2=2) / best.sum(-1)
    return FewShot(correct, episodes.classes.gather(1, mean.argmax(-1)), episodes)


def embed(encoder: nn.Module, clips: Sequence[Tensor]) -> Sequences:
    """Return videos embedded by an encoder, without a gradient, on the encoder's device."""
    with torch.no_grad():
        return encode(encoder, pad(clips).to(next(encoder.parameters()).device))


def few_shot_accuracy(model: TempCLR, clips: Sequence[Tensor], episodes: Episodes, score_fn: ScoreFn = dtw) -> float:
    """Return the mean accuracy over episodes, 0 to 1: the validation score of training."""
    embedded = embed(model.video, clips)
    with torch.no_grad():
        return recognize(score_fn(embedded, embedded).cpu(), episodes).accuracy.mean


def _over_episodes(values: Float[Tensor, " episodes"]) -> Interval:
    """Mean and its normal 95 % interval."""
    half = 1.96 * values.std().item() / len(values) ** 0.5 if len(values) > 1 else float("inf")
    mean = values.mean().item()
    return Interval(mean, mean - half, mean + half, len(values))
