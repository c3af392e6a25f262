"""Which sentence an unknown clip shows, judged by slow loops."""

import math
from dataclasses import replace
from functools import partial
from itertools import pairwise, product

import pytest
import torch
from torch import Tensor, nn

from tempclr import Pair, TempCLR, drop_dtw
from tempclr.alignment import LearntDropCost, percentile
from tempclr.costs import cosine_cost
from tempclr.losses import OrderTerm, OwnAlignment, UnitTerm, even_split, evenly, known_only, mil_nce, unit_loss
from tempclr.sequences import BACKGROUND, UNKNOWN, Batch, collate


def slow_even_split(segments: list[int], n: int) -> list[int]:
    """The unknown clips between two known ones, one stretch at a time."""
    found = list(segments)
    known = [-1, *(c for c, segment in enumerate(segments) if segment >= 0), len(segments)]
    of = {-1: -1, len(segments): n} | {c: segments[c] for c in known[1:-1]}
    for left, right in pairwise(known):
        unknown = [c for c in range(left + 1, right) if segments[c] == UNKNOWN]
        among = list(range(of[left] + 1, of[right])) or sorted({k for k in (of[left], of[right]) if 0 <= k < n})
        for place, clip in enumerate(unknown):
            found[clip] = among[place * len(among) // len(unknown)]
    return found


def paths(n: int, m: int) -> list[list[tuple[int, int]]]:
    """All monotone paths from corner to corner."""
    if (n, m) == (1, 1):
        return [[(0, 0)]]
    before = [(n - a, m - b) for a, b in ((1, 1), (1, 0), (0, 1)) if n > a and m > b]
    return [[*path, (n - 1, m - 1)] for size in before for path in paths(*size)]


def slow_alignment(cost: list[list[float]], segments: list[int], gamma: float, drop: float | None) -> list[list[float]]:
    """Weights by enumeration: of all ways to drop unknown clips and align the rest, through what is known."""
    n, m = len(cost), len(segments)
    can_drop = [drop is not None and segment == UNKNOWN for segment in segments]
    ways = []
    for dropped in product(*[(False, True) if each else (False,) for each in can_drop]):
        kept = [c for c in range(m) if not dropped[c] and segments[c] != BACKGROUND]
        if not kept:
            continue
        for path in paths(n, len(kept)):
            cells = [(i, kept[j]) for i, j in path]
            if all(segments[c] in (UNKNOWN, i) for i, c in cells):
                price = sum(cost[i][c] for i, c in cells) + sum(dropped) * (drop or 0.0)
                ways.append((price, cells))
    least = min(price for price, _ in ways)
    weights = [[0.0] * m for _ in range(n)]
    if gamma == 0:
        cells = next(cells for price, cells in ways if price == least)
        for c in range(m):
            on = [(cost[i][c], i) for i, column in cells if column == c]
            if on:
                weights[min(on)[1]][c] = 1.0
    else:
        total = sum(math.exp((least - price) / gamma) for price, _ in ways)
        for price, cells in ways:
            for i, c in cells:
                weights[i][c] += math.exp((least - price) / gamma) / total
        for c in range(m):
            visits = max(1.0, sum(weights[i][c] for i in range(n)))
            for i in range(n):
                weights[i][c] /= visits
    for c, segment in enumerate(segments):
        if segment >= 0:
            assert [weights[i][c] for i in range(n)] == pytest.approx([float(i == segment) for i in range(n)])
    return weights


def slow_unit_loss(scores: Tensor, groups: list[int], weights: Tensor) -> float:
    """Over pairs of a sentence and a clip: each against the other clips and sentences, as often as is expected."""
    total = 0.0
    n, m = scores.shape
    for i, j in product(range(n), range(m)):
        match = math.exp(scores[i, j])
        clips, texts = match, match
        for a, b in product(range(n), range(m)):
            if b != j and groups[a] != groups[i]:  # another clip, which shows another caption with this probability
                clips += weights[a, b].item() * math.exp(scores[i, b])
                texts += weights[a, b].item() * math.exp(scores[a, j])
        total += weights[i, j].item() * (math.log(clips / match) + math.log(texts / match))
    return total / weights.sum().item()


def slow_mil_nce(scores: Tensor, groups: list[int], weights: Tensor) -> float:
    total = 0.0
    n, m = scores.shape
    for i in range(n):
        bag = sum(
            weights[k, j].item() * math.exp(scores[i, j])
            for k, j in product(range(n), range(m))
            if groups[k] == groups[i]
        )
        every = sum(weights[k, j].item() * math.exp(scores[i, j]) for k, j in product(range(n), range(m)))
        for k, j in product(range(n), range(m)):
            if groups[k] == groups[i]:
                for a, b in product(range(n), range(m)):
                    if groups[a] != groups[i]:
                        every += weights[k, j].item() * weights[a, b].item() * math.exp(scores[a, j])
        total += weights[i].sum().item() * math.log(every / bag)
    return total / weights.sum().item()


def drawn(generator: torch.Generator) -> tuple[list[int], int]:
    """Segments of a video, some of them unknown or background, in the order of its sentences."""
    n, m = torch.randint(1, 6, (2,), generator=generator).tolist()
    known = torch.randint(n, (m * 2,), generator=generator).sort().values
    kind = torch.randint(4, (m * 2,), generator=generator)
    return torch.where(kind == 0, known, torch.where(kind == 1, BACKGROUND, UNKNOWN)).tolist(), n


def videos(generator: torch.Generator, *segments: tuple[int, ...], n: int = 3) -> list[Pair]:
    return [
        Pair(
            f"{k}",
            torch.randn(n, 4, generator=generator),
            torch.randn(len(each), 4, generator=generator),
            torch.tensor(each),
            tuple(f"{k} {i}" for i in range(n)),
        )
        for k, each in enumerate(segments)
    ]


def split(batch: Batch) -> Batch:
    """The same batch, with the even split in place of what is unknown."""
    return replace(batch, segments=even_split(batch.segments, batch.sentences.lengths))


def model(**settings: object) -> TempCLR:
    return TempCLR(nn.Identity(), nn.Identity(), **settings)


MIXED = ((UNKNOWN,) * 7, (UNKNOWN, 0, BACKGROUND, UNKNOWN, 2, 2), (0, 0, 1, BACKGROUND, 2))


# known answers


@pytest.mark.parametrize(
    ("segments", "n", "expected"),
    [
        ([UNKNOWN] * 10, 5, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
        ([UNKNOWN] * 5, 2, [0, 0, 0, 1, 1]),
        ([UNKNOWN] * 3, 5, [0, 1, 3]),  # more sentences than clips: the second and the last have none
        ([UNKNOWN, BACKGROUND, UNKNOWN], 2, [0, BACKGROUND, 1]),
        ([UNKNOWN, UNKNOWN, 0, UNKNOWN, UNKNOWN, 1, UNKNOWN], 2, [0, 0, 0, 0, 1, 1, 1]),  # a time per sentence
        ([0, UNKNOWN, UNKNOWN, 2], 3, [0, 1, 1, 2]),  # only the sentence between has no known clip
    ],
)
def test_unknown_clips_are_shared_out_evenly(segments: list[int], n: int, expected: list[int]):
    assert even_split(torch.tensor([segments]), torch.tensor([n])).tolist() == [expected]


# laws


def test_the_even_split_is_that_of_the_loop_over_clips(generator: torch.Generator):
    cases = [drawn(generator) for _ in range(300)]
    longest = max(len(segments) for segments, _ in cases)
    padded = torch.tensor([segments + [BACKGROUND] * (longest - len(segments)) for segments, _ in cases])
    found = even_split(padded, torch.tensor([n for _, n in cases]))
    for (segments, n), row in zip(cases, found.tolist(), strict=True):
        assert row == slow_even_split(segments, n) + [BACKGROUND] * (longest - len(segments))


def test_the_unit_term_sees_unknown_clips_as_their_assignment_says(generator: torch.Generator):
    data = videos(generator, *MIXED)
    batch = collate(data)
    trained = model(weight=0.0)
    found = trained(batch, generator=generator)
    assert torch.equal(found.unit, trained(split(batch), generator=generator).unit)  # to the last bit
    without = model(weight=0.0, unit=UnitTerm(assignment=known_only))(batch, generator=generator)
    dropped = [
        replace(pair, segments=torch.where(pair.segments == UNKNOWN, BACKGROUND, pair.segments)) for pair in data
    ]
    assert torch.equal(without.unit, trained(collate(dropped), generator=generator).unit)
    assert without.unit_skipped == 1 and found.unit_skipped == 0


@pytest.mark.parametrize("assignment", [evenly, known_only])
def test_known_clips_keep_their_sentence(assignment: object, generator: torch.Generator):
    batch = collate(videos(generator, *MIXED))
    weights = assignment(batch.sentences, batch.clips, batch, None)
    known = batch.segments >= 0
    assert torch.equal(weights.mT[known].argmax(1), batch.segments[known])
    assert weights.sum(1)[known].eq(1).all() and weights.mT[batch.segments == BACKGROUND].eq(0).all()


@pytest.mark.parametrize("anchor", ["text", "video", "both"])
@pytest.mark.parametrize("limits", [{}, {"sentences": 2}, {"clips_per_sentence": 1}, {"clips_per_segment": 2}])
def test_unknown_clips_are_shuffled_and_selected_by_the_even_split(
    anchor: str, limits: dict, generator: torch.Generator
):
    batch = collate(videos(generator, *MIXED))
    trained = model(weight=1.0, order=OrderTerm(negatives=5, anchor=anchor, **limits))
    ours, theirs = (trained(each, generator=torch.Generator().manual_seed(3)) for each in (batch, split(batch)))
    assert torch.equal(ours.order, theirs.order) and ours.order > 0 and ours.order_skipped == 0


def test_shuffled_sentences_need_no_bounds(generator: torch.Generator):
    data = videos(generator, *MIXED)
    trained = model(weight=1.0, order=OrderTerm(negatives=5, anchor="video"))
    bare = [replace(pair, segments=torch.full_like(pair.segments, UNKNOWN)) for pair in data]
    ours, theirs = (trained(collate(each), generator=torch.Generator().manual_seed(3)) for each in (data, bare))
    assert torch.equal(ours.order, theirs.order)


ALIGNED = ((UNKNOWN,) * 5, (UNKNOWN, 0, BACKGROUND, UNKNOWN, UNKNOWN, 2), (0, UNKNOWN, BACKGROUND), (UNKNOWN,) * 2)


@pytest.mark.parametrize("gamma", [0.0, 0.2])
@pytest.mark.parametrize("drop_cost", [None, 0.9, partial(percentile, share=0.3), LearntDropCost(0.7)])
def test_the_own_alignment_is_the_best_or_expected_one_of_all(
    gamma: float, drop_cost: object, generator: torch.Generator
):
    data = videos(generator, *ALIGNED)
    batch = collate(data)
    if drop_cost is not None:  # a step must keep a clip
        batch = collate(data[:2])
    found = OwnAlignment(gamma, drop_cost)(batch.sentences, batch.clips, batch, 0.5)
    assert not found.requires_grad
    for pair, weights in zip(data, found, strict=False):
        cost = cosine_cost(pair.sentences, pair.clips)
        kept = cost[:, pair.segments != BACKGROUND]
        drop = drop_cost(kept, None).item() if callable(drop_cost) else drop_cost
        if len(pair.sentences) <= (pair.segments != BACKGROUND).sum():
            slow = slow_alignment(cost.tolist(), pair.segments.tolist(), gamma, drop)
            torch.testing.assert_close(weights[:, : len(pair.clips)], torch.tensor(slow), atol=1e-4, rtol=1e-4)
        known = pair.segments >= 0
        assert torch.equal(weights.mT[: len(known)][known].argmax(1), pair.segments[known])


@pytest.mark.parametrize("own_alignment", [OwnAlignment(), OwnAlignment(0.1), OwnAlignment(drop_cost=0.5)])
def test_weights_of_a_clip_are_shares(own_alignment: OwnAlignment, generator: torch.Generator):
    batch = collate(videos(generator, *MIXED, *ALIGNED))
    weights = own_alignment(batch.sentences, batch.clips, batch, 1.0)
    assert weights.ge(0).all() and weights.sum(1).le(1 + 1e-5).all()
    assert weights.mT[batch.segments == BACKGROUND].eq(0).all()
    if own_alignment.drop_cost is None:
        torch.testing.assert_close(weights.sum(1)[batch.segments != BACKGROUND], torch.ones(30))
    early = own_alignment(batch.sentences, batch.clips, batch, 0.49)
    assert torch.equal(early, evenly(batch.sentences, batch.clips, batch))


def test_a_clip_on_several_sentences_is_named_by_the_cheapest():
    pair = Pair("", torch.eye(3), torch.tensor([[0.1, 0.9, 0.2]]), torch.tensor([UNKNOWN]), ("a", "b", "c"))
    batch = collate([pair])
    assert OwnAlignment()(batch.sentences, batch.clips, batch, 1.0)[0, :, 0].tolist() == [0, 1, 0]


@pytest.mark.parametrize(("loss", "slow"), [(unit_loss, slow_unit_loss), (mil_nce, slow_mil_nce)])
def test_weighted_losses_are_loops_over_pairs(loss: object, slow: object, generator: torch.Generator):
    x, y = torch.randn(5, 3, generator=generator), torch.randn(7, 3, generator=generator)
    weights = torch.rand(5, 7, generator=generator) * (torch.rand(5, 7, generator=generator) < 0.6)
    weights = weights / weights.sum(0).clamp(min=1.0)
    weights[:, 0], weights[:, 1] = torch.tensor([0.0, 1, 0, 0, 0]), 0.0  # surely sentence 1; surely none
    groups = torch.tensor([0, 1, 2, 1, 0])
    scores = (1 - cosine_cost(x, y)).double() / 0.3
    found = loss(x, y, groups, temperature=0.3, weights=weights)
    assert found.item() == pytest.approx(slow(scores, groups.tolist(), weights.double()), rel=1e-5)
    own = torch.tensor([True, False, True, False, False])
    parts = [loss(x, y, groups, temperature=0.3, weights=weights, own=each) for each in (own, ~own)]
    shares = [weights[each].sum() / weights.sum() for each in (own, ~own)]
    torch.testing.assert_close(sum(a * b for a, b in zip(parts, shares, strict=True)), found)


@pytest.mark.parametrize("loss", [unit_loss, mil_nce])
def test_sure_weights_give_the_loss_without_weights(loss: object, generator: torch.Generator):
    x, y = torch.randn(6, 4, generator=generator), torch.randn(30, 4, generator=generator)
    sentence, groups = torch.arange(30) % 6, torch.tensor([0, 1, 2, 3, 1, 0])
    values, grads = [], []
    for weights in (None, (sentence == torch.arange(6)[:, None]).float()):
        a, b = x.clone().requires_grad_(), y.clone().requires_grad_()
        units = (a[sentence], b, groups[sentence]) if weights is None else (a, b, groups)
        values.append(loss(*units, weights=weights))
        grads += [torch.autograd.grad(values[-1], (a, b))]
    torch.testing.assert_close(*values)
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize("loss", [unit_loss, mil_nce])
def test_a_soft_assignment_trains_and_one_of_no_gamma_nears_the_hard_one(loss: object, generator: torch.Generator):
    data = videos(generator, *MIXED, n=3)
    batch = collate(data)
    hard, nearly, soft = (
        model(weight=0.0, unit=UnitTerm(loss, assignment=OwnAlignment(gamma, start=0.0)))(
            batch, generator=generator, progress=0.0
        ).unit
        for gamma in (0.0, 1e-4, 0.5)
    )
    torch.testing.assert_close(hard, nearly, atol=1e-4, rtol=1e-4)
    assert abs(soft - hard) > 1e-3


@pytest.mark.parametrize("loss", [unit_loss, mil_nce])
def test_one_caption_has_no_negative_and_finite_gradients(loss: object, generator: torch.Generator):
    x, y = (torch.randn(k, 3, generator=generator).requires_grad_() for k in (2, 3))
    weights = torch.tensor([[0.5, 1.0, 0.0], [0.5, 0.0, 0.7]])
    found = loss(x, y, torch.zeros(2, dtype=torch.int64), weights=weights)
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert all(each.isfinite().all() for each in torch.autograd.grad(found, (x, y)))


def test_a_learnt_drop_cost_is_a_parameter_of_the_model(generator: torch.Generator):
    drop = LearntDropCost(0.5)
    order = OrderTerm(partial(drop_dtw, drop_y=drop, gamma=0.1), negatives=3)
    trained = model(unit=UnitTerm(assignment=OwnAlignment(drop_cost=drop)), order=order)
    assert len(list(trained.parameters())) == 1
    trained(collate(videos(generator, *MIXED)), generator=generator, progress=1.0).total.backward()
    assert drop.logarithm.grad != 0


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": -0.1}, "expected a finite gamma >= 0, got -0.1"),
        ({"start": 1.5}, "expected a start from 0 to 1, got 1.5"),
        ({"drop_cost": math.inf}, "expected a finite drop_cost, .* got inf"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        OwnAlignment(**settings)


def test_an_own_alignment_without_progress_is_refused(generator: torch.Generator):
    trained = model(unit=UnitTerm(assignment=OwnAlignment()))
    with pytest.raises(ValueError, match=r"expected the progress of training, 0 to 1, .*, got None"):
        trained(collate(videos(generator, *MIXED)), generator=generator)


def test_shares_need_a_loss_that_takes_them(generator: torch.Generator):
    def plain(x: Tensor, y: Tensor, groups: Tensor, *, temperature: float, own: Tensor) -> Tensor:
        return x.sum() + y.sum()

    trained = model(weight=0.0, unit=UnitTerm(plain, assignment=OwnAlignment(0.1)))
    batch = collate(videos(generator, *MIXED))
    trained(batch, generator=generator, progress=0.0)  # the even split needs no weights
    with pytest.raises(ValueError, match=r"expected a loss with the argument weights .*plain; or give each clip"):
        trained(batch, generator=generator, progress=1.0)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(3, 2), r"expected weights \(2, 3\) for x and y, got \(3, 2\)"),
        (torch.ones(2, 3), "expected weights >= 0 that sum to at most 1"),
        (-torch.ones(2, 3), "expected weights >= 0"),
        (None, r"as many units of x as of y, or weights, got \(2, 4\) and \(3, 4\)"),
    ],
)
@pytest.mark.parametrize("loss", [unit_loss, mil_nce])
@pytest.mark.usefixtures("unchecked_shapes")
def test_weights_that_do_not_fit_are_refused(loss: object, weights: Tensor | None, message: str):
    with pytest.raises(ValueError, match=message):
        loss(torch.ones(2, 4), torch.ones(3, 4), weights=weights)
