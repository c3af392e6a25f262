"""The shuffle lab without a browser: which orders it draws, what they cost, and the order loss."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from recording import HOSTILE, from_browser, state_of
from tempclr_widgets import ShuffleLab
from tempclr_widgets.shuffle_lab import KINDS
from torch import Tensor

import tempclr
from tempclr.losses import order_loss

pytestmark = pytest.mark.usefixtures("recording")

SEGMENTS = [0, 0, 1, -1, 2, 2, 3]


@pytest.fixture
def cost(generator: torch.Generator) -> Tensor:
    return torch.rand(4, 7, generator=generator)


@pytest.fixture
def lab(cost: Tensor) -> ShuffleLab:
    return ShuffleLab(cost, sentences=HOSTILE, segments=SEGMENTS)


# known answers


def test_two_segments_have_one_wrong_order_and_its_loss():
    lab = ShuffleLab([[0.0, 1.0], [1.0, 0.0]], sentences=["a", "b"], segments=[0, 1], gamma=0.001, temperature=0.5)
    assert lab.orders.tolist() == [[1, 0]]
    assert lab.distances.tolist() == pytest.approx([0, 2], abs=2e-3)  # two ways around the cheap diagonal
    assert lab.loss == pytest.approx(math.log1p(math.exp(-2 / 0.5)), rel=0.05)


def test_equal_costs_make_all_orders_equally_likely():
    lab = ShuffleLab(torch.ones(4, 7), sentences=list("abcd"), segments=SEGMENTS)
    assert lab.loss == pytest.approx(math.log(1 + len(lab.orders)))
    # what is lowered along the true order is raised along the others
    assert lab.gradient.sum().item() == pytest.approx(0, abs=1e-9)


# laws


def test_the_loss_equals_that_of_training(generator: torch.Generator):
    x, y = torch.randn(4, 5, generator=generator).double(), torch.randn(7, 5, generator=generator).double()
    lab = ShuffleLab(tempclr.cosine_cost(x, y), sentences=list("abcd"), segments=SEGMENTS, temperature=0.7)
    wanted = order_loss(x[None], y[None], lab.orders, temperature=0.7)
    assert lab.loss == pytest.approx(wanted.item(), rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_equals_a_difference_quotient(lab: ShuffleLab, kind: str):
    from_browser(lab, shuffle=kind)
    gradient, whole = lab.gradient, lab._matrix.clone()
    for cell in ((0, 0), (1, 2), (3, 6), (2, 1)):
        values = []
        for step in (1e-5, -1e-5):
            lab._matrix = whole.clone()
            lab._matrix[cell] += step
            values.append(lab.loss)
        assert gradient[cell].item() == pytest.approx((values[0] - values[1]) / 2e-5, abs=1e-6)


def test_each_kind_moves_what_it_names(lab: ShuffleLab):
    segments = torch.tensor(SEGMENTS)
    for kind in lab.kinds:
        from_browser(lab, shuffle=kind)
        orders = lab.orders
        steps = 4 if kind == "sentences" else 7
        assert torch.equal(orders.sort(1).values, torch.arange(steps).expand_as(orders))
        assert len(orders.unique(dim=0)) == len(orders) > 0
        assert not (orders == torch.arange(steps)).all(1).any()
        assert np.frombuffer(lab._orders, "<i4").tolist() == orders.flatten().tolist()
        assert lab._drawn == [kind, 0]
        if kind == "clips":  # within their segment
            assert (segments[orders] == segments).all()
        if kind != "sentences":
            for order in orders.tolist():  # background stays behind the second segment
                assert len({SEGMENTS[clip] for clip in order[: order.index(3)]}) == 2


def test_another_seed_draws_other_orders_and_the_same_seed_the_same(cost: Tensor):
    lab, again = (ShuffleLab(cost, sentences=list("abcd"), segments=SEGMENTS, count=5) for _ in range(2))
    assert torch.equal(lab.orders, again.orders)
    from_browser(lab, seed=1)
    assert not torch.equal(lab.orders, again.orders) and lab._drawn == ["segments", 1]


def test_swapping_equal_sentences_makes_no_wrong_order():
    lab = ShuffleLab(torch.rand(3, 3), sentences=["stir", "stir", "pour"], segments=[0, 1, 2])
    assert len(lab.orders) == 2  # of 3! orders of the texts, 3 differ, one of them true


def test_page_and_pictures_are_saved_with_escaped_text(lab: ShuffleLab, tmp_path: Path):
    for name in ("lab.html", "lab.png", "lab.svg"):
        assert lab.save(tmp_path / name).stat().st_size > 5000
    state = state_of((tmp_path / "lab.html").read_text())
    assert state["sentences"] == HOSTILE and set(state["kinds"]) == set(lab.kinds)
    assert set(state["_draws"]) == {f"{kind} {seed}" for kind in lab.kinds for seed in range(8)}
    assert len(json.dumps(state)) < 200_000
    from_browser(lab, shuffle="sentences", order=2)
    assert lab.save(tmp_path / "sentences.png").stat().st_size > 5000


def test_forbidden_cells_get_no_gradient(cost: Tensor):
    cost[0, 3] = torch.inf
    lab = ShuffleLab(cost, sentences=list("abcd"), segments=SEGMENTS)
    assert math.isfinite(lab.loss) and lab.gradient[0, 3] == 0


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cost": [[0.5]], "sentences": ["a"], "segments": [0]}, "with a wrong order, got 1 sentence and 1 clip"),
        ({"sentences": ["a"]}, "expected 4 sentences for a cost of 4 rows, got 1"),
        ({"sentences": "abcd"}, "got one string"),
        ({"segments": [0] * 6}, "a segment from 0 to 3, .* for each of 7 clips"),
        ({"segments": [0] * 6 + [4]}, "a segment from 0 to 3"),
        ({"segments": [0] * 6 + [-3]}, r"-1 \(background\) or -2 \(unknown\)"),
        ({"count": 64}, "1 to 63 wrong orders, got 64"),
        ({"shuffle": "sideways"}, "expected shuffle to be one of segments, clips, both"),
        ({"gamma": 0.0}, "a gamma from 0.001 to 10"),
        ({"temperature": 11.0}, "a temperature from 0.01 to 10"),
        ({"cost": torch.full((4, 7), torch.nan)}, "got NaN"),
        ({"cost": torch.ones(200, 201)}, "at most 40,000 cells"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict, message: str):
    given = {"cost": torch.ones(4, 7), "sentences": list("abcd"), "segments": SEGMENTS} | arguments
    with pytest.raises(ValueError, match=message):
        ShuffleLab(given.pop("cost"), **given)
