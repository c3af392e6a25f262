"""Wrong sequences of one side of a pair, its clips or its sentences, by kind: what an order audit scores.

    reversed   everything runs backwards, clip by clip or sentence by sentence
    swaps      two neighbouring segments change places
    segments   segments change places at random
    clips      clips change places inside their segment
    all-clips  clips change places over the whole video
    moved      one segment moves elsewhere
    left-out   one segment is left out
    put-in     a segment of another video is put in

A segment is the run of clips of one sentence; among sentences, each is a segment of its own. Background stays in its
place. The first six kinds change the order of the steps, the last two what the steps are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import torch
from jaxtyping import Int, Shaped
from torch import Generator, Tensor
from torch.nn.utils.rnn import pad_sequence

from tempclr import negatives
from tempclr.metrics import groups
from tempclr.negatives import Shuffle
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair

SIDES = ("clips", "sentences")  # which side of a pair is changed
_TOGETHER = 256  # videos whose orders are drawn together
_TRIED = 4096  # segments of other videos among which those to put in are sought


@dataclass(frozen=True)
class Kind:
    """A kind of wrong sequence."""

    shuffle: Shuffle | None = None  # None where the steps themselves change
    each_clip: bool = False  # whether clips move one by one, so that the bounds of segments need not be known
    sides: tuple[str, ...] = SIDES  # which sides can be changed so


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "reversed": Kind(negatives.reverse, each_clip=True),
        "swaps": Kind(negatives.swap_neighbours),
        "segments": Kind(negatives.permute_segments),
        "clips": Kind(negatives.permute_clips, sides=("clips",)),
        "all-clips": Kind(negatives.permute_segments, each_clip=True, sides=("clips",)),
        "moved": Kind(negatives.move_one),
        "left-out": Kind(),
        "put-in": Kind(),
    }
)


@dataclass(frozen=True)
class Candidates:
    """One side of a pair in the true order and in wrong ones, as indices into steps."""

    steps: Shaped[Tensor, "steps *features"]  # its own steps, then those of segments that are put in
    indices: tuple[Int[Tensor, " _"], ...]  # the true order first
    wrong: Mapping[str, range]  # which of the indices are of a kind; empty where the side cannot be changed so


def candidates(
    pairs: Sequence[Pair], side: str, kinds: Sequence[str], count: int, *, generator: Generator
) -> Iterator[Candidates]:
    """Yield for each pair the true sequence of one side and different wrong ones of each kind.

    Args:
        pairs: Videos and paragraphs. A segment that is put in comes from another group (`metrics.groups`), and shows a
            sentence that the video itself does not have.
        side: "clips" or "sentences".
        kinds: Names of `KINDS` that apply to this side. Where the segment of a clip is unknown, only the kinds that
            move clips one by one do.
        count: Wrong sequences of each kind; where fewer exist, all of them.
        generator: Source of randomness, on the CPU.
    """
    pairs = list(pairs)
    segments = [_segments(pair, side) for pair in pairs]
    pool = _Pool(pairs, side, segments)
    for begin in range(0, len(pairs), _TOGETHER):
        chunk = range(begin, min(begin + _TOGETHER, len(pairs)))
        layouts = _layouts([pairs[video] for video in chunk], side, [segments[video] for video in chunk])
        drawn = {
            kind: _orders(layouts[KINDS[kind].each_clip], shuffle, count, generator)
            for kind in kinds
            if (shuffle := KINDS[kind].shuffle) is not None
        }
        for video in chunk:
            steps, others = getattr(pairs[video], side), []
            found = {kind: orders[video - begin] for kind, orders in drawn.items()}
            if "left-out" in kinds:
                found["left-out"] = negatives.leave_out(segments[video], count, generator=generator)
            if "put-in" in kinds:
                others = pool.draw(video, count, generator)
                found["put-in"] = negatives.put_in(segments[video], [len(each) for each in others], generator=generator)
            indices, wrong = [torch.arange(len(steps))], {}
            for kind in kinds:
                wrong[kind] = range(len(indices), len(indices) + len(found[kind]))
                indices += found[kind]
            yield Candidates(torch.cat((steps, *others)), tuple(indices), wrong)


def _segments(pair: Pair, side: str) -> Tensor:
    """The segment of each step; background alone, which cannot be changed, if the segment of any clip is unknown."""
    if side == "sentences":
        return torch.arange(len(pair.sentences))
    unknown = bool((pair.segments == UNKNOWN).any())
    return torch.full_like(pair.segments, BACKGROUND) if unknown else pair.segments


@dataclass(frozen=True)
class _Layout:
    """What may change places in one side of some pairs, padded; arguments of `wrong_orders`."""

    lengths: tuple[int, ...]
    segments: Int[Tensor, "videos steps"]
    captions: Int[Tensor, "videos steps"]
    contents: Int[Tensor, "videos steps"]


def _layouts(pairs: list[Pair], side: str, segments: list[Tensor]) -> dict[bool, _Layout]:
    """One side of some pairs, whose steps move by segment (False) or one by one (True)."""
    contents = [negatives.contents_of(getattr(pair, side)[None])[0] for pair in pairs]
    captions = [_captions(pair, each) for pair, each in zip(pairs, segments, strict=True)]
    by_segment = _padded(segments, captions, contents)
    if side == "sentences":  # each is a segment of its own
        return {False: by_segment, True: by_segment}
    alone = [torch.where(pair.segments == BACKGROUND, BACKGROUND, torch.arange(len(pair.clips))) for pair in pairs]
    return {False: by_segment, True: _padded(alone, contents, contents)}


def _padded(segments: list[Tensor], captions: list[Tensor], contents: list[Tensor]) -> _Layout:
    """The layout of sequences of different lengths."""
    filled = ((segments, BACKGROUND), (captions, 0), (contents, 0))
    padded = [pad_sequence(each, batch_first=True, padding_value=filling) for each, filling in filled]
    return _Layout(tuple(map(len, segments)), *padded)


def _orders(layout: _Layout, shuffle: Shuffle, count: int, generator: Generator) -> list[list[Tensor]]:
    """Wrong orders of each sequence; those that repeat a caption or a step in its place are not wrong."""
    orders = negatives.wrong_orders(
        layout.segments, count, shuffle, captions=layout.captions, contents=layout.contents, generator=generator
    )
    return [list(orders[number][:, :length]) for number, length in enumerate(layout.lengths)]


def _captions(pair: Pair, segments: Tensor) -> Tensor:
    """A number for the caption of each step, -1 for background."""
    numbers = torch.tensor([pair.captions.index(text) for text in pair.captions])
    return torch.where(segments >= 0, numbers[segments.clamp(min=0)], -1)


class _Pool:
    """The segments of all videos, from which some are put into another video."""

    def __init__(self, pairs: list[Pair], side: str, segments: list[Tensor]) -> None:
        self.pairs, self.side, self.segments = pairs, side, segments
        self.groups = groups([pair.name for pair in pairs])
        self.entries = [(k, number) for k, each in enumerate(segments) for number in each[each >= 0].unique().tolist()]

    def draw(self, video: int, count: int, generator: Generator) -> list[Tensor]:
        """Segments of other groups, of sentences that the video does not have."""
        own, found = set(self.pairs[video].captions), []
        for entry in torch.randperm(len(self.entries), generator=generator)[:_TRIED].tolist():
            other, number = self.entries[entry]
            if self.groups[other] != self.groups[video] and self.pairs[other].captions[number] not in own:
                found.append(getattr(self.pairs[other], self.side)[self.segments[other] == number])
                if len(found) == count:
                    break
        return found
