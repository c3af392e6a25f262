"""What is known of each row, judged by all labellings that the order of the sentences allows."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tempclr.data.bounds import Time, row_segments
from tempclr.sequences import BACKGROUND, UNKNOWN


def within(bounds: list[Time], rows: int) -> list[int | None]:
    """The first sentence whose [start, stop] contains the middle of each row of a second, row by row."""
    holds = [
        [k for k, each in enumerate(bounds) if isinstance(each, list) and each[0] <= row + 0.5 < each[1]]
        for row in range(rows)
    ]
    return [each[0] if each else None for each in holds]


def readings(bounds: list[Time], rows: int) -> list[tuple[int, ...]]:
    """Every labelling of rows of a second by sentences in order, or background, that agrees with what is known."""
    first = within(bounds, rows)
    found = []
    for labels in itertools.product(range(BACKGROUND, len(bounds)), repeat=rows):
        shown = [label for label in labels if label >= 0]
        places = [[row for row, label in enumerate(labels) if label == k] for k in range(len(bounds))]
        if shown != sorted(shown) or not all(places):
            continue
        if all(
            own == [row for row in range(rows) if first[row] == k]
            if isinstance(each, list)
            else each is None or math.floor(each) in own
            for k, (each, own) in enumerate(zip(bounds, places, strict=True))
        ):
            found.append(labels)
    return found


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Time], int]:
    """Up to 3 sentences in order of time, each with bounds, a point or neither, and up to 5 rows of a second."""
    rows, n = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    times = sorted(draw(st.lists(st.integers(0, 4 * rows - 1), min_size=n, max_size=n)))  # in quarters of a second
    bounds: list[Time] = []
    for time in times:
        kind = draw(st.sampled_from(["bounds", "point", "nothing", "nothing"]))
        length = draw(st.integers(1, 10))
        bounds.append({"bounds": [time / 4, (time + length) / 4], "point": time / 4, "nothing": None}[kind])
    return bounds, rows


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[int], int]:
    """What each row of a video truly shows, and the number of sentences; every sentence has a run of rows."""
    n = draw(st.integers(1, 5))
    truth = [BACKGROUND] * draw(st.integers(0, 3))
    for k in range(n):
        truth += [k] * draw(st.integers(1, 4)) + [BACKGROUND] * draw(st.integers(0, 3))
    return truth, n


# known answers


@pytest.mark.parametrize(
    ("bounds", "rows", "expected"),
    [
        ([None, None, None], 5, [UNKNOWN] * 5),
        ([None], 3, [UNKNOWN] * 3),
        ([None], 1, [0]),
        ([None, None, None], 3, [0, 1, 2]),  # no choice: one row each
        ([[0, 1], [3, 4]], 5, [0, -1, -1, 1, -1]),  # as always
        ([[0, 1], None, [3, 4]], 5, [0, -2, -2, 2, -1]),
        ([[0, 1], None, [2, 4]], 5, [0, 1, 2, 2, -1]),
        ([[0, 1], 2.5, [4, 5]], 6, [0, -2, 1, -2, 2, -1]),
        ([1.0], 3, [-2, 0, -2]),
        ([1.0, 2.0, 3.0], 5, [-2, 0, 1, 2, -2]),
        ([None, [2, 3]], 4, [-2, -2, 1, -1]),
        ([None, 2.9], 4, [-2, -2, 1, -2]),
    ],
)
def test_what_is_known_of_each_row(bounds: list[Time], rows: int, expected: list[int]):
    assert row_segments(bounds, rows, 1.0).tolist() == expected


def test_a_point_lies_in_one_row_whatever_the_rounding():
    for rows, seconds in ((100, 0.1), (100, 0.3), (1000, 1 / 30)):
        for row in range(rows):
            for point in (row * seconds, (row + 0.5) * seconds, (row + 0.999) * seconds):
                assert np.flatnonzero(row_segments([point], rows, seconds) == 0).tolist() == [row]


# laws


@given(cases())
def test_a_row_is_known_where_all_readings_agree(case: tuple[list[Time], int]):
    bounds, rows = case
    allowed = readings(bounds, rows)
    if not allowed:
        with pytest.raises(ValueError, match="expected"):
            row_segments(bounds, rows, 1.0)
        return
    agreed = [labels[0] if len(set(labels)) == 1 else UNKNOWN for labels in zip(*allowed, strict=True)]
    assert row_segments(bounds, rows, 1.0).tolist() == agreed


@given(labelled(), st.data())
def test_removing_times_never_changes_what_a_row_shows(case: tuple[list[int], int], data: st.DataObject):
    truth, n = case
    runs = [[row for row, label in enumerate(truth) if label == k] for k in range(n)]
    bounds: list[Time] = [[float(run[0]), float(run[-1] + 1)] for run in runs]
    before = row_segments(bounds, len(truth), 1.0)
    assert before.tolist() == truth
    for number in data.draw(st.permutations(range(n))):  # bounds, then a point, then nothing
        for less in (data.draw(st.sampled_from(runs[number])) + 0.5, None):
            bounds[number] = less
            after = row_segments(bounds, len(truth), 1.0)
            changed = after != before
            assert (after[changed] == UNKNOWN).all()
            before = after
    assert set(before) == ({UNKNOWN} if len(truth) > n else set(range(n)))


# refusals


@pytest.mark.parametrize(
    ("bounds", "rows", "message"),
    [
        ([[0, 4], 2.0], 5, "one sentence at 2.0 s, a point of number 1, got number 0 in the same row; move the point"),
        ([2.1, 2.9], 5, "a point of number 1, got number 0 in the same row"),
        ([None, None], 1, "a row for each sentence without bounds, got 1 for numbers 0 to 1"),
        ([[0, 2], None, [1, 4]], 5, "got 0 for numbers 1 to 1"),
        ([[0, 2], [1.6, 2.4], None], 5, "at least one row for every sentence, got none for number 1"),
        ([[1.6, 4], 1.8], 5, "rows in the order of their sentences"),  # the point's row comes before the others
    ],
)
def test_times_that_contradict_the_order_are_refused(bounds: list[Time], rows: int, message: str):
    with pytest.raises(ValueError, match=message):
        row_segments(bounds, rows, 1.0)
