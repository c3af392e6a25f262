import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata, ttest_1samp
from torch import Tensor

from tempclr.metrics import bootstrap, hits, median_rank, paired_interval, ranks, recall_at, student

tied_scores = st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(0, 1000)).map(
    lambda drawn: torch.randint(
        0, 3, (drawn[0], drawn[0] + drawn[1]), generator=torch.Generator().manual_seed(drawn[2])
    ).double()
)

# known answers


def test_the_best_item_has_rank_zero():
    scores = torch.tensor([[0.9, 0.1, 0.5], [0.9, 0.8, 0.7]])
    assert ranks(scores).tolist() == [0, 1]
    assert recall_at(scores, 1) == 0.5
    assert median_rank(scores) == 1.5


@pytest.mark.parametrize("k", [1, 3, 8])
def test_equal_scores_have_a_recall_of_k_over_n(k: int):
    assert recall_at(torch.zeros(8, 8), k) == pytest.approx(k / 8)


def test_equal_values_have_an_interval_of_width_0(generator: torch.Generator):
    found = bootstrap(torch.full((3, 10), 0.25), generator=generator)
    assert (found.mean, found.low, found.high, found.n) == (0.25, 0.25, 0.25, 10)


# laws


@given(tied_scores)
def test_ranks_equal_those_of_scipy(scores: Tensor):
    names = {"optimistic": "min", "expected": "average", "pessimistic": "max"}
    for ours, theirs in names.items():
        wanted = [rankdata(-row, method=theirs)[index] - 1 for index, row in enumerate(scores.numpy())]
        assert ranks(scores, ties=ours).tolist() == wanted


@given(tied_scores, st.integers(1, 4))
def test_expected_hits_equal_the_mean_over_all_ways_to_break_ties(scores: Tensor, k: int):
    for index, row in enumerate(scores.tolist()):
        rivals = [value for place, value in enumerate(row) if place != index]
        higher = sum(value > row[index] for value in rivals)
        tied = sum(value == row[index] for value in rivals)
        ways = list(itertools.permutations(range(tied + 1)))  # position of the positive among the tied
        wanted = sum(higher + way[0] < k for way in ways) / len(ways)
        assert hits(scores, k)[index].item() == pytest.approx(wanted)


@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_students_interval_equals_that_of_scipy(level: float, generator: torch.Generator):
    values = torch.randn(5, 7, generator=generator, dtype=torch.float64)
    found = student(values, level=level)
    expected = ttest_1samp(values.mean(1).numpy(), 0).confidence_interval(level)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert found.n == 5 and found.mean == pytest.approx(values.mean().item())


def test_the_coverage_with_few_seeds_is_as_stated(generator: torch.Generator):
    """If runs differ more than units, the bootstrap alone covers the mean far too rarely."""
    alone = both = 0
    for _ in range(400):
        runs = 0.05 * torch.randn(3, 1, generator=generator, dtype=torch.float64)
        values = runs + 0.05 * torch.randn(3, 20, generator=generator, dtype=torch.float64)
        seed = int(torch.randint(10**6, (), generator=generator))
        drawn = bootstrap(values, generator=torch.Generator().manual_seed(seed), draws=300)
        covering = paired_interval(values, generator=torch.Generator().manual_seed(seed), draws=300)
        alone, both = alone + (drawn.low <= 0 <= drawn.high), both + (covering.low <= 0 <= covering.high)
    assert alone < 360 < 372 < both  # of 400; 95 % is 380, with a standard deviation of 4.4


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_a_paired_interval_covers_that_over_seeds_and_that_over_units(level: float, generator: torch.Generator):
    for scale in (0.01, 1.0):  # seeds nearly alike, and far apart
        values = torch.randn(1, 50, generator=generator) + scale * torch.randn(4, 1, generator=generator)
        found = paired_interval(values, generator=torch.Generator().manual_seed(1), level=level)
        parts = (
            bootstrap(values, generator=torch.Generator().manual_seed(1), level=level),
            student(values, level=level),
        )
        assert found.low == min(each.low for each in parts) and found.high == max(each.high for each in parts)
    one = values[:1]
    assert paired_interval(one, generator=torch.Generator().manual_seed(1)) == bootstrap(
        one, generator=torch.Generator().manual_seed(1)
    )


@given(tied_scores, st.integers(1, 4))
def test_expected_hits_lie_between_the_other_policies(scores: Tensor, k: int):
    low, middle, high = (hits(scores, k, ties=ties) for ties in ("pessimistic", "expected", "optimistic"))
    assert (low <= middle).all() and (middle <= high).all()


def test_the_interval_of_a_mean_agrees_with_the_normal_approximation(generator: torch.Generator):
    values = torch.randn(1, 400, generator=generator)
    found = bootstrap(values, generator=generator)
    half = 1.96 * values.std().item() / math.sqrt(400)
    # 10,000 draws leave about 2 % noise in a quantile
    assert found.high - found.mean == pytest.approx(half, rel=0.1)
    assert found.mean - found.low == pytest.approx(half, rel=0.1)
    assert found.mean == pytest.approx(values.mean().item())


def test_differences_between_seeds_widen_the_interval(generator: torch.Generator):
    units = torch.randn(1, 100, generator=generator)
    alike, apart = units.repeat(3, 1), units + torch.tensor([[-1.0], [0.0], [1.0]])
    widths = [found.high - found.low for found in (bootstrap(v, generator=generator) for v in (alike, apart))]
    assert widths[1] > 2 * widths[0]


# refusals


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_finite_are_refused(bad: float):
    with pytest.raises(ValueError, match="finite scores, got 1 that are not"):
        recall_at(torch.tensor([[bad, 0.0], [1.0, 2.0]]), 1)
    with pytest.raises(ValueError, match="finite values"):
        bootstrap(torch.tensor([[bad]]), generator=torch.Generator())


def test_fewer_items_than_queries_are_refused():
    with pytest.raises(ValueError, match="an item for every query"):
        ranks(torch.zeros(3, 2))


def test_a_k_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="k of at least 1"):
        hits(torch.zeros(2, 2), 0)


def test_students_interval_needs_two_seeds():
    with pytest.raises(ValueError, match="at least 2 seeds, got shape"):
        student(torch.ones(1, 3))
    with pytest.raises(ValueError, match="level between 0 and 1, got 1"):
        student(torch.ones(2, 3), level=1.0)


def test_a_level_out_of_range_is_refused():
    with pytest.raises(ValueError, match="level between 0 and 1"):
        bootstrap(torch.zeros(1, 1), generator=torch.Generator(), level=1.0)
