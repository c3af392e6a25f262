"""Paragraph-to-video retrieval: given all sentences of a video, find that video.

A score function takes embedded paragraphs and videos and returns a similarity matrix, where higher is better.
Two of them depend on the order of the steps, two do not:

    mean_pool  cosine of the mean sentence and the mean clip           order-free
    cap_avg    mean over sentences of the most similar clip            order-free
    dtw        cost of the best monotone alignment, per step, negated
    soft_dtw   the same, smoothed

Costs are cosine costs. Alignment costs are divided by n + m (normaliser `length`), so that long videos are not at a
disadvantage.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.rnn import pad_sequence

from tempclr import alignment, metrics
from tempclr.costs import cosine_cost
from tempclr.encoders import encode
from tempclr.losses import TempCLR, even_split
from tempclr.negatives import Shuffle, wrong_orders
from tempclr.pairwise import distances
from tempclr.sequences import BACKGROUND, Pair, Sequences, collate, pad, pair_mask

ScoreFn = Callable[[Sequences, Sequences], Tensor]
PROTOCOL = "paragraph-to-video, cosine costs, normaliser length, expected ties"
_CHUNK = 256  # pairs embedded at a time
_TOLERANCE = 1e-5  # smaller differences of scores come from rounding: float32 sums in another order


def mean_pool(x: Sequences, y: Sequences) -> Float[Tensor, "queries items"]:
    """Return the cosine similarity of the mean unit-length steps."""
    return _mean_step(x) @ _mean_step(y).T


def cap_avg(x: Sequences, y: Sequences) -> Float[Tensor, "queries items"]:
    """Return the mean over steps of x of the cosine similarity of the most similar step of y."""

    def cheapest(cost: Tensor, lengths: Tensor) -> Tensor:
        real = pair_mask(lengths, *cost.shape[-2:])
        least = cost.masked_fill(~real, torch.inf).amin(-1)
        return least.masked_fill(~real[..., 0], 0).sum(-1) / lengths[..., 0]

    return 1 - distances(x, y, cheapest)


def dtw(x: Sequences, y: Sequences) -> Float[Tensor, "queries items"]:
    """Return minus the DTW cost divided by n + m."""
    return -distances(x, y, lambda cost, lengths: alignment.dtw(cost, lengths) / lengths.sum(-1))


def soft_dtw(x: Sequences, y: Sequences, *, gamma: float = 0.1) -> Float[Tensor, "queries items"]:
    """Return minus the soft-DTW cost divided by n + m."""
    return -distances(x, y, lambda cost, lengths: alignment.soft_dtw(cost, lengths, gamma=gamma) / lengths.sum(-1))


RETRIEVAL_SCORES: Mapping[str, ScoreFn] = MappingProxyType(
    {"mean-pool": mean_pool, "Cap.Avg.": cap_avg, "DTW": dtw, "soft-DTW": soft_dtw}
)


@dataclass(frozen=True)
class Embedded:
    """Embedded paragraphs and videos; video i belongs to paragraph i."""

    paragraphs: Sequences
    videos: Sequences
    segments: Int[Tensor, "videos m"]  # as in `Pair`; padding is BACKGROUND


def embed(model: TempCLR, pairs: Sequence[Pair]) -> Embedded:
    """Return pairs embedded by a model in chunks, without a gradient, on the model's device."""
    device = next(model.parameters()).device
    paragraphs, videos, segments = [], [], []
    for begin in range(0, max(1, len(pairs)), _CHUNK):
        batch = collate(pairs[begin : begin + _CHUNK]).to(device)
        with torch.no_grad():
            x, y = encode(model.text, batch.sentences), encode(model.video, batch.clips)
        for number in range(len(x)):
            paragraphs.append(x[number])
            videos.append(y[number])
            segments.append(batch.segments[number, : len(videos[-1])])
    return Embedded(pad(paragraphs), pad(videos), pad_sequence(segments, True, BACKGROUND))


def embedded_pairs(model: TempCLR, pairs: Sequence[Pair]) -> list[Pair]:
    """Return pairs with embeddings as their sentences and clips, on the CPU, with names, segments and captions kept."""
    embedded = embed(model, pairs)
    sides = embedded.paragraphs.to("cpu"), embedded.videos.to("cpu")
    return [
        Pair(pair.name, sides[0][number], sides[1][number], pair.segments, pair.captions)
        for number, pair in enumerate(pairs)
    ]


def pair_cost(model: TempCLR, pair: Pair) -> Float[Tensor, "n m"]:
    """Return the cosine costs of one pair, sentences by clips, in evaluation mode, on the CPU, without a gradient."""
    training = model.training
    model.eval()
    embedded = embed(model, [pair])
    model.train(training)
    return cosine_cost(embedded.paragraphs[0], embedded.videos[0]).cpu()


def dtw_recall(model: TempCLR, pairs: Sequence[Pair], k: int = 1) -> float:
    """Return recall at k by DTW, 0 to 1: the validation score of training."""
    embedded = embed(model, pairs)
    return retrieve(embedded.paragraphs, embedded.videos, dtw).recall(k)


@dataclass(frozen=True)
class Retrieval:
    """Scores of every paragraph with every video, by one score function; video i is the right one for paragraph i."""

    scores: Float[Tensor, "queries items"]
    protocol: str = PROTOCOL

    def hits(self, k: int) -> Float[Tensor, " queries"]:
        """Probability, 0 to 1, that the right video is among the first k; per query."""
        return metrics.hits(self.scores, k)

    def recall(self, k: int) -> float:
        """Share of queries, 0 to 1, whose right video is among the first k."""
        return metrics.recall_at(self.scores, k)

    @property
    def median_rank(self) -> float:
        """Median rank of the right video, from 1."""
        return metrics.median_rank(self.scores)

    @property
    def video_to_text(self) -> "Retrieval":
        """The same scores, with videos as queries."""
        return Retrieval(self.scores.T, self.protocol + ", video-to-paragraph")


def retrieve(x: Sequences, y: Sequences, score_fn: ScoreFn) -> Retrieval:
    """Return how paragraphs x retrieve videos y under one score function.

    Args:
        x: Embedded paragraphs.
        y: Embedded videos, one per paragraph, in the same order.
        score_fn: Returns the similarity matrix, such as one of `RETRIEVAL_SCORES`.

    Raises:
        ValueError: If the numbers of videos and paragraphs differ, or a score is not finite.
    """
    if len(x) != len(y):
        raise ValueError(f"expected one video per paragraph, got {len(x)} paragraphs and {len(y)} videos")
    with torch.no_grad():
        scores = score_fn(x, y)
    metrics.ranks(scores)  # rejects a wrong shape and scores that are not finite
    return Retrieval(scores)


def recall_by_group(embedded: Embedded, groups: Sequence[str], score_fn: ScoreFn) -> Float[Tensor, " groups"]:
    """Return R@1 under one score function, 0 to 1, as the mean over the paragraphs of each group.

    Args:
        embedded: Paragraphs and videos.
        groups: Of each paragraph, such as `metrics.groups(names)`.
        score_fn: As for `retrieve`.

    Raises:
        ValueError: As `retrieve`, or if there is not one group per paragraph.
    """
    return metrics.group_means(retrieve(embedded.paragraphs, embedded.videos, score_fn).hits(1), groups)


@dataclass(frozen=True)
class OrderSensitivity:
    """Scores of the true order of each video, and of wrong orders."""

    true: Float[Tensor, " videos"]
    shuffled: Float[Tensor, "videos orders"]

    @property
    def noticed(self) -> Float[Tensor, " videos"]:
        """Share, 0 to 1, of wrong orders that score worse than the true one; 0 for order-free scores."""
        return (self.shuffled < self.true[:, None] - _TOLERANCE).to(self.true.dtype).mean(1)

    @property
    def drop(self) -> Float[Tensor, " videos"]:
        """Mean decrease of the score in a wrong order, in the unit of the score."""
        return self.true - self.shuffled.mean(1)


def order_sensitivity(
    x: Sequences,
    y: Sequences,
    segments: Int[Tensor, "videos m"],
    score_fn: ScoreFn,
    shuffle: Shuffle,
    *,
    encoder: nn.Module | None = None,
    count: int = 31,
    generator: Generator,
) -> OrderSensitivity:
    """Return the scores of each video in its true order and in wrong orders.

    Args:
        x: Embedded paragraphs.
        y: Videos, one per paragraph, in the same order: embedded by a per-step encoder, or as features for `encoder`.
        segments: Sentence of each clip, as in `Embedded`. Unknown clips are shuffled as in training: by the segments
            of an even split.
        score_fn: Returns the similarity matrix.
        shuffle: Kind of wrong order, such as `negatives.permute_segments`.
        encoder: A contextual encoder, which must embed each order separately.
        count: Wrong orders per video; if a video has fewer, some of them are repeated.
        generator: Source of randomness.

    Raises:
        ValueError: If a video has no wrong order.
    """
    segments = even_split(segments.masked_fill(~y.mask, BACKGROUND), x.lengths.to(segments.device))
    drawn = wrong_orders(segments, count, shuffle, generator=generator)
    short = (~drawn.found.any(1)).nonzero()[:, 0].tolist()
    if short:
        raise ValueError(f"expected a wrong order of every video, found none for video {', '.join(map(str, short))}")
    true, shuffled = [], []
    for index in range(len(x)):
        clips = y[index]
        orders = drawn[index].to(clips.device)[:, : len(clips)]
        orders = orders[torch.arange(count, device=clips.device) % len(orders)]
        candidates = torch.cat((clips[None], clips[orders]))
        lengths = y.lengths[index].expand(len(candidates))
        paragraph = Sequences(x[index][None], x.lengths[index : index + 1])
        with torch.no_grad():
            videos = Sequences(candidates, lengths)
            scores = score_fn(paragraph, videos if encoder is None else encode(encoder, videos))[0]
        true.append(scores[0])
        shuffled.append(scores[1:])
    return OrderSensitivity(torch.stack(true), torch.stack(shuffled))


def _mean_step(sequences: Sequences) -> Tensor:
    """Direction of the mean of unit-length steps."""
    steps = normalize(sequences.values, dim=-1).masked_fill(~sequences.mask[..., None], 0)
    return normalize(steps.sum(1), dim=-1)
