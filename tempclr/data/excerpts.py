"""Long videos in parts, each with no more sentences than a batch is to hold of one video."""

from collections.abc import Sequence

import torch
from torch import Generator

from tempclr.sequences import Pair


def excerpts(pairs: Sequence[Pair], most: int = 0, least: int = 1, *, generator: Generator) -> list[Pair]:
    """Return videos with at most so many sentences; longer ones are dealt into several, short ones left out.

    The sentences of a long video are dealt at random, as evenly as can be, so that each part spans the whole
    video; in a part they keep their order, and have their clips with them. Background stays in whole videos alone.

    Args:
        pairs: Whole videos.
        most: Sentences of a part; 0 deals none. Else at least twice `least`, so that no part falls below it.
        least: Videos of fewer sentences are left out.
        generator: Source of the deal.

    Returns:
        Parts that bear the name of their video, those of one video next to each other.

    Raises:
        ValueError: If a number is out of range.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 4: 16 pairs of each video, there drawn anew each time.
    """
    check_excerpts(most, least)
    result = []
    for pair in pairs:
        count = len(pair.sentences)
        if most and count > max(most, least):
            dealt = torch.randperm(count, generator=generator).tensor_split(-(-count // most))
            result += [_part(pair, numbers.sort().values) for numbers in dealt]
        elif count >= least:
            result.append(pair)
    return result


def check_excerpts(most: int, least: int) -> None:
    """Raise `ValueError` unless videos can be dealt so; see `excerpts`."""
    if least < 1 or (most and most < 2 * least) or most < 0:
        raise ValueError(f"expected least >= 1, and most 0 or at least twice that, got {least} and {most}")


def _part(pair: Pair, numbers: torch.Tensor) -> Pair:
    """A video's sentences of the given numbers, in order, with their clips."""
    renumbered = torch.full((len(pair.sentences),), -1)
    renumbered[numbers] = torch.arange(len(numbers))
    segments = torch.where(pair.segments >= 0, renumbered[pair.segments.clamp(min=0)], -1)
    kept = segments >= 0
    captions = tuple(pair.captions[number] for number in numbers.tolist())
    return Pair(pair.name, pair.sentences[numbers], pair.clips[kept], segments[kept], captions)
