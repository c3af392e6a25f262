from collections.abc import Sequence
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tempclr import Pair, TempCLR
from tempclr.tasks.localization import (
    best_places,
    canonical_lists,
    judge,
    place,
    place_evenly,
    shown_by,
    step_recall,
    true_lists,
)


def video(name: str, captions: Sequence[str], segments: Sequence[int], vectors: dict[str, Tensor]) -> Pair:
    """A video whose clips equal their sentences, with zeros as background."""
    sentences = torch.stack([vectors[text] for text in captions])
    clips = torch.stack([sentences[k] if k >= 0 else torch.zeros(4) for k in segments])
    return Pair(name, sentences, clips, torch.tensor(segments), tuple(captions))


@pytest.fixture
def vectors() -> dict[str, Tensor]:
    return {text: 5 * torch.eye(4)[k] for k, text in enumerate(("take", "fill", "stir", "serve"))}


@pytest.fixture
def model() -> TempCLR:
    """A model whose embeddings are the features."""
    return TempCLR(Same(), Same())


class Same(nn.Module):
    """Returns its input, times a parameter of 1."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, steps: Tensor) -> Tensor:
        return steps * self.scale


# known answers


def test_instances_are_rounded_outwards():
    found = shown_by([(0, 1.2, 2.0), (1, 3.9, 5.1), (0, 5.0, 6.0)], 2, 7)
    assert found.int().tolist() == [[0, 1, 0, 0, 0, 1, 0], [0, 0, 0, 1, 1, 1, 0]]
    assert shown_by([(0, 1.2, 4.1)], 1, 4, seconds=2.0).int().tolist() == [[1, 1, 1, 0]]


def test_clips_that_equal_their_steps_are_found(model: TempCLR, vectors: dict[str, Tensor]):
    pairs = [
        video("tea/a", ["take", "fill", "stir"], [-1, 0, 0, -1, 1, 2, -1], vectors),
        video("tea/b", ["fill", "take", "stir"], [0, 0, 1, -1, 2], vectors),  # not in the order of its list
        video("soup", ["stir", "serve"], [0, -1, 0, 1], vectors),
    ]
    true = judge(pairs, true_lists(pairs), place(model, pairs, true_lists(pairs)))
    assert true.macro == true.micro == 1 and len(true.hits) == 8
    lists = canonical_lists(pairs)
    assert lists == [("take", "fill", "stir")] * 2 + [("stir", "serve")]
    found = judge(pairs, lists, place(model, pairs, lists))
    # in b, only two of three steps can be found in the order take, fill, stir
    assert found.by_task == pytest.approx({"tea": 5 / 6, "soup": 1.0})
    assert found.macro == pytest.approx(11 / 12) and found.micro == pytest.approx(7 / 8)
    assert step_recall(model, pairs) == found.macro
    interval = found.interval(generator=torch.Generator().manual_seed(0))
    assert interval.mean == pytest.approx(11 / 12) and interval.n == 2 and interval.low >= 5 / 6 - 1e-9


def test_steps_that_a_video_does_not_show_take_a_clip_but_do_not_count(model: TempCLR, vectors: dict[str, Tensor]):
    pairs = [
        video("tea/a", ["take", "fill", "stir"], [0, 1, 2], vectors),
        video("tea/b", ["take", "stir"], [0, 1], vectors),  # two clips for three steps
        video("tea/c", ["take", "stir"], [0, -1, 1], vectors),
    ]
    lists = canonical_lists(pairs)
    found = judge(pairs, lists, place(model, pairs, lists))
    assert found.skipped == ("tea/b",) and len(found.hits) == 5 and found.micro == 1


def test_even_spacing_uses_only_the_order(vectors: dict[str, Tensor]):
    pairs = [video("tea", ["take", "fill"], [-1, -1, 0, 0, 0, 1, 1, 1, -1, -1], vectors)]
    lists = true_lists(pairs)
    assert place_evenly(pairs, lists)[0].tolist() == [2, 7]
    assert judge(pairs, lists, place_evenly(pairs, lists)).micro == 1


# laws


@given(st.integers(1, 4), st.integers(0, 4), st.integers(0, 2**31))
def test_no_other_choice_of_clips_has_a_higher_score(steps: int, more: int, seed: int):
    scores = torch.randn(steps, steps + more, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    found = best_places(scores)
    assert (found.diff() > 0).all()
    best = max(
        sum(scores[step, clip].item() for step, clip in enumerate(clips))
        for clips in combinations(range(steps + more), steps)
    )
    assert scores[torch.arange(steps), found].sum().item() == pytest.approx(best, abs=1e-12)


def test_with_as_many_clips_as_steps_there_is_one_choice(generator: torch.Generator):
    assert best_places(torch.randn(5, 5, generator=generator)).tolist() == [0, 1, 2, 3, 4]


def test_scores_are_normalised_over_steps(model: TempCLR, generator: torch.Generator):
    names = ("a", "b", "c")
    sentences, clips = torch.randn(3, 4, generator=generator), torch.randn(7, 4, generator=generator)
    pair = Pair("x", sentences, clips, torch.tensor([0, 0, 1, -1, 2, 2, 2]), names)
    for cosine in (False, True):
        (found,) = place(model, [pair], [names], cosine=cosine, temperature=0.5)
        each = [nn.functional.normalize(side, dim=1) if cosine else side for side in (sentences, clips)]
        scores = (each[0] @ each[1].T / 0.5).exp()
        scores = (scores / scores.sum(0)).log()
        best = max(combinations(range(7), 3), key=lambda chosen: sum(scores[k, j] for k, j in enumerate(chosen)).item())
        assert tuple(found.tolist()) == best


# refusals


def test_invalid_inputs_are_refused(model: TempCLR, vectors: dict[str, Tensor]):
    with pytest.raises(ValueError, match="a clip for each, got 3 steps and 2 clips"):
        best_places(torch.zeros(3, 2))
    with pytest.raises(ValueError, match="finite scores, got 1 that are not"):
        best_places(torch.tensor([[0.0, torch.nan]]))
    with pytest.raises(ValueError, match=r"a step from 0 to 1 and 0 <= start < stop, got 2, 0.0, 1.0"):
        shown_by([(2, 0.0, 1.0)], 2, 3)
    pairs = [video("tea", ["take", "fill"], [1], vectors)]
    with pytest.raises(ValueError, match="expected steps that a video shows, got 'fry'"):
        place(model, pairs, [("fry",)])
    with pytest.raises(ValueError, match="at least one video with as many clips as steps, got none of 1"):
        judge(pairs, true_lists(pairs), place(model, pairs, true_lists(pairs)))
