"""Long videos in parts, each with no more sentences than a batch is to hold of one video."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from tempclr.data.lazy import LazyPairs
from tempclr.sequences import Pair


def excerpts(pairs: Sequence[Pair], most: int = 0, least: int = 1, *, generator: Generator) -> LazyPairs:
    """Return videos with at most so many sentences; longer ones are dealt into several, short ones left out.

    The sentences of a long video are dealt at random, as evenly as can be, so that each part spans the whole
    video; in a part they keep their order, and have their clips with them. Background stays in whole videos alone.
    Parts are cut out when they are drawn.

    Args:
        pairs: Whole videos.
        most: Sentences of a part; 0 deals none. Else at least twice `least`, so that no part falls below it.
        least: Videos of fewer sentences are left out.
        generator: Source of the deal.

    Returns:
        Parts that bear the name of their video, those of one video next to each other.

    Raises:
        ValueError: If a number is out of range, or no video is left.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 4: 16 pairs of each video, there drawn anew each time.
    """
    check_excerpts(most, least)
    whole = LazyPairs.of(pairs)
    parts: list[tuple[int, Tensor]] = []  # a video and its sentences
    for video, count in enumerate(whole.sentences):
        if most and count > max(most, least):
            dealt = torch.randperm(count, generator=generator).tensor_split(-(-count // most))
            parts += [(video, numbers.sort().values) for numbers in dealt]
        elif count >= least:
            parts.append((video, torch.arange(count)))
    if not parts:
        raise ValueError(
            f"expected a video with at least {least} sentences, got at most {max(whole.sentences, default=0)} in one"
        )

    def draw(number: int) -> Pair:
        video, numbers = parts[number]
        return whole[video] if len(numbers) == whole.sentences[video] else _part(whole[video], numbers)

    return LazyPairs([whole.names[video] for video, _ in parts], [len(numbers) for _, numbers in parts], draw)


def check_excerpts(most: int, least: int) -> None:
    """Raise `ValueError` unless videos can be dealt so; see `excerpts`."""
    if least < 1 or (most and most < 2 * least) or most < 0:
        raise ValueError(f"expected least >= 1, and most 0 or at least twice that, got {least} and {most}")


def _part(pair: Pair, numbers: Tensor) -> Pair:
    """A video's sentences of the given numbers, in order, with their clips."""
    renumbered = pair.segments.new_full((len(pair.sentences),), -1)
    renumbered[numbers] = torch.arange(len(numbers), device=numbers.device)
    segments = torch.where(pair.segments >= 0, renumbered[pair.segments.clamp(min=0)], -1)
    kept = segments >= 0
    captions = tuple(pair.captions[number] for number in numbers.tolist())
    return Pair(pair.name, pair.sentences[numbers], pair.clips[kept], segments[kept], captions)
