"""Long videos split into parts, so that no pair of a batch has too many sentences."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from tempclr.data.lazy import LazyPairs
from tempclr.data.ranges import check_excerpts
from tempclr.sequences import Pair


def excerpts(
    pairs: Sequence[Pair], max_sentences: int = 0, min_sentences: int = 1, *, generator: Generator
) -> LazyPairs:
    """Return videos of limited length: long ones are split into parts, and short ones are left out.

    The sentences of a long video are distributed over its parts at random and as evenly as possible, so that each part
    spans the whole video. Within a part they keep their order and their clips. Parts have no background.
    Each part is cut out when it is drawn.

    Args:
        pairs: Whole videos.
        max_sentences: Maximum number of sentences of a part; 0 splits no video. Otherwise at least twice
            `min_sentences`, so that no part has too few.
        min_sentences: Videos with fewer sentences are left out.
        generator: Source of the random split.

    Returns:
        Parts with the name of their video, those of one video next to each other.

    Raises:
        ValueError: If a number is out of range, or no video is left.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 4: there, 16 pairs of each video are drawn anew each time.
    """
    check_excerpts(max_sentences, min_sentences)
    whole = LazyPairs.of(pairs)
    parts: list[tuple[int, Tensor]] = []  # number of a video, and of its sentences
    for video, count in enumerate(whole.sentences):
        if max_sentences and count > max_sentences:
            split = torch.randperm(count, generator=generator).tensor_split(-(-count // max_sentences))
            parts += [(video, numbers.sort().values) for numbers in split]
        elif count >= min_sentences:
            parts.append((video, torch.arange(count)))
    if not parts:
        raise ValueError(
            f"expected a video with at least {min_sentences} sentences, "
            f"got at most {max(whole.sentences, default=0)} in one"
        )

    def draw(number: int) -> Pair:
        video, numbers = parts[number]
        return whole[video] if len(numbers) == whole.sentences[video] else _part(whole[video], numbers)

    return LazyPairs([whole.names[video] for video, _ in parts], [len(numbers) for _, numbers in parts], draw)


def _part(pair: Pair, numbers: Tensor) -> Pair:
    """Some sentences of a video, by their numbers, with their clips."""
    renumbered = pair.segments.new_full((len(pair.sentences),), -1)
    renumbered[numbers] = torch.arange(len(numbers), device=numbers.device)
    segments = torch.where(pair.segments >= 0, renumbered[pair.segments.clamp(min=0)], -1)
    kept = segments >= 0
    captions = tuple(pair.captions[number] for number in numbers.tolist())
    return Pair(pair.name, pair.sentences[numbers], pair.clips[kept], segments[kept], captions)
