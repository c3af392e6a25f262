"""Long videos split into parts, so that no pair of a batch has too many sentences."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from tempclr.data.lazy import LazyPairs
from tempclr.data.ranges import check_excerpts
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair


def excerpts(
    pairs: Sequence[Pair], max_sentences: int = 0, min_sentences: int = 1, *, generator: Generator
) -> LazyPairs:
    """Return videos of limited length: long ones are split into parts, and short ones are left out.

    The sentences of a long video are distributed over its parts at random and as evenly as possible, so that each part
    spans the whole video. Within a part they keep their order and their clips. Parts have no background.
    Each part is cut out when it is drawn.

    Where the sentence of some clips is unknown, neighbouring sentences form a part, with all clips from the first that
    is known to show one of them to the last: these clips show no sentence of another part. Unknown clips between two
    parts belong to neither.

    Args:
        pairs: Whole videos.
        max_sentences: Maximum number of sentences of a part; 0 splits no video. Otherwise at least twice
            `min_sentences`, so that no part has too few.
        min_sentences: Videos with fewer sentences are left out.
        generator: Source of the random split.

    Returns:
        Parts with the name of their video, those of one video next to each other.

    Raises:
        ValueError: If a number is out of range, no video is left, or a video to be split has unknown clips and a
            sentence that no clip is known to show.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 4: there, 16 pairs of each video are drawn anew each time.
    """
    check_excerpts(max_sentences, min_sentences)
    whole = LazyPairs.of(pairs)
    parts: list[tuple[int, Tensor, Tensor]] = []  # number of a video, and of its sentences: at random, and neighbours
    for video, count in enumerate(whole.sentences):
        if max_sentences and count > max_sentences:
            if whole.untimed[video]:
                raise ValueError(
                    f"expected a time for each of the {count} sentences of {whole.names[video]}, which is to be split, "
                    f"got none for some; set max_sentences to 0 or to at least {count}, or give their times"
                )
            pieces = -(-count // max_sentences)
            drawn = torch.randperm(count, generator=generator).tensor_split(pieces)
            neighbours = torch.arange(count).tensor_split(pieces)
            parts += [(video, one.sort().values, run) for one, run in zip(drawn, neighbours, strict=True)]
        elif count >= min_sentences:
            parts.append((video, torch.arange(count), torch.arange(count)))
    if not parts:
        raise ValueError(
            f"expected a video with at least {min_sentences} sentences, "
            f"got at most {max(whole.sentences, default=0)} in one"
        )

    def draw(number: int) -> Pair:
        video, drawn, neighbours = parts[number]
        pair = whole[video]
        if len(drawn) == len(pair.sentences):
            return pair
        return _run(pair, neighbours) if (pair.segments == UNKNOWN).any() else _part(pair, drawn)

    names, counts = [whole.names[video] for video, *_ in parts], [len(numbers) for _, numbers, _ in parts]
    return LazyPairs(names, counts, draw, [whole.untimed[video] for video, *_ in parts])


def _run(pair: Pair, numbers: Tensor) -> Pair:
    """Neighbouring sentences of a video, with the clips between those known to show them, at its ends all."""
    first, last = int(numbers[0]), int(numbers[-1])
    clip = torch.arange(len(pair.clips))
    begin = 0 if first == 0 else int(clip[pair.segments == first][0])
    end = len(clip) if last == len(pair.sentences) - 1 else int(clip[pair.segments == last][-1]) + 1
    kept = (begin <= clip) & (clip < end) & (pair.segments != BACKGROUND)
    segments = pair.segments[kept]
    segments = torch.where(segments >= 0, segments - first, segments)
    captions = pair.captions[first : last + 1]
    return Pair(pair.name, pair.sentences[first : last + 1], pair.clips[kept], segments, captions)


def _part(pair: Pair, numbers: Tensor) -> Pair:
    """Some sentences of a video, by their numbers, with their clips."""
    renumbered = pair.segments.new_full((len(pair.sentences),), BACKGROUND)
    renumbered[numbers] = torch.arange(len(numbers), device=numbers.device)
    segments = torch.where(pair.segments >= 0, renumbered[pair.segments.clamp(min=0)], BACKGROUND)
    kept = segments >= 0
    captions = tuple(pair.captions[number] for number in numbers.tolist())
    return Pair(pair.name, pair.sentences[numbers], pair.clips[kept], segments[kept], captions)
