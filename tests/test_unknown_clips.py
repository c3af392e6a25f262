"""No part of the package takes a clip whose sentence is unknown for background."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from tempclr_widgets import ShuffleLab
from torch import Generator, Tensor, nn

from tempclr import Pair, TempCLR
from tempclr.data.excerpts import excerpts
from tempclr.experiments.choices import SHUFFLES
from tempclr.losses import OrderTerm, UnitTerm, WithinVideoTerm, even_split, known_only, step_loss
from tempclr.negatives import permute_both, wrong_orders
from tempclr.plots import frames, localization
from tempclr.sequences import BACKGROUND, UNKNOWN, collate
from tempclr.tasks import retrieval
from tempclr.tasks.localization import judge, step_recall, true_lists
from tempclr.training.identity import sample_digest

Change = Callable[[Tensor], Tensor]  # of the segments of a video


@pytest.fixture
def videos(generator: Generator) -> list[Pair]:
    """Videos of 3 sentences and 7 clips, whose sentence is unknown."""

    def random(steps: int) -> Tensor:
        return torch.randn(steps, 4, generator=generator)

    names = ("boil", "pour", "stir")
    return [Pair(f"tea/{k}", random(3), random(7), torch.full((7,), UNKNOWN), names) for k in range(3)]


@pytest.fixture(autouse=True)
def _quiet(recording: None) -> None:
    """Widgets need no browser."""


def with_segments(videos: list[Pair], change: Change) -> list[Pair]:
    return [replace(pair, segments=change(pair.segments)) for pair in videos]


def evenly(segments: Tensor) -> Tensor:
    return even_split(segments[None], torch.tensor([3]))[0]


def background(segments: Tensor) -> Tensor:
    return torch.full_like(segments, BACKGROUND)


def model(**settings: object) -> TempCLR:
    torch.manual_seed(0)
    return TempCLR(nn.Linear(4, 4), nn.Linear(4, 4), **settings)


def loss(videos: list[Pair], **settings: object) -> tuple[float, ...]:
    """Both terms of an objective, and the videos that each skipped."""
    found = model(**settings)(collate(videos), generator=torch.Generator().manual_seed(1), progress=0.0)
    return found.unit.item(), found.order.item(), found.unit_skipped, found.order_skipped


# known answers


def test_terms_without_an_assignment_skip_them(videos: list[Pair]):
    for unit in (UnitTerm(assignment=known_only), WithinVideoTerm()):
        assert loss(videos, weight=0.0, unit=unit) == (0, 0, 3, 0)
    trained = model(weight=0.0, unit=WithinVideoTerm())
    trained(collate(videos), generator=Generator()).total.backward()
    assert all(weight.grad is not None and not weight.grad.any() for weight in trained.parameters())


def test_within_a_video_they_take_no_part(videos: list[Pair]):
    segments = torch.tensor([UNKNOWN, 0, BACKGROUND, UNKNOWN, 1, 2, UNKNOWN])
    kept = segments != UNKNOWN
    some = with_segments(videos, lambda _: segments)
    cut = [replace(pair, clips=pair.clips[kept], segments=segments[kept]) for pair in videos]
    settings = {"weight": 0.0, "unit": WithinVideoTerm(step_loss, 0.5)}
    assert loss(some, **settings) == pytest.approx(loss(cut, **settings))
    assert loss([videos[0], *cut[1:]], **settings) == pytest.approx((loss(cut[1:], **settings)[0], 0, 1, 0))


def test_pictures_name_them(videos: list[Pair]):
    clips = np.zeros((7, 1, 4, 4, 3), np.uint8)
    titles = []
    for change in (torch.clone, background):
        figure = frames.frame_strip(clips, change(videos[0].segments).numpy(), videos[0].captions)
        titles.append([ax.get_title(loc="left") for ax in figure.axes])
    assert titles == [["(sentence unknown)", *[""] * 6], ["(not described)", *[""] * 6]]


def test_a_timeline_judges_no_prediction_where_the_truth_is_unknown():
    predicted = np.array([0, 1, 1, 1, -1])
    ax = localization.timeline(np.array([0, -2, -2, 0, -2]), predicted, seconds=2.0)
    boxes = [[(bar.get_x(), bar.get_y()) for bar in group] for group in ax.containers]
    places = [[(0, -0.4), (6, -0.4)], [(0, 0)], [(6, 1)], [(2, 1), (4, 1)], [(2, -0.5), (4, -0.5), (8, -0.5)]]
    assert [np.allclose(one, other) for one, other in zip(boxes, places, strict=True)] == [True] * 5
    names = [each.get_text() for each in ax.get_legend().get_texts()]
    assert names[:3] == ["truth", "predicted, right", "predicted, wrong"]
    assert names[3:] == ["predicted, truth unknown", "truth unknown"]
    without = localization.timeline(np.array([0, -1, -1, 0, -1]), predicted)
    assert [each.get_text() for each in without.get_legend().get_texts()] == names[:3]


def test_the_shuffle_lab_shows_them_and_shuffles_as_in_training(videos: list[Pair], generator: Generator):
    cost = torch.rand(3, 7, generator=generator)
    lab, known = (
        ShuffleLab(cost, sentences=videos[0].captions, segments=segments)
        for segments in (videos[0].segments, evenly(videos[0].segments))
    )
    assert lab.segments == [UNKNOWN] * 7 and lab.kinds == known.kinds
    assert torch.equal(lab.orders, known.orders) and lab.loss == known.loss


# laws


@pytest.mark.parametrize("anchor", ["text", "video", "both"])
@pytest.mark.parametrize("selected", [{}, {"sentences": 2, "clips_per_sentence": 1}])
def test_training_gives_them_an_even_split(videos: list[Pair], anchor: str, selected: dict):
    settings = {"order": OrderTerm(anchor=anchor, negatives=3, shuffle=permute_both, **selected)}
    found = loss(videos, **settings)
    assert found == loss(with_segments(videos, evenly), **settings)
    assert found[0] > 0 and found[1] > 0 and found[2:] == (0, 0)


def test_sensitivity_to_order_shuffles_as_in_training(videos: list[Pair]):
    scores = []
    for each in (videos, with_segments(videos, evenly)):
        embedded = retrieval.embed(model(), each)
        shown = (embedded.paragraphs, embedded.videos, embedded.segments, retrieval.dtw, SHUFFLES["segments"].resolve())
        scores.append(retrieval.order_sensitivity(*shown, count=3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(scores[0].shuffled, scores[1].shuffled) and torch.equal(scores[0].true, scores[1].true)


def test_batches_and_embeddings_keep_them(videos: list[Pair]):
    short = replace(videos[0], clips=videos[0].clips[:4], segments=videos[0].segments[:4])
    expected = [[UNKNOWN] * 7, [UNKNOWN] * 4 + [BACKGROUND] * 3]  # padding is background
    assert collate([videos[1], short]).segments.tolist() == expected
    assert retrieval.embed(model(), [videos[1], short]).segments.tolist() == expected


def test_training_is_not_continued_on_background_in_their_place(videos: list[Pair]):
    assert sample_digest(videos) != sample_digest(with_segments(videos, background))


def test_whole_videos_stay_whole(videos: list[Pair], generator: Generator):
    assert list(excerpts(videos, 3, generator=generator)) == videos


# refusals


@pytest.mark.parametrize("kind", SHUFFLES)
def test_clips_of_no_segment_are_not_shuffled(kind: str, generator: Generator):
    for segments in ([UNKNOWN] * 4, [0, 0, UNKNOWN, 1]):
        with pytest.raises(ValueError, match="got unknown clips, which belong to no segment; shuffle the sentences"):
            wrong_orders(torch.tensor([segments]), 3, SHUFFLES[kind].resolve(), generator=generator)


def test_nothing_is_judged_where_the_truth_is_unknown(videos: list[Pair]):
    lists = true_lists(videos)
    refused = partial(pytest.raises, ValueError, match=r"each clip of tea/\d shows.*give \[start, stop\] of all")
    with refused():
        judge(videos, lists, [torch.arange(3)] * 3)
    with refused():
        step_recall(model(), videos)


def test_videos_of_which_nothing_is_known_are_not_split(videos: list[Pair], generator: Generator):
    with pytest.raises(ValueError, match=r"expected a time for each of the 3 sentences of tea/0.*0 or to at least 3"):
        excerpts(videos, 2, generator=generator)


def test_pictures_of_other_numbers_are_refused():
    with pytest.raises(ValueError, match="a caption for each segment"):
        frames.frame_strip(np.zeros((1, 1, 2, 2, 3), np.uint8), np.array([-3]), ["a"])
    for truth, predicted in (([-3], [0]), ([0], [UNKNOWN])):
        with pytest.raises(ValueError, match=r"-1 \(background\) or, in the truth, -2 \(unknown\), got"):
            localization.timeline(np.array(truth), np.array(predicted))
