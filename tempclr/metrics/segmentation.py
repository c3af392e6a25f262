"""Temporal segmentation: predicted labels of frames against the true ones.

Papers give one name to several measures, so each function says whose it is. All return shares from 0 to 1, which
papers print in percent. A function takes the labels of one video, and papers report the mean over videos; a `pooled_`
one takes all videos and counts their frames or segments together.

With `background`, frames or segments of these labels are left out; the labels are otherwise classes like any other.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from torch import Tensor

Labels = Int[np.ndarray, " frames"] | Int[Tensor, " frames"]  # the label of each frame
Videos = Sequence[Int[np.ndarray, " _"] | Int[Tensor, " _"]]  # those of several videos
Background = int | Collection[int]  # labels that are left out; () keeps all


class Segment(NamedTuple):
    """A run of frames of one label."""

    label: int
    start: float  # in frames or seconds
    stop: float  # of the first frame after it
    score: float = 1.0  # confidence of a prediction; higher is surer


def segments_of(labels: Labels, *, background: Background = ()) -> list[Segment]:
    """Return the runs of equal labels, in frames and in order.

    Raises:
        ValueError: If the labels are not integers [frames], at least one.

    Example:
        >>> [tuple(each)[:3] for each in segments_of(torch.tensor([4, 4, 0, 7]), background=0)]
        [(4, 0, 2), (7, 3, 4)]
    """
    array = _checked(labels)
    starts = np.flatnonzero(np.diff(array, prepend=array[0] - 1))
    stops = np.append(starts[1:], len(array))
    left_out = _as_set(background)
    runs = zip(array[starts].tolist(), starts.tolist(), stops.tolist(), strict=True)
    return [Segment(*run) for run in runs if run[0] not in left_out]


def frame_accuracy(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return the share of the frames of a video that are labelled right: accuracy, or MoF per video.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Frames of these true labels are left out.

    Raises:
        ValueError: If the labels are not integers [frames] of one length, or all true labels are background.

    Source:
        Lea, Flynn, Vidal, Reiter & Hager, "Temporal Convolutional Networks for Action Segmentation and Detection",
        CVPR 2017: with background, mean over videos.
    """
    return pooled_frame_accuracy([truth], [predicted], background=background)


def pooled_frame_accuracy(truths: Videos, predictions: Videos, *, background: Background = ()) -> float:
    """Return the share of the frames of all videos that are labelled right: MoF, mean over frames.

    Raises:
        ValueError: As `frame_accuracy`, or if there is not one prediction per video.

    Source:
        Kuehne, Richard & Gall, "Weakly supervised learning of actions from transcripts", CVIU 2017.
    """
    return _pooled(frame_hits(*pair, background=background) for pair in labels_by_video(truths, predictions))


def frame_hits(truth: Labels, predicted: Labels, *, background: Background = ()) -> tuple[int, int]:
    """Return how many frames are labelled right, and of how many.

    Raises:
        ValueError: As `frame_accuracy`.
    """
    true, named, counted = _pair(truth, predicted, background)
    return int((true == named)[counted].sum()), int(counted.sum())


def frame_iou(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return IoU by frames: of the frames of a true class, intersection over union, as a mean over the true classes.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Classes that do not enter the mean. Their frames still count in the unions of other classes.

    Raises:
        ValueError: As `frame_accuracy`.

    Source:
        Lu & Elhamifar, "Weakly-supervised Action Segmentation and Alignment via Transcript-Aware
        Union-of-Subspaces Learning", ICCV 2021 (TASL); mean over videos.
    """
    counts = _class_frames(truth, predicted, background)
    return float(np.mean([both / (true + named - both) for both, true, named in counts]))


def frame_iod(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return IoD by frames: intersection over predicted frames of a true class, as a mean over the true classes.

    A class that is never predicted has 0.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Classes that do not enter the mean.

    Raises:
        ValueError: As `frame_accuracy`.

    Source:
        As `frame_iou`.
    """
    return float(np.mean([both / max(named, 1) for both, _, named in _class_frames(truth, predicted, background)]))


def segment_iou(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return the mean over true segments of their best overlap with a predicted one: IoU by segments.

    The overlap with a predicted segment of the same class is divided by the hull of both, and is at least 0.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Segments of these labels are left out.

    Raises:
        ValueError: As `frame_accuracy`.

    Source:
        Ding & Xu, "Weakly-Supervised Action Segmentation with Iterative Soft Boundary Assignment", CVPR 2018
        (TCFPN, ISBA), as measured by the code of Lea et al.; mean over videos.
    """
    return _best_overlap(truth, predicted, background, _hull)


def segment_iod(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return `segment_iou` with the length of the predicted segment in place of the hull: IoD by segments.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Segments of these labels are left out.

    Raises:
        ValueError: As `frame_accuracy`.

    Source:
        As `segment_iou`.
    """
    return _best_overlap(truth, predicted, background, lambda _, named: named.stop - named.start)


def segment_f1(truth: Labels, predicted: Labels, overlap: float, *, background: Background = ()) -> float:
    """Return the F1 score of the segments of a video: segmental F1@k, per video.

    A predicted segment is right if the true segment of its class that it overlaps most has an IoU of at least
    `overlap` with it, and no earlier prediction has taken that one.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        overlap: Least IoU, over 0 to 1. F1@10, 25 and 50 have 0.1, 0.25 and 0.5.
        background: Segments of these labels are left out.

    Raises:
        ValueError: As `frame_accuracy`, or if `overlap` is out of range.

    Source:
        Lea et al., as for `frame_accuracy`: on 50 Salads without background, mean over videos.
    """
    return pooled_segment_f1([truth], [predicted], overlap, background=background)


def pooled_segment_f1(truths: Videos, predictions: Videos, overlap: float, *, background: Background = ()) -> float:
    """Return the F1 score of the segments of all videos, counted together: segmental F1@k, pooled.

    Raises:
        ValueError: As `segment_f1`, or if there is not one prediction per video.

    Source:
        Abu Farha & Gall, "MS-TCN: Multi-Stage Temporal Convolutional Network for Action Segmentation", CVPR 2019:
        without background.
    """
    return _pooled(segment_hits(*pair, overlap, background=background) for pair in labels_by_video(truths, predictions))


def segment_hits(truth: Labels, predicted: Labels, overlap: float, *, background: Background = ()) -> tuple[int, int]:
    """Return twice the number of right segments, and the number of true and predicted ones; their ratio is F1.

    Raises:
        ValueError: As `segment_f1`.
    """
    if not 0 < overlap <= 1:
        raise ValueError(f"expected an overlap over 0 and up to 1, got {overlap}")
    true, named = _segments(truth, predicted, background)
    taken: set[int] = set()
    for each in named:
        scores = [_overlap(other, each) / _hull(other, each) if other.label == each.label else 0.0 for other in true]
        best = int(np.argmax(scores))
        if scores[best] >= overlap:
            taken.add(best)  # a true segment counts once
    return 2 * len(taken), len(true) + len(named)


def edit_score(truth: Labels, predicted: Labels, *, background: Background = ()) -> float:
    """Return 1 minus the edit distance of the two lists of segments, divided by the longer one's length.

    Args:
        truth: True labels.
        predicted: Predicted labels.
        background: Segments of these labels are left out.

    Raises:
        ValueError: As `frame_accuracy`.

    Source:
        Lea, Reiter, Vidal & Hager, "Segmental Spatiotemporal CNNs for Fine-grained Action Segmentation", ECCV 2016;
        mean over videos.
    """
    true, named = ([each.label for each in side] for side in _segments(truth, predicted, background))
    row = list(range(len(named) + 1))
    for i, label in enumerate(true):
        before, row = row, [i + 1]
        for j, other in enumerate(named):
            row.append(min(before[j] + (label != other), before[j + 1] + 1, row[j] + 1))
    return 1 - row[-1] / max(len(true), len(named))


def _as_set(background: Background) -> set[int]:
    return {background} if isinstance(background, int | np.integer) else set(background)


def _checked(labels: Labels) -> np.ndarray:
    """Labels as an array of integers."""
    array = labels.detach().cpu().numpy() if isinstance(labels, Tensor) else np.asarray(labels)
    if array.ndim != 1 or len(array) == 0 or not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"expected integer labels [frames], at least one, got {array.dtype} {array.shape}")
    return array.astype(np.int64)


def _pair(truth: Labels, predicted: Labels, background: Background) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both labels as arrays of one length, and whether each frame counts."""
    true, named = _checked(truth), _checked(predicted)
    if len(true) != len(named):
        raise ValueError(f"expected a predicted label for each of {len(true)} frames, got {len(named)}")
    counted = ~np.isin(true, list(_as_set(background)))
    if not counted.any():
        raise ValueError(f"expected at least one frame that is not background, got {len(true)} of background")
    return true, named, counted


def labels_by_video(truths: Videos, predictions: Videos) -> list[tuple[Labels, Labels]]:
    """Return the true and predicted labels of each video.

    Raises:
        ValueError: If there is no video, or not one prediction for each.
    """
    if len(truths) != len(predictions) or not truths:
        raise ValueError(
            f"expected predictions for each of at least one video, got {len(predictions)} for {len(truths)}"
        )
    return list(zip(truths, predictions, strict=True))


def _segments(truth: Labels, predicted: Labels, background: Background) -> tuple[list[Segment], list[Segment]]:
    """True and predicted segments without background."""
    true, named, _ = _pair(truth, predicted, background)
    return segments_of(true, background=background), segments_of(named, background=background)


def _class_frames(truth: Labels, predicted: Labels, background: Background) -> list[tuple[int, int, int]]:
    """For each true class the frames of both, of the truth, and of the prediction."""
    true, named, counted = _pair(truth, predicted, background)
    masks = [(true == label, named == label) for label in np.unique(true[counted])]
    return [(int((one & other).sum()), int(one.sum()), int(other.sum())) for one, other in masks]


def _overlap(one: Segment, other: Segment) -> float:
    return max(0.0, float(min(one.stop, other.stop) - max(one.start, other.start)))


def _hull(one: Segment, other: Segment) -> float:
    return float(max(one.stop, other.stop) - min(one.start, other.start))


def _best_overlap(truth: Labels, predicted: Labels, background: Background, length: Callable) -> float:
    """The mean over true segments of the best overlap with a segment of their class, divided by a length of both."""
    true, named = _segments(truth, predicted, background)
    best = [
        max((_overlap(each, other) / length(each, other) for other in named if other.label == each.label), default=0.0)
        for each in true
    ]
    return float(np.mean(best))


def _pooled(counts: Iterable[tuple[int, int]]) -> float:
    """The ratio of the sums of counts."""
    parts, wholes = zip(*counts, strict=True)
    return sum(parts) / sum(wholes)
