import math
from collections.abc import Iterator
from functools import partial
from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import tempclr
from tempclr.alignment import alignment_of, dtw, path_of, segment_dtw

sizes = st.tuples(st.integers(1, 3), st.integers(1, 6))
seeds = st.integers(0, 1000)


def random_cost(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def segmentations(n: int, m: int, *, between: bool) -> Iterator[list[tuple[int, int]]]:
    """Every way to choose n segments of m steps, as first step and the step after the last."""
    for bounds in combinations(range(m + n), 2 * n) if between else combinations(range(1, m), n - 1):
        if between:  # shifted by the number of segments before, so that all bounds differ
            yield [(bounds[2 * i] - i, bounds[2 * i + 1] - i) for i in range(n)]
        else:
            yield list(zip((0, *bounds), (*bounds, m), strict=True))


def by_enumeration(cost: Tensor, between: Tensor | None, gamma: float) -> Tensor:
    """The minimum over all segmentations, listed one by one."""
    totals = []
    for segments in segmentations(*cost.shape, between=between is not None):
        total = 0 if between is None else between.sum()
        for row, (start, stop) in zip(cost, segments, strict=True):
            total = total + row[start:stop].sum() - (0 if between is None else between[start:stop].sum())
        totals.append(total)
    if not totals:
        return torch.tensor(torch.inf, dtype=torch.float64)
    stacked = torch.stack(totals)
    return stacked.amin() if gamma == 0 else -gamma * torch.logsumexp(-stacked / gamma, 0)


# known answers


def test_at_zero_cost_it_counts_the_cuts():
    for n, m in ((1, 5), (2, 5), (3, 7), (4, 4)):
        found = segment_dtw(torch.zeros(n, m, dtype=torch.float64), gamma=1.0)
        assert found.neg().exp().item() == pytest.approx(math.comb(m - 1, n - 1))
        found = segment_dtw(torch.zeros(n, m, dtype=torch.float64), between=0.0, gamma=1.0)
        assert found.neg().exp().item() == pytest.approx(math.comb(m + n, 2 * n))


def test_planted_segments_are_found():
    labels = torch.tensor([0, 0, 0, 1, 2, 2])
    cost = 1 - torch.eye(3)[:, labels]
    assert segment_dtw(cost) == 0
    assert path_of(segment_dtw, cost).tolist() == [[0, 0], [0, 1], [0, 2], [1, 3], [2, 4], [2, 5]]
    noisy = torch.cat([cost[:, :3], torch.ones(3, 2), cost[:, 3:], torch.ones(3, 1)], 1)
    assert segment_dtw(noisy, between=0.25) == 0.75
    assert path_of(partial(segment_dtw, between=0.25), noisy)[:, 1].tolist() == [0, 1, 2, 5, 6, 7]


def test_a_segment_is_not_interrupted():
    """The step between two parts of a segment costs its match, unlike in Drop-DTW."""
    cost = torch.tensor([[0.0, 1.0, 0.0]])
    assert tempclr.drop_dtw(cost, drop_y=0.25) == 0.25
    assert segment_dtw(cost, between=0.25) == 0.5


# laws


@given(sizes, seeds, st.sampled_from([0.0, 0.1, 1.0]), st.booleans())
def test_it_is_the_minimum_over_all_segmentations(size: tuple[int, int], seed: int, gamma: float, open_: bool):
    cost, between = random_cost(*size, seed=seed), random_cost(size[1], seed=seed + 1) if open_ else None
    torch.testing.assert_close(segment_dtw(cost, between=between, gamma=gamma), by_enumeration(cost, between, gamma))


@given(sizes, seeds)
def test_it_is_at_least_dtw_and_steps_between_never_raise_it(size: tuple[int, int], seed: int):
    cost = random_cost(*size, seed=seed)
    assert segment_dtw(cost) >= dtw(cost) - 1e-12
    assert segment_dtw(cost, between=0.5) <= segment_dtw(cost) + 1e-12
    torch.testing.assert_close(segment_dtw(cost, between=math.inf), segment_dtw(cost))


@given(sizes, seeds, st.sampled_from([0.0, 0.3]))
def test_the_gradient_is_a_labelling(size: tuple[int, int], seed: int, gamma: float):
    if size[0] > size[1]:
        return
    visits = alignment_of(partial(segment_dtw, gamma=gamma), random_cost(*size, seed=seed))
    torch.testing.assert_close(visits.sum(0), torch.ones(size[1], dtype=torch.float64))  # one step of x each
    assert visits.min() >= 0 and visits.sum(1).min() >= 1 - 1e-9


@pytest.mark.parametrize("between", [None, 0.4])
def test_padding_changes_nothing(between: float | None):
    cost, lengths = random_cost(3, 4, 9), torch.tensor([[4, 9], [2, 5], [1, 1]])
    padded = cost.masked_fill(torch.arange(9) >= lengths[:, 1, None, None], torch.nan)
    found = segment_dtw(padded, lengths, between=between)
    for value, each, (n, m) in zip(found, cost, lengths.tolist(), strict=True):
        torch.testing.assert_close(value, segment_dtw(each[:n, :m], between=between))


@pytest.mark.parametrize("between", [None, 0.4])
def test_derivatives_are_right(between: float | None):
    cost = random_cost(2, 3, 5).requires_grad_()
    function = partial(segment_dtw, between=between, gamma=0.2)
    assert torch.autograd.gradcheck(function, cost)
    assert torch.autograd.gradgradcheck(function, cost)


# refusals


def test_fewer_steps_than_segments_cost_infinity():
    assert segment_dtw(torch.zeros(3, 2)) == torch.inf
    assert segment_dtw(torch.zeros(3, 2), between=0.0) == torch.inf


@pytest.mark.parametrize(
    ("between", "message"),
    [
        (math.nan, "between to be finite or"),
        (torch.zeros(2), r"between \(3,\) for a cost \(2, 3\), got \(2,\)"),
        ("0.1", r"between to be a number, a tensor \(3,\) or a function"),
        (lambda cost, lengths: 0.1, r"between to return a tensor \(\), one per pair, got 0.1"),
        (lambda cost, lengths: cost[0], r"between to return a tensor \(\), one per pair, got \(3,\)"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_invalid_costs_between_are_refused(between: object, message: str):
    with pytest.raises(ValueError, match=message):
        segment_dtw(torch.rand(2, 3), between=between)
