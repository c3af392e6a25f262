"""Detection of steps: scored segments, or one clip per step, against the true segments."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.metrics.segmentation import Segment


def mean_average_precision(
    truths: Sequence[Sequence[Segment]], predictions: Sequence[Sequence[Segment]], overlap: float = 0.5
) -> float:
    """Return the mean over classes of the average precision of detected segments: mAP@tIoU.

    Per class, the predictions of all videos are sorted by score. One is right if its IoU with a true segment of its
    video that no earlier one has taken is at least `overlap`; it takes the one with the highest IoU. Precision is
    interpolated: at each recall, the highest at that recall or beyond counts.

    Args:
        truths: True segments of each video. Their classes are those of the mean.
        predictions: Predicted segments of each video, with scores. Of equal scores, the first comes first.
        overlap: Least IoU, over 0 to 1. For the mean over several, average the results.

    Returns:
        0 to 1.

    Raises:
        ValueError: If there is not one list of predictions per video, no true segment, a segment does not begin
            before it ends, a score is not finite, or `overlap` is out of range.

    Example:
        The surer of two predictions is wrong:

        >>> found = [Segment(0, 5.0, 9.0, score=0.9), Segment(0, 0.0, 2.0, score=0.4)]
        >>> mean_average_precision([[Segment(0, 0.0, 2.0)]], [found])
        0.5

    Source:
        Caba Heilbron, Escorcia, Ghanem & Niebles, "ActivityNet: A Large-Scale Video Benchmark for Human Activity
        Understanding", CVPR 2015, as measured by the code of its challenge.
    """
    if not 0 < overlap <= 1:
        raise ValueError(f"expected an overlap over 0 and up to 1, got {overlap}")
    if len(truths) != len(predictions):
        raise ValueError(f"expected predictions for each of {len(truths)} videos, got {len(predictions)}")
    for each in (each for side in (*truths, *predictions) for each in side):
        if not each.start < each.stop or not np.isfinite(each.score):
            raise ValueError(f"expected segments of a positive length with finite scores, got {each}")
    classes = {each.label for side in truths for each in side}
    if not classes:
        raise ValueError("expected at least one true segment, got none")
    return float(np.mean([_average_precision(truths, predictions, label, overlap) for label in sorted(classes)]))


def step_recall_by_seconds(
    places: Int[Tensor, " steps"], starts: Float[Tensor, " steps"], stops: Float[Tensor, " steps"], *, seconds: float
) -> float:
    """Return the share of steps whose clip has its middle within the true segment, both ends included.

    Args:
        places: For each true segment of all videos, the clip at which its step was placed, from 0.
        starts: Seconds at which each segment begins.
        stops: Seconds at which it ends.
        seconds: Duration of a clip.

    Returns:
        0 to 1, over all segments: a step shown twice counts twice.

    Raises:
        ValueError: If there is no step, the sizes differ, a place is negative, a segment does not begin before it
            ends, or `seconds` is not positive.

    Source:
        Dvornik, Hadji, Derpanis, Garg & Jepson, "Drop-DTW", NeurIPS 2021: the recall that it reports on CrossTask,
        with clips of 3.2 seconds. That of CrossTask itself is in `tempclr.tasks.localization`.
    """
    _check_places(places, starts, stops, seconds)
    middle = (places + 0.5) * seconds
    return ((starts <= middle) & (middle <= stops)).double().mean().item()


def step_recall_by_segments(
    places: Int[Tensor, " steps"], starts: Float[Tensor, " steps"], stops: Float[Tensor, " steps"], *, seconds: float
) -> float:
    """Return the share of steps whose clip is one of those that the true segment touches: the milder recall.

    Args:
        places: As for `step_recall_by_seconds`.
        starts: As for `step_recall_by_seconds`.
        stops: As for `step_recall_by_seconds`. A clip that begins where the segment ends is touched.
        seconds: Duration of a clip.

    Returns:
        0 to 1, as `step_recall_by_seconds`, and never less.

    Raises:
        ValueError: As `step_recall_by_seconds`.

    Example:
        A clip of 4 seconds, of which the segment shows only the last:

        >>> place = torch.tensor([0]), torch.tensor([3.0]), torch.tensor([6.0])
        >>> step_recall_by_seconds(*place, seconds=4.0), step_recall_by_segments(*place, seconds=4.0)
        (0.0, 1.0)

    Source:
        Dvornik et al., as for `step_recall_by_seconds`; computed by their code, but not reported.
    """
    _check_places(places, starts, stops, seconds)
    first, last = (starts / seconds).floor(), (stops / seconds).floor()
    return ((first <= places) & (places <= last)).double().mean().item()


def _average_precision(
    truths: Sequence[Sequence[Segment]], predictions: Sequence[Sequence[Segment]], label: int, overlap: float
) -> float:
    """Interpolated average precision of one class."""
    true = [[each for each in side if each.label == label] for side in truths]
    named = [(video, each) for video, side in enumerate(predictions) for each in side if each.label == label]
    named.sort(key=lambda pair: -pair[1].score)  # stable
    taken: set[tuple[int, int]] = set()
    right = []
    for video, each in named:
        free = [number for number in range(len(true[video])) if (video, number) not in taken]
        scores = [_iou(true[video][number], each) for number in free]
        hit = bool(scores) and max(scores) >= overlap
        if hit:
            taken.add((video, free[int(np.argmax(scores))]))
        right.append(hit)
    hits = np.array(right, dtype=bool)
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    beyond = np.maximum.accumulate(precision[::-1])[::-1]
    return beyond[hits].sum() / sum(map(len, true))


def _iou(one: Segment, other: Segment) -> float:
    """Duration of the intersection over that of the union."""
    both = max(0.0, min(one.stop, other.stop) - max(one.start, other.start))
    return both / (one.stop - one.start + other.stop - other.start - both)


def _check_places(places: Tensor, starts: Tensor, stops: Tensor, seconds: float) -> None:
    """Raise `ValueError` unless there is a place, a start and a stop of each step, within range."""
    if not len(places) == len(starts) == len(stops) > 0:
        raise ValueError(
            f"expected a place, a start and a stop for each of at least one step, "
            f"got {len(places)}, {len(starts)} and {len(stops)}"
        )
    if not seconds > 0 or (places < 0).any() or not (starts < stops).all():
        raise ValueError(
            f"expected clips of a positive duration, places from 0 and starts before stops, "
            f"got {seconds} seconds, places from {int(places.min())} and {int((~(starts < stops)).sum())} such segments"
        )
