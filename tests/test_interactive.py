import base64

import numpy as np
import pytest
import torch

from tempclr._util import optional
from tempclr.metrics import ranks
from tempclr.plots import interactive, style, training

pytest.importorskip("plotly")

COST = np.array([[0.0, 1.0, np.inf], [2.0, 0.5, 1.0]])
PATH = np.array([[0, 0], [1, 1], [1, 2]])
HARD = ["<b>$x_1$</b> & %{z}", "x" * 100]
RUNS = [[{"step": step, "loss": float(step * k)} for step in (1, 2, 3)] for k in (1, 3)]


def unpacked(values: object) -> np.ndarray:
    """Values in the JSON of a figure, which are a list or packed as bytes."""
    if not isinstance(values, dict):
        return np.asarray(values)
    flat = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return flat.reshape([int(size) for size in str(values.get("shape", flat.size)).split(",")])


def plain(values: object) -> list:
    """The same values as lists."""
    return unpacked(values).tolist()


# known answers


def test_hovering_a_cost_matrix_shows_each_cell():
    soft = np.array([[1.0, 0.2, 0.0], [0.1, 0.9, 1.0]])
    figure = interactive.cost_matrix(COST, path=PATH, alignment=soft, labels=["stir", "pour"]).to_plotly_json()
    cells, line = figure["data"]
    assert np.array_equal(unpacked(cells["z"]), np.where(np.isinf(COST), np.nan, COST), equal_nan=True)
    assert plain(cells["customdata"][1, 2]) == ["pour", 1.0]
    assert "visit probability: %{customdata[1]" in cells["hovertemplate"]
    assert (plain(line["x"]), plain(line["y"])) == ([0, 1, 2], [0, 1, 1])
    assert figure["layout"]["yaxis"]["ticktext"] == ["stir", "pour"]
    assert figure["layout"]["yaxis"]["autorange"] == "reversed"


def test_hovering_a_retrieval_matrix_shows_ranks():
    scores = np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 6.0], [1.0, 2.0, 3.0]])
    cells, right = interactive.retrieval_matrix(scores, items=["a", "b", "c"]).to_plotly_json()["data"]
    assert plain(cells["customdata"][1]) == [["1", "a", 2], ["1", "b", 3], ["1", "c", 1]]
    assert plain(right["customdata"][:, 1]) == (1 + ranks(torch.from_numpy(scores))).tolist()


def test_learning_curves_equal_those_of_the_static_plot():
    low, high, mean = interactive.learning_curves({"TempCLR": RUNS}, "loss", ylabel="nats").to_plotly_json()["data"]
    ax = training.learning_curves({"TempCLR": RUNS}, "loss", ylabel="nats")
    assert np.array_equal(np.stack((unpacked(mean["x"]), unpacked(mean["y"])), 1), ax.lines[2].get_xydata())
    band = ax.collections[0].get_datalim(ax.transData)
    assert (unpacked(low["y"]).min(), unpacked(high["y"]).max()) == pytest.approx((band.y0, band.y1))
    assert mean["name"] == ax.get_legend().get_texts()[0].get_text()


# laws


def test_labels_are_shown_verbatim():
    figure = interactive.cost_matrix(COST, labels=HARD, title=HARD[0]).to_plotly_json()
    safe = "&lt;b&gt;&#36;x_1&#36;&lt;/b&gt; &amp; &#37;{z}"
    assert figure["data"][0]["customdata"][0, 0, 0] == safe == figure["layout"]["title"]["text"]
    short, cut = figure["layout"]["yaxis"]["ticktext"]
    assert short == safe and len(cut) == interactive._WORDS and cut.endswith("…")
    assert figure["data"][0]["customdata"][1, 0, 0] == HARD[1]


@pytest.mark.parametrize("dark", [False, True])
def test_a_chart_is_light_or_dark_as_the_style_says(dark: bool):
    with style.paper(dark=dark):
        layout = interactive.learning_curves({"a": RUNS}, "loss", ylabel="").to_plotly_json()["layout"]
    look = style.DARK if dark else style.LIGHT
    assert (layout["paper_bgcolor"], layout["font"]["color"]) == (look.paper, look.ink)


# refusals


REFUSED = {
    "nan": (lambda: interactive.cost_matrix(np.full((1, 1), np.nan)), "got NaN"),
    "labels": (lambda: interactive.cost_matrix(COST, labels=["a"]), "expected 2 labels"),
    "alignment": (lambda: interactive.cost_matrix(COST, alignment=np.zeros((1, 1))), r"alignment \(2, 3\)"),
    "path": (lambda: interactive.cost_matrix(COST, path=np.array([[9, 9]])), "inside 2 x 3 cells"),
    "items": (lambda: interactive.retrieval_matrix(np.eye(2), items=["a"]), "labels of queries and items"),
    "curves": (lambda: interactive.learning_curves({}, "loss", ylabel=""), "values of 'loss'"),
    "level": (lambda: interactive.learning_curves({"a": RUNS}, "loss", ylabel="", level=2.0), "at most 1"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_invalid_arrays_are_refused(what: str, unchecked_shapes: None):
    draw, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        draw()


def test_a_missing_plotly_is_an_error_that_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name=name)

    monkeypatch.setattr(optional.importlib, "import_module", missing)
    with pytest.raises(ValueError, match=r"pip install 'tempclr\[interactive\]'"):
        interactive.cost_matrix(COST)
