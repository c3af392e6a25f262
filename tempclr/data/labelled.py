"""Videos of which only the class is known, and pairs of two videos of one class."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Generator, Tensor

from tempclr.sequences import BACKGROUND, Pair

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Video:
    """A video and its class."""

    name: str
    clips: Shaped[Tensor, "clips *features"]
    label: str


def even_clips(
    frames: Shaped[np.ndarray, "frames *features"], clips: int, frames_per_clip: int
) -> Shaped[Tensor, "{clips} {frames_per_clip} *features"]:
    """Return frames taken evenly from the whole video; short videos repeat some.

    Example:
        >>> even_clips(np.arange(12), 3, 2).tolist()
        [[1, 3], [5, 7], [9, 11]]
    """
    count = clips * frames_per_clip
    picks = ((np.arange(count) + 0.5) * len(frames) / count).astype(int)
    return torch.from_numpy(frames[picks].reshape(clips, frames_per_clip, *frames.shape[1:]))


def pairs_within(videos: Sequence[Video], *, most: int = 0, generator: Generator) -> list[Pair]:
    """Return ordered pairs of two different videos of one class: an anchor, in place of sentences, and a positive.

    No clip is assigned to another (all are background): the alignment has to find the matches. The captions are the
    class, so that pairs of one class are not negatives of each other.

    Args:
        videos: Of classes with at least 2 videos each. A single video of a class is left out, which is logged.
        most: Largest number of pairs of each class, drawn at random; 0 takes all.
        generator: Source of the draw.

    Raises:
        ValueError: If no class has two videos, or `most` is negative.
    """
    if most < 0:
        raise ValueError(f"expected most >= 0 pairs of each class, got {most}")
    result = []
    for label in dict.fromkeys(video.label for video in videos):
        own = [video for video in videos if video.label == label]
        both = [(one, other) for one in own for other in own if one is not other]
        chosen = torch.randperm(len(both), generator=generator).tolist()[: most or None]
        for one, other in (both[number] for number in sorted(chosen)):
            unassigned = torch.full((len(other.clips),), BACKGROUND)
            name = f"{one.name} and {other.name}"
            result.append(Pair(name, one.clips, other.clips, unassigned, (label,) * len(one.clips)))
    if not result:
        raise ValueError("expected a class with at least two videos, got none")
    counts = Counter(video.label for video in videos)
    if alone := sum(count == 1 for count in counts.values()):
        log.warning("%d of %d classes have a single video, which makes no pair, and are left out", alone, len(counts))
    return result
