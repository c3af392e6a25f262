"""Which sentence an unknown clip shows: an assignment decides, and the unit term matches the two."""

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.sequences import UNKNOWN, Batch, Sequences

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
