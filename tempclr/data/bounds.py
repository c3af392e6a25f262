"""What the times of sentences say about the rows of a video.

The time of a sentence is [start, stop] in seconds, a point in seconds at which it is shown, or None if not known.
"""

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from tempclr.sequences import BACKGROUND, UNKNOWN

Time = list[int | float] | int | float | None


def rows_within(times: Sequence[Time], rows: int, seconds: float) -> Bool[np.ndarray, "sentences {rows}"]:
    """Return which rows have their middle in the [start, stop] of which sentence; none for points and None.

    Example:
        >>> rows_within([[0, 2.2], None, 3.5], 4, 1.0).astype(int).tolist()
        [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    middle = (np.arange(rows, dtype=np.float32) + 0.5) * seconds
    ends = [each if isinstance(each, list) else (np.inf, -np.inf) for each in times]
    start, stop = np.array(ends, dtype=middle.dtype).T[..., None]
    return (start <= middle) & (middle < stop)


def row_segments(times: Sequence[Time], rows: int, seconds: float) -> Int[np.ndarray, " {rows}"]:
    """Return for each row the sentence that it shows, `BACKGROUND` or `UNKNOWN`.

    A row belongs to the first sentence whose [start, stop] contains its middle, or to the one whose point lies in it.
    The other rows are read in every way that keeps the order of sentences: one without [start, stop] has at least one
    row, and any row may be background. A row that is the same in all readings is known; the others are unknown.
    Hence rows between two sentences with [start, stop] that follow each other are background.

    Args:
        times: Of each sentence, in the order of sentences.
        rows: Number of rows of the video.
        seconds: Duration of a row.

    Raises:
        ValueError: If a sentence has no row, two claim one by a point, or the known ones contradict the order.

    Example:
        >>> row_segments([[0, 2], None, [4, 5]], 6, 1.0).tolist()
        [0, 0, -2, -2, 2, -1]
        >>> row_segments([None, None], 2, 1.0).tolist()
        [0, 1]
    """
    inside = rows_within(times, rows, seconds)
    found = np.where(inside.any(0), inside.argmax(0), BACKGROUND)
    for number, each in enumerate(times):
        if isinstance(each, list):
            if not (found == number).any():
                raise ValueError(f"expected at least one row for every sentence, got none for number {number}")
        elif each is not None:
            row = min(rows - 1, math.floor(each / seconds + 1e-6))  # a point between two rows belongs to the later one
            if found[row] >= 0:
                raise ValueError(
                    f"expected one sentence at {each} s, a point of number {number}, got number {found[row]} in the "
                    f"same row; move the point, or give both sentences [start, stop]"
                )
            found[row] = number
    return found if all(isinstance(each, list) for each in times) else _with_unknown(found, times)


def _with_unknown(found: np.ndarray, times: Sequence[Time]) -> np.ndarray:
    """The same rows, with those that may show a sentence without bounds as unknown, or known if there is no choice."""
    known = np.flatnonzero(found >= 0)
    places, numbers = np.array([-1, *known, len(found)]), np.array([-1, *found[known], len(times)])
    if (np.diff(numbers) < 0).any():
        raise ValueError(f"expected rows in the order of their sentences, got sentences {found[known].tolist()}")
    found = found.copy()
    for index in np.flatnonzero((np.diff(places) > 1) | (np.diff(numbers) > 1)):
        (left, right), (before, after) = places[index : index + 2], numbers[index : index + 2]
        gap, missing = right - left - 1, max(0, after - before - 1)  # rows, and sentences that must lie in them
        if missing > gap:
            raise ValueError(
                f"expected a row for each sentence without bounds, got {gap} for numbers {before + 1} to {after - 1}"
            )
        if missing == gap:
            found[left + 1 : right] = np.arange(before + 1, after)
        elif missing or any(0 <= each < len(times) and not isinstance(times[each], list) for each in (before, after)):
            found[left + 1 : right] = UNKNOWN
    return found
