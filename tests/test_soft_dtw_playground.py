"""The playground without a browser: what two curves cost, and what it keeps and writes."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from recording import from_browser, state_of
from tempclr_widgets import SoftDTWPlayground

import tempclr

pytestmark = pytest.mark.usefixtures("recording")

X, Y = [0.0, 1.0, 0.5], [0.0, 0.2, 1.0, 0.4]


# known answers


def test_the_cost_is_the_square_of_the_difference():
    playground = SoftDTWPlayground(X, Y)
    np.testing.assert_allclose(playground.cost, [[(a - b) ** 2 for b in Y] for a in X])


def test_a_warped_copy_costs_nothing():
    playground = SoftDTWPlayground([0, 1, 0], [0, 0, 1, 1, 0], gamma=0.0)
    assert playground.value == 0
    assert playground.path == [[0, 0], [0, 1], [1, 2], [1, 3], [2, 4]]
    assert playground.visits.sum() == 5


def test_an_outlier_is_left_out_for_its_price():
    playground = SoftDTWPlayground([0, 1, 0], [0, -5, 1, 0], alignment="drop_dtw", gamma=0.0, drop_cost=0.25)
    assert playground.value == 0.25 and playground.path == [[0, 0], [1, 2], [2, 3]]


# laws


def test_every_setting_reaches_the_alignment_function():
    playground = SoftDTWPlayground(X, Y)
    cost = playground.cost
    for state, wanted in [
        ({"gamma": 0.5}, partial(tempclr.soft_dtw, gamma=0.5)),
        ({"band": 0.0}, partial(tempclr.soft_dtw, gamma=0.5, band=0.0)),
        ({"alignment": "otam"}, partial(tempclr.otam, gamma=0.5)),
        ({"alignment": "subsequence_dtw"}, partial(tempclr.alignment.subsequence_dtw, gamma=0.5)),
        ({"alignment": "drop_dtw"}, partial(tempclr.drop_dtw, drop_y=0.1, gamma=0.5)),
        ({"gamma": 0.0}, partial(tempclr.drop_dtw, drop_y=0.1)),
    ]:
        from_browser(playground, **state)
        assert playground.value == wanted(cost).item()
        torch.testing.assert_close(playground.visits, tempclr.alignment_of(wanted, cost))


def test_curves_drawn_in_the_browser_reach_python(tmp_path: Path):
    playground = SoftDTWPlayground()
    from_browser(playground, x=[0.0, 1.0], y=[0.0, 1.0, 1.0], gamma=0.0)
    assert playground.value == 0 and playground.cost.shape == (2, 3)
    for name in ("curves.html", "curves.png", "curves.svg"):
        assert playground.save(tmp_path / name).stat().st_size > 5000
    state = state_of((tmp_path / "curves.html").read_text())
    assert (state["x"], state["y"], state["gamma"]) == ([0, 1], [0, 1, 1], 0)
    assert len(json.dumps(state)) < 1000


def test_curves_of_one_step_are_aligned():
    assert SoftDTWPlayground([1.0], [3.0], gamma=0.0).value == 4


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": []}, r"expected 1 to 120 finite values in x, got shape \(0,\)"),
        ({"y": [0.0] * 121}, r"in y, got shape \(121,\)"),
        ({"x": [[1.0, 2.0]]}, r"in x, got shape \(1, 2\)"),
        ({"y": [1.0, float("nan")]}, "in y, got NaN or infinity"),
        ({"alignment": "dance"}, "expected an alignment of dtw, otam"),
        ({"gamma": 0.0001}, "a gamma of 0 or from 0.001 to 10"),
        ({"band": -2.0}, "a band of >= 0 steps"),
        ({"drop_cost": -0.1}, "a finite drop_cost >= 0"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict, message: str):
    with pytest.raises(ValueError, match=message):
        SoftDTWPlayground(**arguments)
