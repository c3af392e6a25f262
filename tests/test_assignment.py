"""Which sentence an unknown clip shows, judged by slow loops."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch import nn

from tempclr import Pair, TempCLR
from tempclr.losses import OrderTerm, UnitTerm, even_split, evenly, known_only
from tempclr.sequences import BACKGROUND, UNKNOWN, Batch, collate


def slow_even_split(segments: list[int], n: int) -> list[int]:
    """The unknown clips between two known ones, one stretch at a time."""
    found = list(segments)
    known = [-1, *(c for c, segment in enumerate(segments) if segment >= 0), len(segments)]
    of = {-1: -1, len(segments): n} | {c: segments[c] for c in known[1:-1]}
    for left, right in pairwise(known):
        unknown = [c for c in range(left + 1, right) if segments[c] == UNKNOWN]
        among = list(range(of[left] + 1, of[right])) or sorted({k for k in (of[left], of[right]) if 0 <= k < n})
        for place, clip in enumerate(unknown):
            found[clip] = among[place * len(among) // len(unknown)]
    return found


def drawn(generator: torch.Generator) -> tuple[list[int], int]:
    """Segments of a video, some of them unknown or background, in the order of its sentences."""
    n, m = torch.randint(1, 6, (2,), generator=generator).tolist()
    known = torch.randint(n, (m * 2,), generator=generator).sort().values
    kind = torch.randint(4, (m * 2,), generator=generator)
    return torch.where(kind == 0, known, torch.where(kind == 1, BACKGROUND, UNKNOWN)).tolist(), n


def videos(generator: torch.Generator, *segments: tuple[int, ...], n: int = 3) -> list[Pair]:
    return [
        Pair(
            f"{k}",
            torch.randn(n, 4, generator=generator),
            torch.randn(len(each), 4, generator=generator),
            torch.tensor(each),
            tuple(f"{k} {i}" for i in range(n)),
        )
        for k, each in enumerate(segments)
    ]


def split(batch: Batch) -> Batch:
    """The same batch, with the even split in place of what is unknown."""
    return replace(batch, segments=even_split(batch.segments, batch.sentences.lengths))


def model(**settings: object) -> TempCLR:
    return TempCLR(nn.Identity(), nn.Identity(), **settings)


MIXED = ((UNKNOWN,) * 7, (UNKNOWN, 0, BACKGROUND, UNKNOWN, 2, 2), (0, 0, 1, BACKGROUND, 2))


# known answers


@pytest.mark.parametrize(
    ("segments", "n", "expected"),
    [
        ([UNKNOWN] * 10, 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        ([UNKNOWN] * 5, 2, [0, 0, 0, 1, 1]),
        ([UNKNOWN] * 3, 5, [0, 1, 3]),  # more sentences than clips: the second and the last have none
        ([UNKNOWN, BACKGROUND, UNKNOWN], 2, [0, BACKGROUND, 1]),
        ([UNKNOWN, UNKNOWN, 0, UNKNOWN, UNKNOWN, 1, UNKNOWN], 2, [0, 0, 0, 0, 1, 1, 1]),  # a time per sentence
        ([0, UNKNOWN, UNKNOWN, 2], 3, [0, 1, 1, 2]),  # only the sentence between has no known clip
    ],
)
def test_unknown_clips_are_shared_out_evenly(segments: list[int], n: int, expected: list[int]):
    assert even_split(torch.tensor([segments]), torch.tensor([n])).tolist() == [expected]


# laws


def test_the_even_split_is_that_of_the_loop_over_clips(generator: torch.Generator):
    cases = [drawn(generator) for _ in range(300)]
    longest = max(len(segments) for segments, _ in cases)
    padded = torch.tensor([segments + [BACKGROUND] * (longest - len(segments)) for segments, _ in cases])
    found = even_split(padded, torch.tensor([n for _, n in cases]))
    for (segments, n), row in zip(cases, found.tolist(), strict=True):
        assert row == slow_even_split(segments, n) + [BACKGROUND] * (longest - len(segments))


def test_the_unit_term_sees_unknown_clips_as_their_assignment_says(generator: torch.Generator):
    data = videos(generator, *MIXED)
    batch = collate(data)
    trained = model(weight=0.0)
    found = trained(batch, generator=generator)
    assert torch.equal(found.unit, trained(split(batch), generator=generator).unit)  # to the last bit
    without = model(weight=0.0, unit=UnitTerm(assignment=known_only))(batch, generator=generator)
    dropped = [
        replace(pair, segments=torch.where(pair.segments == UNKNOWN, BACKGROUND, pair.segments)) for pair in data
    ]
    assert torch.equal(without.unit, trained(collate(dropped), generator=generator).unit)
    assert without.unit_skipped == 1 and found.unit_skipped == 0


@pytest.mark.parametrize("assignment", [evenly, known_only])
def test_known_clips_keep_their_sentence(assignment: object, generator: torch.Generator):
    batch = collate(videos(generator, *MIXED))
    weights = assignment(batch.sentences, batch.clips, batch, None)
    known = batch.segments >= 0
    assert torch.equal(weights.mT[known].argmax(1), batch.segments[known])
    assert weights.sum(1)[known].eq(1).all() and weights.mT[batch.segments == BACKGROUND].eq(0).all()


@pytest.mark.parametrize("anchor", ["text", "video", "both"])
@pytest.mark.parametrize("limits", [{}, {"sentences": 2}, {"clips_per_sentence": 1}, {"clips_per_segment": 2}])
def test_unknown_clips_are_shuffled_and_selected_by_the_even_split(
    anchor: str, limits: dict, generator: torch.Generator
):
    batch = collate(videos(generator, *MIXED))
    trained = model(weight=1.0, order=OrderTerm(negatives=5, anchor=anchor, **limits))
    ours, theirs = (trained(each, generator=torch.Generator().manual_seed(3)) for each in (batch, split(batch)))
    assert torch.equal(ours.order, theirs.order) and ours.order > 0 and ours.order_skipped == 0


def test_shuffled_sentences_need_no_bounds(generator: torch.Generator):
    data = videos(generator, *MIXED)
    trained = model(weight=1.0, order=OrderTerm(negatives=5, anchor="video"))
    bare = [replace(pair, segments=torch.full_like(pair.segments, UNKNOWN)) for pair in data]
    ours, theirs = (trained(collate(each), generator=torch.Generator().manual_seed(3)) for each in (data, bare))
    assert torch.equal(ours.order, theirs.order)
