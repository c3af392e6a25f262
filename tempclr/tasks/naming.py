"""Naming clips: given the list of a video's sentences in order, say which of them each clip shows."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import alignment_of, dtw
from tempclr.costs import cosine_cost
from tempclr.losses import even_split
from tempclr.sequences import UNKNOWN
from tempclr.tasks.retrieval import Embedded

PROTOCOL = "clips named by the cheapest DTW path of cosine costs; a clip on several sentences by the cheapest of them"


def name_clips(cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None) -> Tensor:
    """Return the sentence of each clip, 0 to n - 1, `[*batch, m]`: that of the cheapest path.

    A clip on several sentences of the path gets the cheapest of them. Padded clips get 0.

    Example:
        >>> name_clips(torch.tensor([[0.1, 0.2, 0.9], [0.8, 0.7, 0.1]]))
        tensor([0, 0, 1])
    """
    visited = alignment_of(dtw, cost, lengths) > 0
    return cost.masked_fill(~visited, torch.inf).argmin(-2)


def named_right(embedded: Embedded) -> Float[Tensor, " videos"]:
    """Return the share of the clips of each video, 0 to 1, that are named right.

    Clips whose sentence is not known, and background, are not counted.

    Raises:
        ValueError: If the sentence of no clip of a video is known.
    """
    x, y = embedded.paragraphs, embedded.videos
    with torch.no_grad():
        named = name_clips(cosine_cost(x.values, y.values), torch.stack((x.lengths, y.lengths), 1))
    return _share(named, embedded.segments)


def split_right(embedded: Embedded) -> Float[Tensor, " videos"]:
    """Return the same share if each video is split evenly among its sentences, whatever it shows."""
    hidden = torch.where(embedded.videos.mask, UNKNOWN, embedded.segments)
    return _share(even_split(hidden, embedded.paragraphs.lengths), embedded.segments)


def _share(named: Int[Tensor, "videos m"], segments: Int[Tensor, "videos m"]) -> Float[Tensor, " videos"]:
    """Share of the clips with a known sentence that have its name."""
    known = segments >= 0
    bare = (~known.any(1)).nonzero()[:, 0].tolist()
    if bare:
        raise ValueError(f"expected clips whose sentence is known in every video, got none in number {bare[0]}")
    return ((named == segments) & known).sum(1) / known.sum(1)
