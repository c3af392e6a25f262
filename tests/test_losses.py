import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from tempclr import drop_dtw, dtw, otam, soft_dtw
from tempclr.alignment import soft_dtw_divergence
from tempclr.alignment._kernels import reference
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.losses import Temperature, both_ways, mil_nce, order_loss, per_cell, ramp, step_loss, transposed, unit_loss
from tempclr.losses._stable_repr import stable_repr
from tempclr.negatives import mixture, permute_segments, reverse, shuffled_orders, wrong_orders


@pytest.fixture
def embedded(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    return tuple(torch.randn(3, steps, 8, generator=generator, dtype=torch.float64) for steps in (4, 6))


def slow_unit_loss(x: Tensor, y: Tensor, groups: list[int], temperature: float) -> float:
    """Both directions, pair by pair, leaving out twins."""
    total = 0.0
    for a, b in ((x, y), (y, x)):
        for i in range(len(a)):
            others = [j for j in range(len(b)) if j == i or groups[j] != groups[i]]
            scores = [torch.cosine_similarity(a[i], b[j], dim=0) / temperature for j in others]
            total += (torch.logsumexp(torch.stack(scores), 0) - scores[others.index(i)]).item() / len(a)
    return total


def slow_order_loss(anchor: Tensor, positive: Tensor, orders: list[Tensor], gamma: float, temperature: float) -> float:
    """One pair: shuffle the sequence itself, align cell by cell, compare."""
    true = torch.arange(len(positive))
    distances = []
    for order in [true, *orders]:
        shuffled = positive[order]
        cost = torch.stack([1 - torch.cosine_similarity(step[None], shuffled) for step in anchor])
        distances.append(reference.alignment_cost(cost[None], Recursion(gamma=gamma)) / temperature)
    return (distances[0] + torch.logsumexp(-torch.stack(distances), 0)).item()


# known answers


def test_units_that_all_look_alike_cost_the_logarithm_of_their_number():
    assert unit_loss(torch.ones(6, 3), torch.ones(6, 3)).item() == pytest.approx(2 * math.log(6))


def test_units_that_all_mean_the_same_have_no_negatives():
    assert unit_loss(torch.randn(4, 3), torch.randn(4, 3), torch.zeros(4, dtype=torch.int64)).item() == 0


def test_order_that_makes_no_difference_costs_the_logarithm_of_the_orders(generator: torch.Generator):
    orders = shuffled_orders(5, 7, generator=generator)
    anchor = torch.randn(2, 3, 4, generator=generator)
    assert order_loss(anchor, torch.ones(2, 5, 4), orders).item() == pytest.approx(math.log(8), abs=1e-5)


# laws


def test_the_unit_loss_equals_a_loop_over_pairs(generator: torch.Generator):
    x, y = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    groups = torch.tensor([0, 1, 2, 1, 3, 0])
    assert unit_loss(x, y, groups, temperature=0.3).item() == pytest.approx(slow_unit_loss(x, y, groups.tolist(), 0.3))
    assert unit_loss(x, y, temperature=0.3).item() == pytest.approx(slow_unit_loss(x, y, list(range(6)), 0.3))


@pytest.mark.parametrize(("gamma", "temperature"), [(0.1, 1.0), (0.01, 0.2), (2.0, 5.0)])
def test_the_order_loss_equals_shuffling_the_sequence_and_aligning_cell_by_cell(
    embedded: tuple[Tensor, Tensor], gamma: float, temperature: float, generator: torch.Generator
):
    anchor, positive = embedded
    lengths = torch.tensor([[4, 6], [3, 5], [1, 2]])
    segments = torch.arange(6).where(torch.arange(6) < lengths[:, 1:], -1)
    orders = wrong_orders(segments, 4, generator=generator)  # of two steps there is but one
    distance = partial(soft_dtw, gamma=gamma)
    ours = order_loss(anchor, positive, orders, lengths=lengths, alignment_fn=distance, temperature=temperature)
    slow = [
        slow_order_loss(anchor[k, :n], positive[k, :m], list(orders[k][:, :m]), gamma, temperature)
        for k, (n, m) in enumerate(lengths.tolist())
    ]
    assert ours.item() == pytest.approx(sum(slow) / 3, abs=1e-5)


def test_orders_for_all_equal_the_same_orders_for_each(embedded: tuple[Tensor, Tensor], generator: torch.Generator):
    orders = shuffled_orders(6, 5, generator=generator)
    torch.testing.assert_close(order_loss(*embedded, orders), order_loss(*embedded, orders.expand(3, -1, -1)))


DISTANCES = {
    "soft-DTW": soft_dtw,
    "DTW": dtw,
    "OTAM": partial(otam, gamma=0.1),
    "OTAM, both ways": both_ways(partial(otam, gamma=0.1)),
    "OTAM, transposed": transposed(partial(otam, gamma=0.1)),
    "Drop-DTW": partial(drop_dtw, drop_y=0.7, gamma=0.05),
    "hard Drop-DTW": partial(drop_dtw, drop_y=0.7),
    "DTW per cell": per_cell(dtw),
    "soft-DTW per cell": per_cell(soft_dtw),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_every_distance_compares_each_shuffled_sequence_by_itself(
    name: str, embedded: tuple[Tensor, Tensor], generator: torch.Generator
):
    anchor, positive = embedded
    lengths = torch.tensor([[4, 6], [3, 5], [2, 4]])
    segments = torch.arange(6).where(torch.arange(6) < lengths[:, 1:], -1)
    orders = wrong_orders(segments, 7, generator=generator)
    ours = order_loss(anchor, positive, orders, lengths=lengths, alignment_fn=DISTANCES[name], temperature=0.5)
    total = 0.0
    for k, (n, m) in enumerate(lengths.tolist()):
        true = torch.arange(m)
        costs = [
            1 - torch.cosine_similarity(anchor[k, :n, None], positive[k, o], dim=-1) for o in [true, *orders[k][:, :m]]
        ]
        scores = torch.stack([-DISTANCES[name](cost, None) / 0.5 for cost in costs])
        total += (torch.logsumexp(scores, 0) - scores[0]).item() / 3
    assert ours.item() == pytest.approx(total, abs=1e-9)


def test_the_debiased_loss_compares_by_the_divergence(embedded: tuple[Tensor, Tensor], generator: torch.Generator):
    anchor, positive = embedded
    lengths = torch.tensor([[4, 6], [3, 5], [1, 3]])
    segments = torch.arange(6).where(torch.arange(6) < lengths[:, 1:], -1)
    orders = wrong_orders(segments, 5, generator=generator)
    total = 0.0
    for k, (n, m) in enumerate(lengths.tolist()):
        x, scores = anchor[k, :n], []
        for order in [torch.arange(m), *orders[k][:, :m]]:
            y = positive[k, order]
            costs = [1 - torch.cosine_similarity(a[:, None], b, dim=-1) for a, b in ((x, y), (x, x), (y, y))]
            scores.append(-soft_dtw_divergence(*costs))
        total += (torch.logsumexp(torch.stack(scores), 0) - scores[0]).item() / 3
    ours = order_loss(anchor, positive, orders, lengths=lengths, debiased=True)
    assert ours.item() == pytest.approx(total, abs=1e-9)


@pytest.mark.parametrize("name", [name for name in DISTANCES if name != "DTW" and "hard" not in name])
def test_every_smooth_distance_trains_by_its_derivatives(name: str, generator: torch.Generator):
    x, y = torch.randn(2, 1, 3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    orders = shuffled_orders(3, 3, generator=generator)
    assert torch.autograd.gradcheck(lambda a, b: order_loss(a, b, orders, alignment_fn=DISTANCES[name]), (x, y))


def test_a_cell_costs_the_same_whatever_the_length():
    cost = torch.full((3, 4, 9), 0.25)
    lengths = torch.tensor([[4, 9], [1, 9], [3, 3]])
    for distance in (dtw, partial(soft_dtw, gamma=1e-3)):
        found = per_cell(distance)(cost, lengths)
        torch.testing.assert_close(found, torch.full((3,), 0.25), atol=2e-3, rtol=0)  # gamma * log of the paths


def test_sequences_without_a_wrong_order_take_no_part(embedded: tuple[Tensor, Tensor], generator: torch.Generator):
    anchor, positive = embedded
    segments = torch.tensor([[0, 0, 0, 0, 0, 0], [0, 1, 2, 3, 4, 5], [1, 1, 1, 1, 1, 1]])
    orders = wrong_orders(segments, 5, generator=generator)
    alone = order_loss(anchor[1:2], positive[1:2], orders.values[1])
    torch.testing.assert_close(order_loss(anchor, positive, orders), alone)
    none = wrong_orders(segments[:1], 5, generator=generator)
    assert order_loss(anchor[:1], positive[:1], none) == 0


def slow_mil_nce(x: Tensor, y: Tensor, groups: list[int]) -> float:
    """As printed, with sums in place of the logarithms."""
    total = 0.0
    for i, group in enumerate(groups):
        bag = [j for j, other in enumerate(groups) if other == group]
        rest = [j for j, other in enumerate(groups) if other != group]
        right = sum(math.exp(x[i] @ y[j]) for j in bag)
        wrong = sum(math.exp(x[i] @ y[j]) for j in rest) + sum(math.exp(x[k] @ y[j]) for j in bag for k in rest)
        total -= math.log(right / (right + wrong)) / len(groups)
    return total


def test_mil_nce_equals_its_sums(generator: torch.Generator):
    x, y = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    for groups in ([0, 1, 2, 1, 3, 0, 0], list(range(7)), [4] * 7):
        ours = mil_nce(x, y, torch.tensor(groups), temperature=1.0, cosine=False)
        assert ours.item() == pytest.approx(slow_mil_nce(x, y, groups), abs=1e-12)
    assert ours == 0  # one bag


def test_mil_nce_without_negatives_has_a_gradient_of_zero():
    x = torch.randn(3, 4, requires_grad=True)
    mil_nce(x, x.detach(), torch.zeros(3, dtype=torch.int64)).backward()
    torch.testing.assert_close(x.grad, torch.zeros(3, 4), atol=1e-6, rtol=0)


@pytest.mark.parametrize("cosine", [False, True])
def test_the_step_loss_equals_a_loop_over_cells(cosine: bool, generator: torch.Generator):
    x, y = (torch.randn(2, steps, 4, generator=generator, dtype=torch.float64) for steps in (3, 5))
    shown = torch.rand(2, 3, 5, generator=generator) < 0.4
    real = torch.rand(2, 3, 5, generator=generator) < 0.8
    each = []
    for b, i, j in real.nonzero().tolist():
        score = (torch.cosine_similarity(x[b, i], y[b, j], dim=0) if cosine else x[b, i] @ y[b, j]).item() / 0.7
        chance = 1 / (1 + math.exp(-score))
        each.append(-math.log(chance if shown[b, i, j] else 1 - chance))
    found = step_loss(x, y, shown, real, temperature=0.7, cosine=cosine)
    assert found.item() == pytest.approx(sum(each) / len(each), abs=1e-12)


@pytest.mark.parametrize("loss", [unit_loss, mil_nce])
def test_the_mean_over_own_units_is_a_part_of_that_over_all(loss: Callable, generator: torch.Generator):
    x, y = torch.randn(2, 7, 4, generator=generator, dtype=torch.float64)
    groups = torch.tensor([0, 1, 2, 1, 3, 0, 0])
    own = torch.tensor([True, False, False, True, False, False, True])
    parts = 3 * loss(x, y, groups, own=own) + 4 * loss(x, y, groups, own=~own)
    torch.testing.assert_close(parts, 7 * loss(x, y, groups))
    assert loss(x, y, groups, own=torch.zeros_like(own)) == 0


def test_the_published_unit_loss_compares_by_dot_products(generator: torch.Generator):
    x, y = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    scores = x @ y.T
    slow = sum(-(each.log_softmax(1).diagonal()).mean() for each in (scores, scores.T))
    torch.testing.assert_close(unit_loss(x, y, temperature=1.0, cosine=False), slow)


def test_half_precision_is_compared_in_single(embedded: tuple[Tensor, Tensor], generator: torch.Generator):
    anchor, positive = (each.bfloat16() for each in embedded)
    orders = shuffled_orders(6, 5, generator=generator)
    single = order_loss(anchor.float(), positive.float(), orders)
    with torch.autocast("cpu", torch.bfloat16):
        for values in ((anchor, positive), (anchor.float(), positive.float())):
            found = order_loss(*values, orders)
            assert found.dtype == torch.float32
            assert torch.equal(found, single)
        units = unit_loss(anchor[0], positive[0, :4])
    assert torch.equal(units, unit_loss(anchor[0].float(), positive[0, :4].float()))


def test_a_learnt_temperature_follows_its_gradient_both_ways_and_stays_above_its_least():
    temperature = Temperature(0.5, least=0.1)
    torch.testing.assert_close(temperature(), torch.tensor(0.5))
    optimizer = torch.optim.Adam(temperature.parameters(), 0.1)
    reached = []
    for right in (0, 1):  # where the right one is ahead, the colder the better; where it is not, the warmer
        for _ in range(80):
            optimizer.zero_grad()
            scores = torch.tensor([[1.5, 1.0]]) / temperature()
            torch.nn.functional.cross_entropy(scores, torch.tensor([right])).backward()
            optimizer.step()
        reached.append(temperature().item())
    assert 0.1 < reached[0] < 0.2
    assert reached[1] > 1.0


class Scaled:
    """An alignment function as an object."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def value(self, cost: Tensor, lengths: Tensor | None) -> Tensor:
        return self.factor * soft_dtw(cost, lengths)


def test_functions_have_a_stable_repr_with_their_bound_arguments():
    told = [
        stable_repr(value)
        for value in (
            soft_dtw,
            partial(soft_dtw, gamma=0.2),
            per_cell(both_ways(partial(otam, gamma=0.2))),
            mixture((permute_segments, 0.5), (reverse, 0.5)),
            ramp(0.0, 0.5, end=0.6),
            Temperature(1.0),
            torch.tensor([1.0, 2.0]),
            Scaled(2.0),
            Scaled(3.0).value,
            object(),
            None,
        )
    ]
    assert told == [
        "soft_dtw",
        "soft_dtw(gamma=0.2)",
        "per_cell(both_ways(otam(gamma=0.2)))",
        "mixed((permute_segments, reverse), [0.5, 0.5])",
        "ramp(0.0, 0.5, 0.0, 0.6)",
        "Temperature",
        "[1.0, 2.0]",
        "Scaled(factor=2.0)",
        "Scaled(factor=3.0).value",
        "object()",
        "None",
    ]


def test_both_losses_have_the_derivatives_of_finite_differences(generator: torch.Generator):
    x, y = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    orders = shuffled_orders(3, 3, generator=generator)
    assert torch.autograd.gradcheck(
        lambda a, b: order_loss(a, b, orders, alignment_fn=partial(soft_dtw, gamma=0.3)), (x, y)
    )
    assert torch.autograd.gradcheck(unit_loss, (x[0], y[0]))


# refusals


def test_orders_that_are_not_permutations_are_refused(embedded: tuple[Tensor, Tensor]):
    with pytest.raises(ValueError, match="permutation of 0 to 5"):
        order_loss(*embedded, torch.zeros(2, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match="leave padding in place"):
        order_loss(*embedded, torch.arange(6).flip(0)[None], lengths=torch.tensor([[4, 5]] * 3))


@pytest.mark.usefixtures("unchecked_shapes")
def test_shapes_that_do_not_fit_are_refused(embedded: tuple[Tensor, Tensor]):
    with pytest.raises(ValueError, match=r"expected orders \[count, 6\]"):
        order_loss(*embedded, torch.arange(5)[None])
    with pytest.raises(ValueError, match="at least one unit"):
        unit_loss(torch.ones(0, 3), torch.ones(0, 3))
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 3\)"):
        unit_loss(torch.ones(2, 3), torch.ones(3, 3))
    cells = torch.ones(1, 2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"cells \[batch, n, m\], got \(1, 3, 4\), \(1, 2, 4\), \(1, 2, 3\)"):
        step_loss(torch.ones(1, 3, 4), torch.ones(1, 2, 4), cells)
    with pytest.raises(ValueError, match="at least one cell that is not padding"):
        step_loss(torch.ones(1, 2, 4), torch.ones(1, 3, 4), cells, ~cells)


def test_temperatures_and_ramps_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"temperature > 0, got 0\.0"):
        unit_loss(torch.ones(1, 2), torch.ones(1, 2), temperature=0.0)
    for temperature in (torch.tensor(-1.0), torch.tensor(0.0), torch.tensor(float("nan"))):
        with pytest.raises(ValueError, match="temperature > 0"):
            unit_loss(torch.ones(1, 2), torch.ones(1, 2), temperature=temperature)
    with pytest.raises(ValueError, match=r"expected 0 < least < start, got a least of 0\.01 and a start of 0\.005"):
        Temperature(0.005)
    with pytest.raises(ValueError, match="weights and progress from 0 to 1"):
        ramp(0.0, 1.5)
    with pytest.raises(ValueError, match="weights and progress from 0 to 1"):
        ramp(0.0, 1.0, begin=0.6, end=0.5)
