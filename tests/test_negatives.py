import itertools
import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from tempclr import negatives
from tempclr.negatives import (
    Orders,
    contents_of,
    even_segments,
    mixture,
    move_blocks,
    move_one,
    permute_both,
    permute_clips,
    permute_segments,
    reverse,
    shuffled_orders,
    swap_neighbours,
    wrong_orders,
)

MIXED = mixture((permute_both, 0.4), (permute_clips, 0.3), (reverse, 0.1), (swap_neighbours, 0.1), (move_blocks, 0.1))
SHUFFLES = {
    "segments": permute_segments,
    "clips": permute_clips,
    "both": permute_both,
    "reversed": reverse,
    "swaps": swap_neighbours,
    "moved": move_one,
    "two swaps": partial(swap_neighbours, swaps=2),
    "blocks": move_blocks,
    "mixture": MIXED,
}
ALL = 400  # more orders than any of the small sequences here has


def rows(orders: Tensor) -> list[tuple[int, ...]]:
    return [tuple(order) for order in orders.tolist()]


def runs(segments: list[int]) -> list[list[int]]:
    """Steps of each run of equal numbers."""
    return [[i for i, _ in run] for _, run in itertools.groupby(enumerate(segments), key=lambda each: each[1])]


def arranged(segments: list[int], order: tuple[int, ...], *, inside: bool) -> set[tuple[int, ...]]:
    """All orders of steps with the moving runs in the given order; steps inside them are shuffled if `inside`."""
    all_runs = runs(segments)
    free = [k for k, run in enumerate(all_runs) if segments[run[0]] >= 0]
    at = dict(zip(free, (free[k] for k in order), strict=True))
    blocks = []
    for k, _ in enumerate(all_runs):
        block = all_runs[at.get(k, k)]
        blocks.append(list(itertools.permutations(block)) if inside and k in at else [tuple(block)])
    return {tuple(itertools.chain(*each)) for each in itertools.product(*blocks)}


def expected(name: str, segments: list[int]) -> set[tuple[int, ...]]:
    """Every wrong order of a kind, by brute force."""
    described = sum(segments[run[0]] >= 0 for run in runs(segments))
    true = tuple(range(described))
    moves = set(itertools.permutations(true)) - {true}
    one_swap = {(*true[:i], i + 1, i, *true[i + 2 :]) for i in range(described - 1)}
    if name == "clips":
        return arranged(segments, true, inside=True) - {tuple(range(len(segments)))}
    if name == "reversed":
        mirrored = [run[::-1] if segments[run[0]] >= 0 else run for run in runs(segments)]
        free = [k for k, run in enumerate(mirrored) if segments[run[0]] >= 0]
        at = dict(zip(free, reversed(free), strict=True))
        order = tuple(itertools.chain(*(mirrored[at.get(k, k)] for k in range(len(mirrored)))))
        return {order} - {tuple(range(len(segments)))}
    if name == "swaps":
        moves = one_swap
    if name == "blocks":
        moves = {
            (*true[:a], *true[b:c], *true[a:b], *true[c:])
            for a, b, c in itertools.combinations(range(described + 1), 3)
        }
    return set().union(*(arranged(segments, order, inside=name == "both") for order in moves)) if moves else set()


ragged = st.lists(
    st.lists(st.tuples(st.integers(1, 2), st.booleans()), min_size=1, max_size=4).map(
        lambda parts: [k if seen else -1 for k, (size, seen) in enumerate(parts) for _ in range(size)]
    ),
    min_size=1,
    max_size=3,
)


def padded(sequences: list[list[int]], value: int = -1) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.tensor(each) for each in sequences], True, value)


# known answers


@given(ragged, st.sampled_from(["segments", "clips", "both", "reversed", "swaps", "blocks"]), st.integers(0, 100))
def test_asking_for_more_orders_than_exist_gives_exactly_those(segments: list[list[int]], name: str, seed: int):
    generator = torch.Generator().manual_seed(seed)
    found = wrong_orders(padded(segments), ALL, SHUFFLES[name], generator=generator)
    for index, own in enumerate(segments):
        drawn = rows(found[index][:, : len(own)])
        assert len(set(drawn)) == len(drawn)
        assert set(drawn) == expected(name, own)


@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_all_orders_but_the_true_one_are_wrong(steps: int, generator: torch.Generator):
    everything = set(itertools.permutations(range(steps))) - {tuple(range(steps))}
    assert set(rows(shuffled_orders(steps, math.factorial(steps) - 1, generator=generator))) == everything


def test_equal_captions_make_equal_orders(generator: torch.Generator):
    """The captions A B A have three orders, one of which is true."""
    segments, captions = torch.tensor([[0, 1, 1, 2]]), torch.tensor([[7, 8, 8, 7]])
    found = wrong_orders(segments, ALL, captions=captions, generator=generator)[0]
    heard = [tuple(int(captions[0, step]) for step, _ in itertools.groupby(order)) for order in found.tolist()]
    assert len(found) == 2
    assert {tuple(dict.fromkeys(each)) for each in heard} == {(7, 8), (8, 7)}
    assert len(wrong_orders(segments, ALL, captions=torch.zeros_like(captions), generator=generator)[0]) == 0


def test_exchanging_equal_captions_is_not_wrong_even_if_sizes_differ(generator: torch.Generator):
    segments, captions = torch.tensor([[0, 0, 1, 2]]), torch.tensor([[5, 5, 6, 5]])
    found = rows(wrong_orders(segments, ALL, captions=captions, generator=generator)[0])
    assert (3, 2, 0, 1) not in found  # A B A again, though by other clips
    assert len(found) == 2


def test_equal_clips_make_equal_orders(generator: torch.Generator):
    clips = torch.tensor([[[1.0], [2.0], [1.0], [3.0]]])
    segments = torch.tensor([[0, 0, 0, 1]])
    found = wrong_orders(segments, ALL, permute_clips, contents=contents_of(clips), generator=generator)[0]
    assert {tuple(each) for each in clips[0, found, 0].tolist()} == {(1, 1, 2, 3), (2, 1, 1, 3)}
    still = wrong_orders(segments, ALL, permute_both, contents=torch.zeros(1, 4).long(), generator=generator)
    assert not still.found.any()


def test_steps_have_equal_contents_exactly_if_they_are_equal():
    clips = torch.randint(0, 2, (2, 9, 3, 1), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    for values in (clips, clips.float(), clips.half(), clips.double() - 1):
        contents = contents_of(values)
        same = (values.flatten(0, 1)[:, None] == values.flatten(0, 1)).flatten(2).all(2)
        assert torch.equal(contents.flatten()[:, None] == contents.flatten(), same)


def test_segments_of_a_chosen_number_of_clips():
    assert even_segments(torch.tensor([7, 3]), 7, 3).tolist() == [[0, 0, 0, 1, 1, 1, 2], [0, 0, 0, -1, -1, -1, -1]]


# laws


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.sampled_from(sorted(SHUFFLES)),
    st.integers(1, 20),
    st.integers(0, 2),
    st.integers(0, 100),
)
def test_orders_are_wrong_distinct_and_leave_background_and_padding(
    lengths: list[int], name: str, count: int, kinds: int, seed: int
):
    generator = torch.Generator().manual_seed(seed)
    segments = [(torch.randint(-1, 3, (length,), generator=generator)).tolist() for length in lengths]
    numbers = padded([torch.randint(0, 3, (length,), generator=generator).tolist() for length in lengths])
    contents = numbers if kinds else None
    captions = padded([[value % 2 for value in each] for each in segments]) if kinds == 2 else None
    found = wrong_orders(
        padded(segments), count, SHUFFLES[name], captions=captions, contents=contents, generator=generator
    )
    steps = torch.arange(max(lengths))
    assert found.values.sort(2).values.eq(steps).all()
    assert found.values[~found.found].eq(steps).all()
    assert (found.found.byte().diff(dim=1) != 1).all()  # those that were found come first
    for index, length in enumerate(lengths):
        orders = found[index]
        assert orders[:, length:].eq(steps[length:]).all()
        background = [run for run in runs(segments[index]) if segments[index][run[0]] < 0]
        for order in orders.tolist():
            for run in background:
                assert order[order.index(run[0]) : order.index(run[0]) + len(run)] == run
        shown = orders if contents is None else contents[index][orders]
        true = (steps if contents is None else contents[index]).tolist()
        assert len(set(rows(shown))) == len(shown)
        assert tuple(true) not in rows(shown)


def test_every_order_is_equally_likely(generator: torch.Generator):
    found = wrong_orders(torch.arange(3).expand(1000, -1), 2, generator=generator)
    counts = [sum(order in draw for draw in map(rows, found.values)) for order in itertools.permutations(range(3))][1:]
    # each of 5 orders is in 2 of 5 draws: 400 of 1000, with a standard deviation of 15.5
    assert all(330 < count < 470 for count in counts)


def test_a_mixture_proposes_each_kind_with_its_probability(generator: torch.Generator):
    hard = mixture((permute_segments, 0.75), (swap_neighbours, 0.25))
    found = wrong_orders(torch.arange(30).expand(2000, -1), 1, hard, generator=generator)
    swapped = (found.values[:, 0] != torch.arange(30)).sum(1) == 2
    # of 2000 draws a quarter, with a standard deviation of 19
    assert 400 < swapped.sum() < 600


@pytest.mark.parametrize(("within", "least", "most"), [(0.0, 0, 0), (0.25, 170, 330), (1.0, 990, 1000)])
def test_both_granularities_are_mixed_with_the_given_probability(
    within: float, least: int, most: int, generator: torch.Generator
):
    segments = torch.arange(5).repeat_interleave(5).expand(1000, -1)
    found = wrong_orders(segments, 1, partial(permute_both, within=within), generator=generator)
    inner = segments.gather(1, found.values[:, 0]) * 25 + found.values[:, 0]  # grows inside a run in true order
    same = segments.gather(1, found.values[:, 0]).diff(dim=1) == 0
    shuffled = ((inner.diff(dim=1) < 0) & same).any(1).sum()
    assert least <= shuffled <= most


def test_a_batch_draws_from_the_same_orders_as_each_sequence_alone(generator: torch.Generator):
    """Compare probabilities: padding does not change how likely each order of three steps is."""
    segments = padded([[0, 1, 2], [0, 1, 2, 3, 4, 5, 6]]).repeat(500, 1)
    drawn = wrong_orders(segments, 1, generator=generator).values[::2, 0, :3]
    counts = [rows(drawn).count(order) for order in itertools.permutations(range(3))][1:]
    # 500 draws of 5 orders: 100 each, with a standard deviation of 9
    assert all(60 < count < 140 for count in counts)


@pytest.mark.parametrize("name", sorted(SHUFFLES))
def test_the_same_generator_draws_the_same_orders(name: str):
    segments = torch.tensor([[0, 0, 1, 1, 2], [0, 1, -1, 2, -1]])
    drawn: list[Orders] = [
        wrong_orders(segments, 6, SHUFFLES[name], generator=torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert torch.equal(drawn[0].values, drawn[1].values)
    assert torch.equal(drawn[0].found, drawn[1].found)


def test_long_sequences_are_shuffled_without_enumerating_orders(generator: torch.Generator):
    assert len(set(rows(shuffled_orders(200, 500, generator=generator)))) == 500


def test_sequences_too_short_are_marked(generator: torch.Generator):
    segments = torch.tensor([[0, 0, -1], [-1, -1, -1], [0, 1, -1], [-1, 4, -1]])
    assert wrong_orders(segments, 3, generator=generator).found.any(1).tolist() == [False, False, True, False]
    assert wrong_orders(segments, 3, permute_clips, generator=generator).found.sum(1).tolist() == [1, 0, 0, 0]


def test_every_name_in_the_docstring_exists():
    named = {line.split()[0] for line in negatives.__doc__.splitlines() if line.startswith("    ")}
    assert named <= set(vars(negatives))


# refusals


@pytest.mark.parametrize("steps", [0, 1])
def test_a_sequence_too_short_for_a_wrong_order_is_refused(steps: int, generator: torch.Generator):
    with pytest.raises(ValueError, match=f"at least 2 steps, got {steps}"):
        shuffled_orders(steps, 1, generator=generator)


def test_a_count_that_is_not_positive_is_refused(generator: torch.Generator):
    with pytest.raises(ValueError, match="count of at least 1, got 0"):
        shuffled_orders(3, 0, generator=generator)


@pytest.mark.usefixtures("unchecked_shapes")
def test_shapes_that_do_not_fit_are_refused(generator: torch.Generator):
    with pytest.raises(ValueError, match=r"expected segments \[batch, steps\]"):
        wrong_orders(torch.arange(3), 1, generator=generator)
    with pytest.raises(ValueError, match="captions and contents of that shape"):
        wrong_orders(torch.zeros(2, 3).long(), 1, captions=torch.zeros(2, 4).long(), generator=generator)


def test_hashes_of_captions_and_steps_are_not_confused():
    shuffle = mixture((permute_segments, 0.5), (reverse, 0.5))
    for seed in range(20):
        generator = torch.Generator().manual_seed(seed)
        for captions in ([0, 1, 2], [0, 2, 1]):
            orders = wrong_orders(
                torch.arange(3)[None], 10, shuffle, captions=torch.tensor([captions]), generator=generator
            )
            assert orders.found.sum() == 5


@pytest.mark.parametrize("common", [negatives.permute_clips, negatives.reverse])
def test_the_rare_part_of_a_mixture_is_found_once_the_other_is_exhausted(
    common: negatives.Shuffle, generator: torch.Generator
):
    shuffle = negatives.mixture((common, 0.9), (negatives.permute_segments, 0.1))
    for _ in range(50):
        assert len(wrong_orders(torch.arange(6)[None], 4, shuffle, generator=generator)[0]) == 4


@pytest.mark.parametrize("segments", [torch.empty(0, 4, dtype=torch.int64), torch.empty(2, 0, dtype=torch.int64)])
def test_empty_batches_are_refused(segments: Tensor, generator: torch.Generator):
    with pytest.raises(ValueError, match="at least one step"):
        wrong_orders(segments, 3, generator=generator)


def test_shuffles_out_of_range_are_refused(generator: torch.Generator):
    segments = torch.arange(3)[None]
    with pytest.raises(ValueError, match=r"within from 0 to 1, got 1\.5"):
        wrong_orders(segments, 1, partial(permute_both, within=1.5), generator=generator)
    with pytest.raises(ValueError, match="at least 1 swap, got 0"):
        wrong_orders(segments, 1, partial(swap_neighbours, swaps=0), generator=generator)
    with pytest.raises(ValueError, match=r"sum to 1, got \[0.5\]"):
        mixture((reverse, 0.5))
    with pytest.raises(ValueError, match="sum to 1"):
        mixture()
    with pytest.raises(ValueError, match="at least 1 step, got 0"):
        even_segments(torch.tensor([2]), 2, 0)
