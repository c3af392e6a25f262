import math

import pytest
import torch
from torch import Tensor, nn

import tempclr
from tempclr.alignment import reference
from tempclr.alignment.recursion import Recursion
from tempclr.encoders import Projection
from tempclr.losses import order_loss, unit_loss
from tempclr.negatives import clip_orders, shuffled_orders
from tempclr.sequences import Pair, collate


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


def pairs(count: int, generator: torch.Generator, segments: tuple[int, ...] = (0, 0, 1, 2)) -> list[Pair]:
    n = max(segments) + 1
    return [
        Pair(
            f"video {k}",
            torch.randn(n, 5, generator=generator),
            torch.randn(len(segments), 7, generator=generator),
            torch.tensor(segments),
            tuple(f"caption {k}-{i}" for i in range(n)),
        )
        for k in range(count)
    ]


def model(**settings: object) -> tempclr.TempCLR:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return tempclr.TempCLR(Projection(5, 8), Projection(7, 8), **settings)


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
    drawn = [shuffled_orders(int(m), 4, generator=generator) for _, m in lengths]
    orders = torch.stack([torch.cat((d, torch.arange(d.shape[1], 6).expand(4, -1)), 1) for d in drawn])
    ours = order_loss(anchor, positive, orders, lengths=lengths, gamma=gamma, temperature=temperature)
    slow = [
        slow_order_loss(anchor[k, :n], positive[k, :m], list(drawn[k]), gamma, temperature)
        for k, (n, m) in enumerate(lengths.tolist())
    ]
    assert ours.item() == pytest.approx(sum(slow) / 3, abs=1e-5)


def test_orders_for_all_equal_the_same_orders_for_each(embedded: tuple[Tensor, Tensor], generator: torch.Generator):
    orders = shuffled_orders(6, 5, generator=generator)
    torch.testing.assert_close(order_loss(*embedded, orders), order_loss(*embedded, orders.expand(3, -1, -1)))


def test_both_losses_have_the_derivatives_of_finite_differences(generator: torch.Generator):
    x, y = torch.randn(2, 2, 3, 4, generator=generator, dtype=torch.float64).requires_grad_()
    orders = shuffled_orders(3, 3, generator=generator)
    assert torch.autograd.gradcheck(lambda a, b: order_loss(a, b, orders, gamma=0.3), (x, y))
    assert torch.autograd.gradcheck(unit_loss, (x[0], y[0]))


def test_the_total_is_the_weighted_sum(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    losses = model(weight=0.7)(batch, generator=generator)
    torch.testing.assert_close(losses.total, 0.3 * losses.unit + 0.7 * losses.order)
    assert losses.order > 0 and losses.skipped == 0


def test_without_weight_no_order_is_drawn(generator: torch.Generator):
    batch = collate(pairs(4, generator))
    before = generator.get_state()
    losses = model(weight=0.0)(batch, generator=generator)
    assert losses.order == 0
    assert torch.equal(generator.get_state(), before)


def test_padding_changes_no_loss(generator: torch.Generator):
    short, long = pairs(2, generator), pairs(1, generator, segments=(0, 0, 1, 1, 2, 3, 4))
    trained = model(weight=1.0, negatives=5)
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    alone = trained(collate(short), generator=seeds[0]).order
    padded = trained(collate([*short, *long]), generator=seeds[1]).order
    own = trained(collate(long), generator=seeds[0]).order
    torch.testing.assert_close(3 * padded, 2 * alone + own)


def test_videos_too_short_for_a_wrong_order_are_counted_and_still_matched(generator: torch.Generator):
    short = pairs(2, generator, segments=(0, 0))
    losses = model()(collate([*short, *pairs(1, generator)]), generator=generator)
    assert losses.skipped == 2
    assert losses.order > 0
    only = model()(collate(short), generator=generator)
    assert only.skipped == 2 and only.order == 0 and only.unit > 0


def test_the_shuffle_is_the_one_passed_in(generator: torch.Generator):
    shuffled = model(shuffle=clip_orders)(collate(pairs(2, generator, segments=(0, 1, 2))), generator=generator)
    assert shuffled.skipped == 2  # single clips cannot change places inside their segment


# refusals


def test_orders_that_are_no_permutations_are_refused(embedded: tuple[Tensor, Tensor]):
    with pytest.raises(ValueError, match="permutation of 0 to 5"):
        order_loss(*embedded, torch.zeros(2, 6, dtype=torch.int64))
    with pytest.raises(ValueError, match="leave padding in its place"):
        order_loss(*embedded, torch.arange(6).flip(0)[None], lengths=torch.tensor([[4, 5]] * 3))


@pytest.mark.usefixtures("unchecked_shapes")
def test_shapes_that_do_not_fit_are_refused(embedded: tuple[Tensor, Tensor]):
    with pytest.raises(ValueError, match=r"expected orders \[count, 6\]"):
        order_loss(*embedded, torch.arange(5)[None])
    with pytest.raises(ValueError, match="at least one unit"):
        unit_loss(torch.ones(0, 3), torch.ones(0, 3))
    with pytest.raises(ValueError, match=r"got \(2, 3\) and \(3, 3\)"):
        unit_loss(torch.ones(2, 3), torch.ones(3, 3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weight": 1.5}, "weight from 0 to 1"),
        ({"negatives": 0}, "at least 1 negative"),
        ({"gamma": 0.0}, "gamma > 0"),
        ({"temperature": 0.0}, "temperature > 0"),
        ({"unit_temperature": -1.0}, "temperature > 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        model(**settings)


def test_an_encoder_that_looks_across_steps_is_refused():
    class Across(nn.Linear):
        contextual = True

    with pytest.raises(ValueError, match="Across, which looks across them"):
        tempclr.TempCLR(Across(2, 2), Across(2, 2))
