"""Measures of temporal segmentation, by slow loops, other libraries, and laws."""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tempclr import metrics
from tempclr.metrics import (
    Segment,
    edit_score,
    frame_accuracy,
    frame_iod,
    frame_iou,
    mean_average_precision,
    pooled_frame_accuracy,
    pooled_segment_f1,
    segment_f1,
    segment_iod,
    segment_iou,
    segments_of,
    step_recall_by_seconds,
    step_recall_by_segments,
)

LABELS = 4  # 0 is background
MEASURES: dict[str, Callable[..., float]] = {
    "accuracy": frame_accuracy,
    "IoU by frames": frame_iou,
    "IoD by frames": frame_iod,
    "IoU by segments": segment_iou,
    "IoD by segments": segment_iod,
    "F1@10": partial(segment_f1, overlap=0.1),
    "F1@50": partial(segment_f1, overlap=0.5),
    "edit": edit_score,
}
EACH = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)
backgrounds = st.sampled_from([(), 0, (0, 3)])
runs = st.lists(st.tuples(st.integers(0, LABELS - 1), st.integers(1, 4)), min_size=1, max_size=7)


def frames(drawn: list[tuple[int, int]]) -> np.ndarray:
    """Labels of frames from labels and lengths of runs."""
    return np.repeat([label for label, _ in drawn], [length for _, length in drawn])


@st.composite
def videos(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """True labels, with a class that is never left out, and predicted ones that often agree with them."""
    truth = np.append(frames(draw(runs)), [1, 1])
    predicted = np.resize(frames(draw(runs)), len(truth))
    agree = draw(st.lists(st.booleans(), min_size=len(truth), max_size=len(truth)))
    return truth, np.where(agree, truth, predicted)


def slow_segments(labels: np.ndarray, left_out: tuple[int, ...]) -> list[tuple[int, set[int]]]:
    """Runs as labels and sets of frames."""
    found: list[tuple[int, set[int]]] = []
    for t, label in enumerate(labels.tolist()):
        if t and label == labels[t - 1]:
            found[-1][1].add(t)
        else:
            found.append((label, {t}))
    return [(label, inside) for label, inside in found if label not in left_out]


def hull(one: set[int], other: set[int]) -> int:
    return max(one | other) - min(one | other) + 1


def slow_f1(
    truth: np.ndarray, predicted: np.ndarray, overlap: float, left_out: tuple[int, ...]
) -> tuple[int, int, int]:
    """Right, wrong and missed segments, as Lea et al. count them, on sets of frames."""
    true, named = slow_segments(truth, left_out), slow_segments(predicted, left_out)
    used, right, wrong = set(), 0, 0
    for label, inside in named:
        best, place = -1.0, None
        for k, (other, frames_of) in enumerate(true):
            share = len(inside & frames_of) / hull(inside, frames_of) if other == label else 0.0
            if share > best:
                best, place = share, k
        if best >= overlap and place not in used:
            used.add(place)
            right += 1
        else:
            wrong += 1
    return right, wrong, len(true) - right


@cache
def slow_edits(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Levenshtein distance by its recursive definition."""
    if not one or not other:
        return len(one) + len(other)
    if one[0] == other[0]:
        return slow_edits(one[1:], other[1:])
    return 1 + min(slow_edits(one[1:], other), slow_edits(one, other[1:]), slow_edits(one[1:], other[1:]))


def as_tuple(background: object) -> tuple[int, ...]:
    return (background,) if isinstance(background, int) else tuple(background)


# known answers


def test_measures_of_a_small_video_are_those_counted_by_hand():
    truth = np.array([0, 1, 1, 1, 1, 0, 2, 2, 0, 0])
    named = np.array([0, 1, 1, 0, 1, 1, 2, 0, 0, 0])
    assert frame_accuracy(truth, named) == 0.7
    assert frame_accuracy(truth, named, background=0) == pytest.approx(4 / 6)
    assert frame_iou(truth, named, background=0) == pytest.approx((3 / 5 + 1 / 2) / 2)
    assert frame_iod(truth, named, background=0) == pytest.approx((3 / 4 + 1) / 2)
    # the best of two predicted segments of class 1 is frames 1 and 2: half of the true one, all of itself
    assert segment_iou(truth, named, background=0) == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert segment_iod(truth, named, background=0) == pytest.approx((2 / 2 + 1) / 2)
    # frames 4 and 5 have 1/5 with the true segment of class 1, which the first prediction has taken
    assert segment_f1(truth, named, 0.1, background=0) == pytest.approx(2 * 2 / (2 + 3))
    assert segment_f1(truth, named, 0.6, background=0) == 0
    assert edit_score(truth, named, background=0) == pytest.approx(1 - 1 / 3)


def test_segments_are_the_runs_of_equal_labels():
    found = segments_of(np.array([3, 3, 0, 3, 5]))
    assert found == [Segment(3, 0, 2), Segment(0, 2, 3), Segment(3, 3, 4), Segment(5, 4, 5)]
    assert segments_of(np.array([3, 3, 0, 3, 5]), background=(0, 5)) == [Segment(3, 0, 2), Segment(3, 3, 4)]


def test_pooled_measures_weigh_long_videos_more():
    short, long = np.array([1]), np.repeat([1, 2, 1, 2], 3)
    truths, predictions = [short, long], [np.array([2]), long]
    assert pooled_frame_accuracy(truths, predictions) == pytest.approx(12 / 13)
    assert np.mean([frame_accuracy(*pair) for pair in zip(truths, predictions, strict=True)]) == 0.5
    assert pooled_segment_f1(truths, predictions, 0.5) == pytest.approx(2 * 4 / 10)


def test_average_precision_counts_each_true_segment_once():
    truth = [[Segment(1, 0, 10), Segment(1, 20, 30)], [Segment(2, 0, 4)]]
    found = [
        [Segment(1, 0, 10, 0.9), Segment(1, 1, 10, 0.8), Segment(1, 21, 30, 0.7), Segment(3, 0, 10, 1.0)],
        [Segment(2, 2, 4, 0.5)],
    ]
    # class 1: right, repeated, right: precision 1, 1/2, 2/3; class 2: IoU of a half; class 3 is not in the truth
    assert mean_average_precision(truth, found, 0.5) == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2)
    assert mean_average_precision(truth, found, 0.6) == pytest.approx((1 + 2 / 3) / 4)


def test_the_two_step_recalls_differ_at_the_edges_of_segments():
    places = torch.tensor([0, 1, 2, 9])
    starts, stops = torch.tensor([3.0, 3.0, 3.0, 3.0]), torch.tensor([8.0, 8.0, 8.0, 8.0])
    # middles of clips of 4 seconds: 2, 6, 10, 38; clips touched: 0 to 2
    assert step_recall_by_seconds(places, starts, stops, seconds=4.0) == 0.25
    assert step_recall_by_segments(places, starts, stops, seconds=4.0) == 0.75


# laws


@given(videos(), backgrounds)
def test_a_perfect_prediction_has_1_and_no_other_has_more(video: tuple, background: object):
    truth, predicted = video
    for measure in MEASURES.values():
        assert measure(truth, truth, background=background) == 1
        assert 0 <= measure(truth, predicted, background=background) <= 1


@given(videos(), st.permutations(range(LABELS)))
def test_new_names_for_labels_change_nothing(video: tuple, names: list[int]):
    renamed = [np.array(names)[side] + 10 for side in video]
    for measure in MEASURES.values():
        assert measure(*renamed) == pytest.approx(measure(*video))
        assert measure(*renamed, background=names[0] + 10) == pytest.approx(measure(*video, background=0))


@given(videos(), backgrounds)
def test_twice_as_many_frames_per_second_change_nothing(video: tuple, background: object):
    twice = [np.repeat(side, 2) for side in video]
    for measure in MEASURES.values():
        assert measure(*twice, background=background) == pytest.approx(measure(*video, background=background))


@given(videos())
def test_time_may_run_backwards(video: tuple):
    for name, measure in MEASURES.items():
        if not name.startswith("F1"):  # which of two equally good true segments a prediction takes depends on order
            assert measure(*(side[::-1] for side in video)) == pytest.approx(measure(*video))


@given(videos())
def test_tensors_and_arrays_are_alike(video: tuple):
    for measure in MEASURES.values():
        assert measure(*map(torch.from_numpy, video), background=0) == measure(*video, background=0)


@given(videos())
def test_frame_measures_equal_those_of_scikit_learn(video: tuple):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    truth, predicted = video
    assert frame_accuracy(truth, predicted) == pytest.approx(sklearn.accuracy_score(truth, predicted))
    shown = np.unique(truth)
    given = {"labels": shown, "average": "macro", "zero_division": 0}
    assert frame_iou(truth, predicted) == pytest.approx(sklearn.jaccard_score(truth, predicted, **given))
    assert frame_iod(truth, predicted) == pytest.approx(sklearn.precision_score(truth, predicted, **given))


@given(videos(), st.sampled_from([0.1, 0.25, 0.5, 1.0]), backgrounds)
def test_segmental_f1_equals_counting_over_sets_of_frames(video: tuple, overlap: float, background: object):
    right, wrong, missed = slow_f1(*video, overlap, as_tuple(background))
    expected = 2 * right / (2 * right + wrong + missed)
    assert segment_f1(*video, overlap, background=background) == pytest.approx(expected)
    assert pooled_segment_f1([video[0]] * 3, [video[1]] * 3, overlap, background=background) == pytest.approx(expected)


@given(videos(), backgrounds)
def test_the_edit_score_equals_the_recursive_distance(video: tuple, background: object):
    one, other = (tuple(label for label, _ in slow_segments(side, as_tuple(background))) for side in video)
    expected = 1 - slow_edits(one, other) / max(len(one), len(other))
    assert edit_score(*video, background=background) == pytest.approx(expected)


@given(videos(), backgrounds)
def test_overlaps_by_segments_equal_loops_over_sets_of_frames(video: tuple, background: object):
    true, named = (slow_segments(side, as_tuple(background)) for side in video)
    for measure, length in ((segment_iou, hull), (segment_iod, lambda _, inside: len(inside))):
        best = [max([0.0, *(len(a & b) / length(a, b) for other, b in named if other == label)]) for label, a in true]
        assert measure(*video, background=background) == pytest.approx(np.mean(best))


@given(st.lists(st.tuples(st.booleans(), st.floats(0.01, 1)), min_size=1, max_size=9, unique_by=lambda each: each[1]))
def test_average_precision_is_that_of_scikit_learn_but_interpolated(drawn: list[tuple[bool, float]]):
    sklearn = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    hits, scores = zip(*drawn, strict=True)
    if not any(hits):
        return
    truth = [[Segment(0, 10 * k, 10 * k + 5) for k, hit in enumerate(hits) if hit]]
    found = [[Segment(0, 10 * k, 10 * k + 5, score) for k, score in enumerate(scores)]]
    precision, recall, _ = sklearn.precision_recall_curve(hits, scores)  # by falling recall
    highest = np.maximum.accumulate(precision[:-1])
    expected = -(np.diff(recall) * highest).sum()
    assert mean_average_precision(truth, found) == pytest.approx(expected)
    assert mean_average_precision(truth, found) >= sklearn.average_precision_score(hits, scores) - 1e-9


def test_average_precision_depends_on_the_order_of_scores_alone(generator: torch.Generator):
    starts = torch.rand(2, 12, generator=generator) * 20
    scores = torch.rand(12, generator=generator).tolist()
    truth = [[Segment(k % 2, start, start + 5) for k, start in enumerate(starts[0].tolist())]]
    found = [
        Segment(k % 2, at, at + 5, score) for k, (at, score) in enumerate(zip(starts[1].tolist(), scores, strict=True))
    ]
    value = mean_average_precision(truth, [found], 0.3)
    assert 0 < value < 1
    assert mean_average_precision(truth, [found[::-1]], 0.3) == value
    assert mean_average_precision(truth, [[each._replace(score=each.score**3) for each in found]], 0.3) == value


def test_a_ratio_of_sums_has_the_interval_of_the_delta_method(generator: torch.Generator):
    wholes = torch.randint(50, 400, (300,), generator=generator).double()
    parts = (wholes * torch.rand(300, generator=generator)).floor()
    found = metrics.bootstrap_ratio(parts, wholes, generator=generator)
    ratio = parts.sum() / wholes.sum()
    half = 1.96 * (parts - ratio * wholes).std() / wholes.mean() / 300**0.5
    assert found.mean == pytest.approx(ratio.item()) and found.n == 300
    # 10,000 draws leave about 2 % noise in a quantile
    assert found.high - found.mean == pytest.approx(half.item(), rel=0.1)
    assert found.mean - found.low == pytest.approx(half.item(), rel=0.1)


# refusals


@EACH
@pytest.mark.usefixtures("unchecked_shapes")
def test_labels_that_do_not_fit_are_refused(measure: Callable):
    with pytest.raises(ValueError, match="a predicted label for each of 3 frames, got 2"):
        measure(np.array([1, 1, 2]), np.array([1, 2]))
    with pytest.raises(ValueError, match=r"integer labels \[frames\], at least one, got float64"):
        measure(np.array([1.0]), np.array([1.0]))
    with pytest.raises(ValueError, match=r"integer labels \[frames\], at least one, got int64 \(0,\)"):
        measure(torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64))
    with pytest.raises(ValueError, match="at least one frame that is not background, got 2 of background"):
        measure(np.array([0, 0]), np.array([0, 1]), background=0)


def test_numbers_out_of_range_are_refused():
    one, segment = np.array([1]), Segment(0, 0.0, 1.0)
    for overlap in (0.0, 1.1):
        with pytest.raises(ValueError, match="an overlap over 0 and up to 1"):
            segment_f1(one, one, overlap)
        with pytest.raises(ValueError, match="an overlap over 0 and up to 1"):
            mean_average_precision([[segment]], [[]], overlap)
    with pytest.raises(ValueError, match="predictions for each of 1 videos, got 2"):
        mean_average_precision([[segment]], [[], []])
    with pytest.raises(ValueError, match="at least one true segment, got none"):
        mean_average_precision([[]], [[segment]])
    for bad in (Segment(0, 1.0, 1.0), Segment(0, 0.0, 1.0, np.nan)):
        with pytest.raises(ValueError, match="a positive length with finite scores"):
            mean_average_precision([[segment]], [[bad]])
    for measure in (pooled_frame_accuracy, partial(pooled_segment_f1, overlap=0.5)):
        with pytest.raises(ValueError, match="at least one video, got 0 for 0"):
            measure([], [])
        with pytest.raises(ValueError, match="at least one video, got 2 for 1"):
            measure([one], [one, one])
    with pytest.raises(ValueError, match="finite parts and positive wholes"):
        metrics.bootstrap_ratio(torch.ones(2), torch.zeros(2), generator=torch.Generator())


@pytest.mark.usefixtures("unchecked_shapes")
def test_places_that_do_not_fit_are_refused():
    place, start, stop = torch.tensor([1]), torch.tensor([0.0]), torch.tensor([2.0])
    for measure in (step_recall_by_seconds, step_recall_by_segments):
        with pytest.raises(ValueError, match="at least one step, got 1, 1 and 2"):
            measure(place, start, torch.ones(2), seconds=1.0)
        with pytest.raises(ValueError, match=r"starts before stops, got 1\.0 seconds, places from 1 and 1 such"):
            measure(place, stop, start, seconds=1.0)
        with pytest.raises(ValueError, match="places from -1"):
            measure(-place, start, stop, seconds=1.0)
        with pytest.raises(ValueError, match=r"got 0\.0 seconds"):
            measure(place, start, stop, seconds=0.0)
