import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempclr.negatives import clip_orders, segment_orders, shuffled_orders


def rows(orders: Tensor) -> list[tuple[int, ...]]:
    return [tuple(order) for order in orders.tolist()]


def blocks(segments: Tensor, order: Tensor) -> list[int]:
    """Segment numbers in the order in which their runs come."""
    return segments[order].unique_consecutive().tolist()


ragged = st.lists(st.integers(1, 3), min_size=2, max_size=5).map(
    lambda sizes: torch.tensor([number for number, size in enumerate(sizes) for _ in range(size)])
)

# known answers


@pytest.mark.parametrize("steps", [2, 3, 4, 5, 6])
def test_asking_for_all_wrong_orders_gives_exactly_those(steps: int, generator: torch.Generator):
    everything = set(itertools.permutations(range(steps))) - {tuple(range(steps))}
    drawn = rows(shuffled_orders(steps, math.factorial(steps) - 1, generator=generator))
    assert len(drawn) == len(everything)
    assert set(drawn) == everything


def test_clips_in_segments_have_a_product_of_orders(generator: torch.Generator):
    segments = torch.tensor([-1, 0, 0, -1, 1, 1, 1])
    assert len(set(rows(clip_orders(segments, 100, generator=generator)))) == 2 * 6 - 1
    assert len(set(rows(segment_orders(segments, 100, within=True, generator=generator)))) == 2 * 6
    assert len(set(rows(segment_orders(segments, 100, generator=generator)))) == 1


# laws


@given(ragged, st.integers(1, 60), st.integers(0, 100))
def test_orders_are_wrong_permutations_and_none_comes_twice_while_enough_exist(segments: Tensor, count: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    sizes = segments.bincount().tolist()
    inside = math.prod(math.factorial(size) for size in sizes)
    moves = math.factorial(len(sizes)) - 1
    kinds = {segment_orders: moves, partial(segment_orders, within=True): moves * inside, clip_orders: inside - 1}
    for draw, wrong in kinds.items():
        if wrong == 0:
            continue
        orders = draw(segments, count, generator=generator)
        assert orders.shape == (count, len(segments))
        assert orders.sort(1).values.eq(torch.arange(len(segments))).all()
        assert tuple(range(len(segments))) not in rows(orders)
        seen = [rows(orders).count(order) for order in set(rows(orders))]
        assert len(seen) == min(count, wrong)
        assert max(seen) - min(seen) <= 1


@given(ragged, st.integers(0, 100))
def test_segments_stay_together_and_in_inner_order(segments: Tensor, seed: int):
    generator = torch.Generator().manual_seed(seed)
    true = segments.unique_consecutive().tolist()
    for order in segment_orders(segments, 10, generator=generator):
        assert blocks(segments, order) != true
        assert sorted(blocks(segments, order)) == true
        for number in true:
            inner = order[segments[order] == number]
            assert inner.equal(inner.sort().values)
    for order in segment_orders(segments, 10, within=True, generator=generator):
        assert sorted(blocks(segments, order)) == true and blocks(segments, order) != true
    if segments.bincount().max() > 1:
        for order in clip_orders(segments, 10, generator=generator):
            assert segments[order].equal(segments)


def test_background_keeps_its_place_between_segments(generator: torch.Generator):
    segments = torch.tensor([-1, 0, -1, -1, 1, -1])
    assert rows(segment_orders(segments, 3, generator=generator)) == [(0, 4, 2, 3, 1, 5)] * 3


def test_every_wrong_order_is_as_likely(generator: torch.Generator):
    draws = [rows(shuffled_orders(3, 2, generator=generator)) for _ in range(1000)]
    counts = [sum(order in draw for draw in draws) for order in itertools.permutations(range(3))][1:]
    # each of 5 orders is in 2 of 5 draws: 400 of 1000, with a standard deviation of 15.5
    assert all(330 < count < 470 for count in counts)


def test_the_same_generator_draws_the_same_orders():
    drawn = [shuffled_orders(6, 10, generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert torch.equal(*drawn)


def test_long_sequences_are_shuffled_without_listing_their_orders(generator: torch.Generator):
    assert len(set(rows(shuffled_orders(200, 500, generator=generator)))) == 500


# refusals


@pytest.mark.parametrize("steps", [0, 1])
def test_a_sequence_too_short_for_a_wrong_order_is_refused(steps: int, generator: torch.Generator):
    with pytest.raises(ValueError, match=f"{steps} segments have no wrong order"):
        shuffled_orders(steps, 1, generator=generator)


def test_segments_of_single_clips_have_nothing_to_shuffle_inside(generator: torch.Generator):
    with pytest.raises(ValueError, match="no segment has two clips"):
        clip_orders(torch.arange(4), 1, generator=generator)


def test_background_alone_has_no_wrong_order(generator: torch.Generator):
    with pytest.raises(ValueError, match="0 segments"):
        segment_orders(torch.tensor([-1, -1]), 1, generator=generator)


def test_a_count_that_is_not_positive_is_refused(generator: torch.Generator):
    with pytest.raises(ValueError, match="count of at least 1, got 0"):
        shuffled_orders(3, 0, generator=generator)
