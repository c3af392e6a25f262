"""Which sentence an unknown clip shows: an assignment decides, and the unit term matches the two."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from numbers import Real

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import AlignmentFn, DropCost, aligned_steps, alignment_of, drop_dtw, dtw, soft_dtw
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.order import step_cost
from tempclr.sequences import BACKGROUND, UNKNOWN, Batch, Sequences

# embedded sentences, embedded clips, batch, share of training that is done -> weights [batch, n, m]: how far each clip
# shows each sentence of its video. A clip's weights sum to 1, or to less where it may show none; a known clip keeps its
# sentence, background has none.
Assignment = Callable[[Sequences, Sequences, Batch, float | None], Tensor]


def known_only(
    sentences: Sequences, clips: Sequences, batch: Batch, progress: float | None = None
) -> Float[Tensor, "batch n m"]:
    """Return weights by which unknown clips take no part."""
    return _one_hot(batch.segments, batch.captions.shape[1])


def evenly(
    sentences: Sequences, clips: Sequences, batch: Batch, progress: float | None = None
) -> Float[Tensor, "batch n m"]:
    """Return weights that follow `even_split`."""
    return _one_hot(even_split(batch.segments, batch.sentences.lengths), batch.captions.shape[1])


@dataclass(frozen=True, repr=False)
class OwnAlignment:
    """An assignment by the model's own alignment; no gradient passes through it.

    From a given share of training on, each video is aligned with its sentences by the current embeddings: by DTW, or,
    with a drop cost, by Drop-DTW, by which some clips show no sentence. Before, the assignment is `evenly`. Known clips
    guide the alignment: it passes through them.

    Raises:
        ValueError: If a field is out of range.
    """

    gamma: float = 0.0  # 0: hard, a clip on several sentences of the path shows the cheapest; > 0: expected alignment
    drop_cost: float | DropCost | None = None  # of an unknown clip, as for `drop_dtw`; None drops none
    start: float = 0.5  # share of training, 0 to 1

    def __post_init__(self) -> None:
        if not isinstance(self.gamma, Real) or not 0 <= self.gamma < math.inf:
            raise ValueError(f"expected a finite gamma >= 0, got {self.gamma}")
        drop = 0.0 if self.drop_cost is None or callable(self.drop_cost) else self.drop_cost
        if not isinstance(drop, Real) or not math.isfinite(drop):
            raise ValueError(f"expected a finite drop_cost, a function of costs and lengths, or None, got {drop!r}")
        if not 0 <= self.start <= 1:
            raise ValueError(f"expected a start from 0 to 1, got {self.start}")

    def __repr__(self) -> str:
        return stable_repr(self)

    def __call__(
        self, sentences: Sequences, clips: Sequences, batch: Batch, progress: float | None
    ) -> Float[Tensor, "batch n m"]:
        """Return the weights. With gamma > 0, those of a clip are the shares of its expected visits.

        Raises:
            ValueError: If the progress of training is not known.
        """
        if progress is None or not 0 <= progress <= 1:
            raise ValueError(
                f"expected the progress of training, 0 to 1, on which the assignment depends, got {progress}"
            )
        if progress < self.start:
            return evenly(sentences, clips, batch)
        with torch.no_grad():
            cost = step_cost(sentences.values, clips.values)
            background = batch.segments == BACKGROUND
            aligned = background.byte().argsort(dim=1, stable=True)  # background is left out of the alignment
            lengths = torch.stack((sentences.lengths, (~background).sum(1).clamp(min=1)), 1)
            columns = aligned[:, None].expand_as(cost)
            weights = self._weights(cost.gather(2, columns), batch.segments.gather(1, aligned), lengths)
            weights = torch.empty_like(weights).scatter_(2, columns, weights)
            return torch.where((batch.segments == UNKNOWN)[:, None], weights, known_only(sentences, clips, batch))

    def _weights(
        self, cost: Float[Tensor, "batch n m"], segments: Int[Tensor, "batch m"], lengths: Int[Tensor, "batch 2"]
    ) -> Float[Tensor, "batch n m"]:
        """Weights by the alignment of such costs, without background."""
        known = segments >= 0
        alignment_fn: AlignmentFn = partial(soft_dtw, gamma=self.gamma) if self.gamma > 0 else dtw
        far = cost.new_tensor(2.0 * sum(cost.shape[1:]))  # more than any path costs
        if self.drop_cost is not None:
            drops = self.drop_cost(cost, lengths) if callable(self.drop_cost) else cost.new_tensor(self.drop_cost)
            drops = drops[..., None].expand(segments.shape)
            far = far + drops.clamp(min=0).sum(1)[:, None, None]
            alignment_fn = partial(drop_dtw, drop_y=drops.masked_fill(known, torch.inf), gamma=self.gamma)
        other = torch.arange(cost.shape[1], device=cost.device)[:, None] != segments[:, None]
        guided = cost + far * (other & known[:, None])
        if self.gamma == 0:
            return _one_hot(aligned_steps(alignment_fn, guided, lengths), cost.shape[1])
        visits = alignment_of(alignment_fn, guided, lengths)
        return visits / visits.sum(1, keepdim=True).clamp(min=1)


def even_split(segments: Int[Tensor, "batch m"], sentences: Int[Tensor, " batch"]) -> Int[Tensor, "batch m"]:
    """Return the segments of each video, with unknown clips shared out evenly among its sentences.

    If nothing is known, clip c of m shows sentence floor(c n / m) of n. Unknown clips between two known ones are shared
    out in the same way among the sentences between these two; if there are none, among these two themselves.

    Args:
        segments: As in `Batch`; known and background clips stay as they are.
        sentences: Number of sentences of each video. If there are more than clips, some sentences get no clip.

    Example:
        >>> even_split(torch.tensor([[-2, -2, -2, -2, -2], [-2, -2, 1, -2, -2]]), torch.tensor([2, 3]))
        tensor([[0, 0, 0, 1, 1],
                [0, 0, 1, 2, 2]])
    """
    unknown, known = segments == UNKNOWN, segments >= 0
    before = torch.where(known, segments, -1).cummax(1).values  # sentence of the last known clip, or -1
    after = torch.where(known, segments, sentences[:, None]).flip(1).cummin(1).values.flip(1)  # of the next, or n
    between = after - before > 1
    first = torch.where(between, before + 1, before.clamp(min=0))
    last = torch.where(between, after - 1, torch.minimum(after, sentences[:, None] - 1))
    run = known.cumsum(1)  # unknown clips of equal number lie between the same known ones
    sizes = torch.zeros(len(run), run.shape[1] + 1, dtype=run.dtype, device=run.device)
    sizes = sizes.scatter_add(1, run, unknown.to(run.dtype))
    place = unknown.cumsum(1) - 1 - (sizes.cumsum(1) - sizes).gather(1, run)
    return torch.where(unknown, first + place * (last - first + 1) // sizes.gather(1, run).clamp(min=1), segments)


def _one_hot(segments: Int[Tensor, "batch m"], n: int) -> Float[Tensor, "batch {n} m"]:
    """1 where a clip shows a sentence, 0 elsewhere."""
    return (segments[:, None] == torch.arange(n, device=segments.device)[:, None]).float()
