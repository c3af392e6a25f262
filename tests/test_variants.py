import importlib
import math
from collections.abc import Callable
from functools import partial
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import tempclr
from tempclr.alignment._kernels import diagonals, enumeration, reference
from tempclr.alignment._kernels.band import band_mask
from tempclr.alignment._kernels.recursion import Recursion

VARIANTS: dict[str, Callable[..., Tensor]] = {
    "soft_dtw": partial(tempclr.soft_dtw, gamma=0.2),
    "soft_dtw in a band": partial(tempclr.soft_dtw, gamma=0.2, band=1.0),
    "smooth_dtw": partial(tempclr.alignment.smooth_dtw, gamma=0.2),
    "subsequence_dtw": partial(tempclr.alignment.subsequence_dtw, gamma=0.2),
    "otam": partial(tempclr.otam, gamma=0.2),
    "drop_dtw of x": partial(tempclr.drop_dtw, drop_x=0.4, gamma=0.2),
    "drop_dtw of y": partial(tempclr.drop_dtw, drop_y=0.4, gamma=0.2),
    "drop_dtw of both": partial(tempclr.drop_dtw, drop_x=0.4, drop_y=0.3, gamma=0.2),
}
EACH = pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
AXES = st.sampled_from(["", "x", "y", "xy"])
sizes = st.tuples(st.integers(1, 4), st.integers(1, 4))
seeds = st.integers(0, 1000)
recursions = st.one_of(
    st.builds(
        Recursion,
        gamma=st.sampled_from([0.0, 1e-3, 0.3, 100.0]),
        begin=AXES,
        end=AXES,
        skip=st.sampled_from([0.0, -0.2, 0.7]),
        up=st.sampled_from(["always", "first", "never"]),
    ),
    st.builds(
        Recursion, gamma=st.sampled_from([0.05, 1.0]), smooth=st.just(True), begin=AXES, end=AXES, drops=st.just("")
    ),
    st.builds(Recursion, gamma=st.sampled_from([0.0, 1e-3, 0.3, 100.0]), drops=AXES | st.just("between")),
)


def random_cost(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def emissions(recursion: Recursion, n: int, m: int, seed: int, pairs: int = 2) -> Tensor:
    """Costs of every state; some matches are forbidden."""
    cost = random_cost(pairs, recursion.states, n, m, seed=seed)
    cost[:, 0][random_cost(pairs, n, m, seed=seed + 1) < 0.1] = torch.inf
    return cost


def derivatives(function: Callable[[Tensor], Tensor], cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Values, gradient, and second derivative through a nonlinear loss of those that are finite."""
    cost = cost.clone().requires_grad_()
    value = function(cost)
    loss = torch.where(value.isfinite(), value, 0).square().sum()
    first = second = torch.zeros_like(cost)
    if loss.requires_grad:  # where no pair has a path the reference's is a constant
        (first,) = torch.autograd.grad(loss, cost, create_graph=True, materialize_grads=True)
    if first.requires_grad:
        weight = random_cost(*cost.shape, seed=7)
        (second,) = torch.autograd.grad((first * weight).sum(), cost, materialize_grads=True)
    return value.detach(), first.detach(), second


def otam_as_printed(cost: Tensor, gamma: float) -> Tensor:
    """The recurrence of OTAM on the matrix with a column of zeros on either side."""
    n, m = cost.shape
    padded = torch.nn.functional.pad(cost, (1, 1))
    table = {(i, 0): cost.new_zeros(()) for i in range(n)}
    for j in range(1, m + 2):
        table[0, j] = table[0, j - 1] + padded[0, j]
    for i in range(1, n):
        for j in range(1, m + 2):
            moves = [table[i - 1, j - 1], table[i, j - 1]]
            if j in (1, m + 1):
                moves.append(table[i - 1, j])
            moves = torch.stack(moves)
            least = moves.amin() if gamma == 0 else -gamma * torch.logsumexp(-moves / gamma, 0)
            table[i, j] = padded[i, j] + least
    return table[n - 1, m + 1]


def drops_of(steps: int, allowed: bool) -> list[list[int]]:
    """Every set of steps that may be kept."""
    if not allowed:
        return [list(range(steps))]
    return [list(kept) for count in range(steps + 1) for kept in combinations(range(steps), count)]


def drop_dtw_by_enumeration(cost: Tensor, drop_x: Tensor | None, drop_y: Tensor | None, gamma: float) -> Tensor:
    """Drop-DTW from every set of dropped steps and every path through the rest."""
    n, m = cost.shape
    totals = []
    for x in drops_of(n, drop_x is not None):
        for y in drops_of(m, drop_y is not None):
            price = 0 if drop_x is None else drop_x.sum() - drop_x[x].sum()
            price = price if drop_y is None else price + drop_y.sum() - drop_y[y].sum()
            if not x and not y:
                totals.append(price)
            if x and y:
                kept = cost[x][:, y]
                for _, cells in enumeration.alignments(*kept.shape, Recursion()):
                    totals.append(price + sum(kept[i, j] for _, i, j in cells))
    totals = torch.stack(totals)
    return totals.amin() if gamma == 0 else -gamma * torch.logsumexp(-totals / gamma, 0)


# known answers


def test_the_subsequence_is_found_where_it_was_planted():
    y = torch.eye(12)[[3, 7, 1, 5, 5, 9, 2, 0]]
    cost = tempclr.cosine_cost(torch.eye(12)[[5, 9, 2]], y)
    assert tempclr.alignment.subsequence_dtw(cost) == 0
    # the step seen twice is met at its second occurrence: of matches at the same cost the shortest is taken
    assert tempclr.path_of(tempclr.alignment.subsequence_dtw, cost).tolist() == [[0, 4], [1, 5], [2, 6]]


def test_steps_that_fit_nowhere_are_dropped():
    cost = 1 - torch.eye(6)[[0, 1, 2]] @ torch.eye(6)[[4, 0, 5, 1, 4, 2]].T
    assert tempclr.drop_dtw(cost, drop_y=0.1).item() == pytest.approx(0.3)
    assert tempclr.path_of(partial(tempclr.drop_dtw, drop_y=0.1), cost).tolist() == [[0, 1], [1, 3], [2, 5]]


def test_free_drops_drop_every_step_that_costs():
    cost = torch.rand(4, 5) + 0.1
    assert tempclr.drop_dtw(cost, drop_x=0.0, drop_y=0.0) == 0
    assert tempclr.alignment_of(partial(tempclr.drop_dtw, drop_x=0.0, drop_y=0.0), cost).sum() == 0


def test_the_divergence_of_a_sequence_from_itself_is_zero_where_soft_dtw_is_negative():
    x = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    cost = tempclr.squared_cost(x, x)
    assert (tempclr.soft_dtw(cost, gamma=1.0) < 0).all()
    assert torch.equal(tempclr.alignment.soft_dtw_divergence(cost, cost, cost, gamma=1.0), torch.zeros(2))


# laws


@pytest.mark.parametrize("kernel", ["diagonals", "cpu.operator"])
@given(sizes, seeds, recursions)
def test_every_recursion_equals_the_reference_with_its_derivatives(
    kernel: str, size: tuple[int, int], seed: int, recursion: Recursion
):
    compute = importlib.import_module(f"tempclr.alignment._kernels.{kernel}").alignment_cost
    cost = emissions(recursion, *size, seed)
    lengths = torch.tensor(size).expand(2, 2)
    ours = derivatives(lambda each: compute(each, lengths, recursion), cost)
    slow = derivatives(lambda each: torch.stack([reference.alignment_cost(pair, recursion) for pair in each]), cost)
    slack = 1e-8 * max(1, 1 / recursion.gamma if recursion.gamma else 1)  # of second derivatives, which grow so
    for fast, judge in zip(ours, slow, strict=True):
        torch.testing.assert_close(fast, judge, rtol=1e-6, atol=slack)


@given(sizes, seeds, recursions.filter(lambda recursion: not recursion.smooth))
def test_the_reference_equals_the_enumeration_of_all_alignments(size: tuple[int, int], seed: int, recursion: Recursion):
    if recursion.drops == "xy" or recursion.begin + recursion.end == "xyxy":
        size = (min(size[0], 3), min(size[1], 3))
    cost = emissions(recursion, *size, seed, pairs=1)[0]
    totals = [sum((cost[cell] for cell in cells), price) for price, cells in enumeration.alignments(*size, recursion)]
    totals = torch.stack(totals) if totals else torch.tensor([torch.inf], dtype=torch.float64)
    if recursion.gamma == 0 or totals.isinf().all():
        expected = totals.amin()
    else:
        expected = -recursion.gamma * torch.logsumexp(-totals / recursion.gamma, 0)
    torch.testing.assert_close(reference.alignment_cost(cost, recursion), expected)


@given(st.tuples(st.integers(1, 5), st.integers(1, 5)), seeds, st.sampled_from([0.0, 0.1, 1.0]))
def test_otam_equals_the_recurrence_as_printed(size: tuple[int, int], seed: int, gamma: float):
    cost = random_cost(*size, seed=seed)
    torch.testing.assert_close(tempclr.otam(cost, gamma=gamma), otam_as_printed(cost, gamma))


def test_a_percentile_is_that_of_numpy_over_the_finite_costs_of_a_pair():
    for seed in range(20):
        cost, share = random_cost(2, 3, 4, 5, seed=seed), random_cost(1, seed=seed).item()
        cost[random_cost(2, 3, 4, 5, seed=seed + 1) < 0.2] = torch.inf
        lengths = torch.stack([1 + (random_cost(2, 3, seed=seed + most) * most).long() for most in (4, 5)], -1)
        found = tempclr.alignment.percentile(cost, lengths, share=share)
        for at in np.ndindex(2, 3):
            n, m = lengths[at].tolist()
            values = cost[at][:n, :m].flatten()
            values = values[values.isfinite()].numpy()
            expected = np.quantile(values, share) if len(values) else math.inf
            assert found[at].item() == pytest.approx(expected)


@pytest.mark.parametrize("gamma", [0.0, 0.3])
def test_a_function_gives_the_drop_cost_of_each_pair(gamma: float):
    cost, lengths = random_cost(3, 4, 6), torch.tensor([[4, 6], [2, 5], [3, 1]])
    threshold = tempclr.alignment.percentile(cost, lengths, share=0.3)
    by_function = partial(tempclr.drop_dtw, drop_y=partial(tempclr.alignment.percentile, share=0.3), gamma=gamma)
    by_steps = partial(tempclr.drop_dtw, drop_y=threshold[:, None].expand(3, 6), gamma=gamma)
    torch.testing.assert_close(by_function(cost, lengths), by_steps(cost, lengths))
    visits = [tempclr.alignment_of(each, cost, lengths) for each in (by_function, by_steps)]
    torch.testing.assert_close(*visits)  # no gradient passes through the threshold


def test_a_learnt_drop_cost_has_the_gradient_of_finite_differences():
    cost, learnt, step = random_cost(2, 3, 5), tempclr.alignment.LearntDropCost(0.4).double(), 1e-5
    tempclr.drop_dtw(cost, drop_y=learnt, gamma=0.2).sum().backward()
    up, down = (tempclr.drop_dtw(cost, drop_y=0.4 * math.exp(by), gamma=0.2).sum() for by in (step, -step))
    assert learnt.logarithm.grad.item() == pytest.approx(((up - down) / (2 * step)).item(), rel=1e-4)


@given(st.tuples(st.integers(1, 3), st.integers(1, 4)), seeds, st.sampled_from([0.0, 0.1, 1.0]), AXES.filter(bool))
def test_drop_dtw_equals_the_enumeration_of_drops_and_paths(size: tuple[int, int], seed: int, gamma: float, sides: str):
    cost = random_cost(*size, seed=seed)
    drop_x = random_cost(size[0], seed=seed + 1) if "x" in sides else None
    drop_y = random_cost(size[1], seed=seed + 2) if "y" in sides else None
    torch.testing.assert_close(
        tempclr.drop_dtw(cost, drop_x=drop_x, drop_y=drop_y, gamma=gamma),
        drop_dtw_by_enumeration(cost, drop_x, drop_y, gamma),
    )


@given(sizes, seeds, st.sampled_from([0.0, 0.1, 1.0]))
def test_the_subsequence_is_the_minimum_over_all_stretches(size: tuple[int, int], seed: int, gamma: float):
    cost = random_cost(*size, seed=seed)
    stretches = [cost[:, a:b] for a in range(size[1]) for b in range(a + 1, size[1] + 1)]
    if gamma == 0:
        expected = torch.stack([tempclr.dtw(each) for each in stretches]).amin()
    else:
        each = torch.stack([tempclr.soft_dtw(each, gamma=gamma) for each in stretches])
        expected = -gamma * torch.logsumexp(-each / gamma, 0)
    torch.testing.assert_close(tempclr.alignment.subsequence_dtw(cost, gamma=gamma), expected)


@given(sizes, seeds)
def test_expensive_drops_leave_dtw(size: tuple[int, int], seed: int):
    cost = random_cost(*size, seed=seed)
    torch.testing.assert_close(tempclr.drop_dtw(cost, drop_x=torch.inf, drop_y=math.inf), tempclr.dtw(cost))


@given(sizes, seeds, st.sampled_from([1e-3, 0.1, 10.0]))
def test_smooth_dtw_is_never_below_dtw_and_tends_to_it(size: tuple[int, int], seed: int, gamma: float):
    cost = random_cost(*size, seed=seed)
    hard = tempclr.dtw(cost)
    assert tempclr.alignment.smooth_dtw(cost, gamma=gamma) >= hard - 1e-9
    torch.testing.assert_close(tempclr.alignment.smooth_dtw(cost, gamma=1e-5), hard, atol=1e-4, rtol=0)


@given(sizes, seeds, st.sampled_from(list(VARIANTS)))
def test_visits_of_a_soft_alignment_are_probabilities(size: tuple[int, int], seed: int, name: str):
    if name == "smooth_dtw":  # whose derivative is none
        return
    visits = tempclr.alignment_of(VARIANTS[name], random_cost(*size, seed=seed))
    assert visits.min() >= 0 and visits.max() <= 1 + 1e-9
    if not name.startswith(("otam", "drop")):
        assert visits.sum(1).min() >= 1 - 1e-9  # every step of x is matched
    if name == "otam":
        assert visits.sum(0).min() >= 1 - 1e-9  # every step of y is


@given(st.tuples(st.integers(1, 3), st.integers(1, 3)), seeds, st.sampled_from(["x", "y", "xy"]))
def test_every_step_is_matched_or_dropped(size: tuple[int, int], seed: int, sides: str):
    cost = random_cost(*size, seed=seed)
    x, y = (torch.full((steps,), 0.4, dtype=torch.float64, requires_grad=True) for steps in size)
    value = tempclr.drop_dtw(cost, drop_x=x if "x" in sides else None, drop_y=y if "y" in sides else None, gamma=0.3)
    for drops, axis, side in ((x, 1, "x"), (y, 0, "y")):
        if side in sides:
            function = partial(
                tempclr.drop_dtw,
                drop_x=x.detach() if "x" in sides else None,
                drop_y=y.detach() if "y" in sides else None,
                gamma=0.3,
            )
            (dropped,) = torch.autograd.grad(value, drops, retain_graph=True)
            matched = tempclr.alignment_of(function, cost).sum(axis)
            assert (dropped >= 0).all() and (dropped <= 1 + 1e-9).all()
            assert (dropped + matched >= 1 - 1e-9).all()


@EACH
def test_padding_is_never_read_by_any_variant(variant: Callable):
    full = random_cost(3, 4, 5)
    full[1, 2:], full[1, :, 3:] = torch.nan, torch.nan
    lengths = torch.tensor([[4, 5], [2, 3], [4, 1]])
    padded = derivatives(lambda cost: variant(cost, lengths), full)
    alone = derivatives(variant, full[1:2, :2, :3])
    torch.testing.assert_close(padded[0][1:2], alone[0])
    torch.testing.assert_close(padded[1][1:2, :2, :3], alone[1])
    assert padded[1][1, 2:].eq(0).all() and padded[1][1, :, 3:].eq(0).all()
    assert all(each.isfinite().all() for each in padded)


@pytest.mark.slow
@EACH
def test_derivatives_of_every_variant_match_finite_differences(variant: Callable):
    cost = random_cost(2, 3, 4).requires_grad_()
    lengths = torch.tensor([[3, 4], [2, 3]])
    assert torch.autograd.gradcheck(lambda each: variant(each, lengths).exp(), cost)
    assert torch.autograd.gradgradcheck(lambda each: variant(each, lengths).exp(), cost)


@EACH
def test_a_blocked_pair_is_infinite_without_gradient_and_leaves_others_alone(variant: Callable):
    cost = random_cost(2, 3, 3)
    free = cost[1:].clone()
    cost[0] = torch.inf
    visits = tempclr.alignment_of(variant, cost)
    torch.testing.assert_close(visits[1:], tempclr.alignment_of(variant, free))
    assert visits[0].eq(0).all()


@EACH
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_gradients_in_single_precision_equal_those_in_double(variant: Callable, scale: float):
    cost = (random_cost(2, 40, 50) * scale).float()
    single = tempclr.alignment_of(variant, cost).double()
    double = tempclr.alignment_of(variant, cost.double())
    assert (single - double).abs().sum() / double.abs().sum() < 2e-5


@EACH
def test_very_long_pairs_are_recomputed_with_the_same_result(variant: Callable, monkeypatch: pytest.MonkeyPatch):
    cost, lengths = random_cost(2, 7, 9), torch.tensor([[7, 9], [5, 4]])
    kept = derivatives(lambda each: variant(each, lengths), cost)
    monkeypatch.setattr(diagonals, "LONG", 1)
    again = derivatives(lambda each: variant(each, lengths), cost)
    for one, other in zip(kept, again, strict=True):
        torch.testing.assert_close(one, other)


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.sampled_from([0.0, 0.5, 1.0, 2.5, 100.0]))
def test_a_band_of_any_width_holds_a_path_and_both_corners(size: tuple[int, int], radius: float):
    mask = band_mask(torch.tensor([size]), *size, radius)[0]
    cost = torch.where(mask, 1.0, torch.inf)
    assert mask[0, 0] and mask[-1, -1]
    assert tempclr.dtw(torch.ones(size), band=radius) == tempclr.dtw(cost) < torch.inf
    assert torch.equal(mask.T, band_mask(torch.tensor([size[::-1]]), *size[::-1], radius)[0]) or size[0] == size[1]
    if radius >= max(size):
        assert mask.all()


@given(sizes, seeds)
def test_divergence_is_symmetric(size: tuple[int, int], seed: int):
    x, y = random_cost(size[0], 3, seed=seed), random_cost(size[1], 3, seed=seed + 1)
    xy, xx, yy = (tempclr.squared_cost(*each) for each in ((x, y), (x, x), (y, y)))
    torch.testing.assert_close(
        tempclr.alignment.soft_dtw_divergence(xy, xx, yy),
        tempclr.alignment.soft_dtw_divergence(xy.T.contiguous(), yy, xx),
    )
    lengths = torch.tensor(size)
    torch.testing.assert_close(
        tempclr.alignment.soft_dtw_divergence(xy, xx, yy, lengths), tempclr.alignment.soft_dtw_divergence(xy, xx, yy)
    )


# refusals


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda cost: tempclr.dtw(cost, band=-1.0), "band of >= 0 steps, got -1.0"),
        (lambda cost: tempclr.soft_dtw(cost, band=math.nan), "band of >= 0 steps, got nan"),
        (lambda cost: tempclr.alignment.smooth_dtw(cost, gamma=0.0), "gamma > 0, got 0"),
        (lambda cost: tempclr.otam(cost, gamma=-1.0), "gamma >= 0, got -1.0"),
        (lambda cost: tempclr.alignment.subsequence_dtw(cost, gamma=math.inf), "gamma >= 0, got inf"),
        (lambda cost: tempclr.drop_dtw(cost), "drop_x or drop_y, got neither"),
        (lambda cost: tempclr.drop_dtw(cost, drop_x=math.nan), "drop_x to be finite or"),
        (lambda cost: tempclr.drop_dtw(cost, drop_y=lambda *_: torch.tensor(math.nan)), "drop_y to be finite or"),
        (lambda cost: tempclr.alignment.percentile(cost, share=1.5), "a share from 0 to 1, got 1.5"),
        (lambda cost: tempclr.alignment.LearntDropCost(0.0), "a finite start > 0, got 0.0"),
        (lambda cost: tempclr.drop_dtw(cost, drop_y=-math.inf), "drop_y to be finite or"),
        (lambda cost: tempclr.drop_dtw(cost, drop_y=torch.zeros(2)), r"drop_y \(3,\) for a cost \(2, 3\), got \(2,\)"),
        (lambda cost: tempclr.drop_dtw(cost, drop_x=torch.zeros(2, dtype=torch.int64)), "floating-point drop_x"),
        (lambda cost: tempclr.path_of(partial(tempclr.otam, gamma=0.1), cost), "hard alignment, got a soft one"),
        (lambda cost: tempclr.path_of(tempclr.dtw, cost[None]), "one cost matrix"),
        (lambda cost: Recursion(drops="x", begin="y"), "either drops or open ends"),
        (lambda cost: Recursion(begin="z"), "expected axes among"),
        (lambda cost: Recursion(smooth=True), "gamma > 0"),
    ],
)
@pytest.mark.usefixtures("unchecked_shapes")
def test_invalid_input_is_refused(call: Callable, message: str):
    with pytest.raises(ValueError, match=message):
        call(torch.rand(2, 3))
