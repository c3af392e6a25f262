"""Naming clips: given the list of a video's sentences in order, say which of them each clip shows."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from tempclr.alignment import aligned_steps, dtw
from tempclr.costs import cosine_cost
from tempclr.sequences import BACKGROUND, Pair
from tempclr.tasks.retrieval import Embedded
from tempclr.tasks.segmentation import split_evenly

PROTOCOL = "clips named by the cheapest DTW path of cosine costs; a clip on several sentences by the cheapest of them"


def named_right(embedded: Embedded) -> Float[Tensor, " videos"]:
    """Return the share of the clips of each video, 0 to 1, that are named right.

    Clips whose sentence is not known, and background, are not counted.

    Raises:
        ValueError: If the sentence of no clip of a video is known.
    """
    x, y = embedded.paragraphs, embedded.videos
    with torch.no_grad():
        cost = cosine_cost(x.values, y.values)
    named = aligned_steps(dtw, cost, torch.stack((x.lengths, y.lengths), 1))
    return _share(named, embedded.segments)


def split_right(pairs: Sequence[Pair]) -> Float[Tensor, " videos"]:
    """Return the same share if each video is split evenly among its sentences, whatever it shows.

    Raises:
        ValueError: As `named_right`, or if a video has more sentences than clips.
    """
    split = [split_evenly(range(len(pair.sentences)), len(pair.clips)) for pair in pairs]
    segments = [pair.segments for pair in pairs]
    return _share(*(pad_sequence(each, batch_first=True, padding_value=BACKGROUND) for each in (split, segments)))


def _share(named: Int[Tensor, "videos m"], segments: Int[Tensor, "videos m"]) -> Float[Tensor, " videos"]:
    """Share of the clips with a known sentence that have its name."""
    known = segments >= 0
    bare = (~known.any(1)).nonzero()[:, 0].tolist()
    if bare:
        raise ValueError(f"expected clips whose sentence is known in every video, got none in video {bare[0]}")
    return ((named == segments) & known).sum(1) / known.sum(1)
