"""Clips named by the sentences of their video."""

import itertools

import pytest
import torch

from tempclr.alignment import aligned_steps, dtw
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair, Sequences
from tempclr.tasks.naming import named_right, split_right
from tempclr.tasks.retrieval import Embedded


def videos(found: Embedded) -> list[Pair]:
    """The same videos as pairs."""
    pairs = []
    for number, segments in enumerate(found.segments):
        x, y = found.paragraphs[number], found.videos[number]
        pairs.append(Pair(str(number), x, y, segments[: len(y)], tuple("abcdef"[: len(x)])))
    return pairs


def embedded(segments: list[list[int]], sentences: list[int], lengths: list[int]) -> Embedded:
    """Videos whose clips equal the sentence in `segments`; others equal no sentence."""
    n = max(sentences)
    x = torch.eye(n + 1)[:n].expand(len(segments), n, n + 1)
    known = torch.tensor(segments)
    y = torch.eye(n + 1)[torch.where(known < 0, n, known)]
    return Embedded(Sequences(x, torch.tensor(sentences)), Sequences(y, torch.tensor(lengths)), known)


# known answers


def test_clips_get_the_sentence_that_they_show_and_background_is_not_counted():
    segments = [[0, 0, 0, 1, 2, 2], [0, 1, BACKGROUND, 1, BACKGROUND, BACKGROUND]]
    found = embedded(segments, [3, 2], [6, 4])
    torch.testing.assert_close(named_right(found), torch.ones(2))
    torch.testing.assert_close(split_right(videos(found)), torch.tensor([5 / 6, 2 / 3]))


def test_a_clip_on_several_sentences_gets_the_cheapest():
    cost = torch.tensor([[0.1], [0.0], [0.3]])
    assert aligned_steps(dtw, cost).tolist() == [1]


# laws


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 4), (3, 3), (4, 2), (3, 5)])
def test_the_names_lie_on_the_cheapest_path(n: int, m: int, generator: torch.Generator):
    cost = torch.rand(n, m, generator=generator, dtype=torch.float64)
    moves = ((1, 0), (0, 1), (1, 1))
    best, cheapest = None, torch.inf
    for count in range(max(n, m) - 1, n + m - 1):
        for steps in itertools.product(moves, repeat=count):
            cells = [(0, 0)]
            for i, j in steps:
                cells.append((cells[-1][0] + i, cells[-1][1] + j))
            if cells[-1] == (n - 1, m - 1) and all(i < n and j < m for i, j in cells):
                total = sum(cost[cell].item() for cell in cells)
                if total < cheapest:
                    best, cheapest = cells, total
    assert cheapest == pytest.approx(dtw(cost).item())
    for clip, name in enumerate(aligned_steps(dtw, cost).tolist()):
        assert name == min((cost[cell].item(), cell[0]) for cell in best if cell[1] == clip)[1]


def test_padding_changes_no_name(generator: torch.Generator):
    costs = [torch.rand(n, m, generator=generator) for n, m in ((2, 5), (3, 4), (1, 2))]
    padded = torch.full((3, 3, 5), -9.0)
    for row, cost in zip(padded, costs, strict=True):
        row[: len(cost), : cost.shape[1]] = cost
    found = aligned_steps(dtw, padded, torch.tensor([cost.shape for cost in costs]))
    for row, cost in zip(found, costs, strict=True):
        assert row[: cost.shape[1]].tolist() == aligned_steps(dtw, cost).tolist()
        assert (row[cost.shape[1] :] == -1).all()


# refusals


def test_a_video_of_which_nothing_is_known_is_refused():
    found = embedded([[0, 1], [UNKNOWN, UNKNOWN]], [2, 2], [2, 2])
    with pytest.raises(ValueError, match="whose sentence is known in every video, got none in video 1"):
        named_right(found)
