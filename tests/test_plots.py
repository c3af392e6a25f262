import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

import tempclr
from tempclr.metrics import Interval, ranks
from tempclr.plots import _text as words
from tempclr.plots import (
    alignment,
    few_shot,
    frames,
    localization,
    measurements,
    orders,
    retrieval,
    series,
    style,
    training,
)

RANDOM = np.random.default_rng(0)
LABELS = ["one", "two", "three", "four", "five"]
COST = RANDOM.uniform(0, 2, (5, 12))
COST[0, 8:] = np.inf
PATH = tempclr.dtw_path(torch.from_numpy(COST)).numpy()
X, Y = np.sin(np.linspace(0, 6, 24)), np.sin(np.linspace(0, 6, 32) ** 1.1)
LINK = tempclr.dtw_path(torch.from_numpy((X[:, None] - Y) ** 2)).numpy()
SCORES = RANDOM.normal(size=(24, 24)) + 2 * np.eye(24)
CLIPS = np.repeat([0, 1, 2], 8)


def legend(ax: Axes) -> list[str]:
    return [each.get_text() for each in ax.get_legend().get_texts()]


def ticks(axis: mpl.axis.Axis) -> dict[float, str]:
    """Labels of the ticks in view, by position, once drawn."""
    axis.axes.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    shown = zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
    return {float(place): label.get_text() for place, label in shown if low <= place <= high}


# known answers


def test_a_cost_matrix_shows_costs_path_and_forbidden_cells():
    ax = alignment.cost_matrix(COST, path=PATH, labels=LABELS, title="true order", unit="cosine cost (0 to 2)")
    shown = ax.images[0].get_array()
    assert np.array_equal(shown.mask, np.isinf(COST))
    assert np.array_equal(shown.compressed(), COST[np.isfinite(COST)])
    assert np.array_equal(ax.lines[-1].get_xydata(), PATH[:, ::-1])
    assert legend(ax) == ["forbidden (+inf)"] and ax.patch.get_hatch()
    assert ax.get_title(loc="left") == "true order" and ax.get_xlabel() == "clip"
    scale = ax.images[0].colorbar
    assert scale.ax.get_ylabel() == "cosine cost (0 to 2)"
    assert (scale.vmin, scale.vmax) == alignment.shared_limits(COST)


def test_a_cost_matrix_of_finite_costs_has_no_legend():
    ax = alignment.cost_matrix(np.zeros((1, 1)), path=np.array([[0, 0]]))
    assert ax.get_legend() is None
    assert ticks(ax.xaxis) == {0: "0"} == ticks(ax.yaxis)


def test_rows_without_a_finite_cost_can_be_drawn():
    ax = alignment.cost_matrix(np.full((2, 3), np.inf))
    assert ax.images[0].get_array().mask.all()
    ax.figure.draw_without_rendering()


def test_several_matrices_share_one_scale():
    softs = {"true": np.ones((5, 12)), "shuffled": np.zeros((5, 12))}
    figure = alignment.cost_matrices({"true": COST, "shuffled": COST[:, ::-1].copy()}, alignments=softs)
    limits = {ax.images[0].get_clim() for ax in figure.axes[:2]}
    assert limits == {alignment.shared_limits(COST)}
    assert [ax.images[0].get_clim() for ax in figure.axes[2:4]] == [(0, 1), (0, 1)]
    assert [each.get_text() for each in figure.legends[0].get_texts()] == ["forbidden (+inf)"]


def test_links_connect_the_steps_that_a_path_matches():
    ax = series.two_way(X, Y, LINK, names=("query", "support"))
    lift = float(legend(ax)[0].removeprefix("query, moved up by "))
    ends = np.array(ax.collections[0].get_segments())
    assert np.array_equal(ends[:, :, 0], LINK)
    assert np.allclose(ends[:, :, 1], np.stack((X[LINK[:, 0]] + lift, Y[LINK[:, 1]]), 1))
    assert (X + lift).min() > Y.max() and legend(ax)[1] == "support"


def test_series_are_drawn_beside_their_costs():
    figure = series.three_way(X, Y, (X[:, None] - Y) ** 2, LINK)
    _, above, left, matrix, _ = figure.axes
    assert np.array_equal(above.lines[0].get_xydata(), np.stack((np.arange(len(Y)), Y), 1))
    assert np.array_equal(left.lines[0].get_xydata(), np.stack((X, np.arange(len(X))), 1))
    assert above.get_xlim() == matrix.get_xlim() and left.get_ylim() == matrix.get_ylim()


def test_shares_noticed_are_drawn_beside_chance_in_a_panel_per_model():
    shares = {"DTW": {"swaps": Interval(0.75, 0.5, 1.0, 4), "moved": 0.25}, "mean-pool": {"swaps": 0.0}}
    figure = orders.orders_noticed({"one": shares, "other": {"DTW": {"swaps": 1.0}}}, chance=0.4)
    one, other = figure.axes
    assert (one.get_title(loc="left"), other.get_title(loc="left")) == ("one", "other")
    assert list(ticks(one.yaxis).values()) == ["swaps", "moved"] and list(ticks(other.yaxis).values()) == ["swaps"]
    points = [tuple(line.get_xdata()) for line in one.lines if line.get_marker() in ("o", "s")]
    assert points == [(0.75, 0.25), (0.0,)]
    assert one.lines[-1].get_xdata() == [0.4, 0.4]
    assert legend(one) == ["DTW", "mean-pool", "coin toss"] and other.get_legend() is None


def test_order_costs_show_the_share_of_wrong_orders_that_cost_more():
    ax = orders.order_costs(np.array([1.0, 2.0]), {"segments": np.array([[0.5, 3.0], [3.0, 4.0]])}, xlabel="DTW cost")
    dots = [line.get_xydata() for line in ax.lines if line.get_marker() == "o"]
    assert [sorted(each[:, 0]) for each in dots] == [[1, 2], [0.5, 3, 3, 4]]
    assert all((abs(each[:, 1] - row) <= 0.2).all() for row, each in enumerate(dots))
    assert [bar.get_x() for bar in ax.patches] == [np.quantile([1, 2], 0.25), np.quantile([0.5, 3, 3, 4], 0.25)]
    (beside,) = ax.child_axes
    assert [label.get_text() for label in beside.get_yticklabels()] == ["cost more", "75%"]
    assert list(ticks(ax.yaxis).values()) == ["true order", "segments"] and ax.get_xlabel() == "DTW cost"


def test_a_retrieval_matrix_shows_the_rank_of_each_right_item():
    ax = retrieval.retrieval_matrix(SCORES)
    right = SCORES.argmax(1) == np.arange(len(SCORES))
    assert legend(ax) == [f"first choice, right: {right.sum()}", f"first choice, wrong: {(~right).sum()}"]
    assert np.array_equal(ax.lines[0].get_xydata(), np.stack([np.flatnonzero(right)] * 2, 1))
    found = ax.child_axes[0].lines[0].get_xydata()
    assert np.array_equal(found[:, 0], 1 + ranks(torch.from_numpy(SCORES)).numpy())


def test_intervals_are_drawn_from_low_to_high():
    results = {"a": {"DTW": Interval(0.4, 0.3, 0.6, 9), "mean": 0.1}, "b": {"DTW": 0.5}}
    ax = measurements.intervals(results, xlabel="R@1", reference=0.25, reference_label="chance")
    (low, high) = ax.collections[0].get_segments()[0]
    assert (low[0], high[0]) == (0.3, 0.6) and low[1] == high[1]
    assert legend(ax) == ["a", "b", "chance"] and ticks(ax.yaxis) == {0: "DTW", 1: "mean"}
    assert ax.get_xlim()[0] == 0 and ax.get_ylim() == (1.5, -0.5)


def test_values_below_the_floor_are_arrows_at_the_floor():
    ax = measurements.intervals({"cpu": {"a": 1e-3, "b": 0.0}}, xlabel="error", floor=1e-9)
    assert [(line.get_marker(), *line.get_xdata()) for line in ax.lines] == [("o", 1e-3), ("<", 1e-9)]
    assert ax.get_xscale() == "log"


def test_negative_differences_are_in_view():
    ax = measurements.intervals({"a": {"DTW": Interval(-0.1, -0.3, 0.1, 9)}}, xlabel="difference")
    assert ax.get_xlim()[0] < -0.3


def test_learning_curves_show_the_mean_and_a_band_of_most_runs():
    runs = [[{"step": step, "loss": float(step * k)} for step in range(1, 4 + k)] for k in (1, 2, 3)]
    runs[0].append({"step": 9, "loss": None})
    ax = training.learning_curves({"TempCLR": runs, "none": [[]]}, "loss", ylabel="loss (nats)", level=1.0)
    assert np.array_equal(ax.lines[3].get_xydata(), [(step, 2 * step) for step in (1, 2, 3, 4)])
    band = ax.collections[0].get_datalim(ax.transData)
    assert (band.y0, band.y1) == (1, 12)
    assert legend(ax) == ["TempCLR: mean and 100% of 3 runs"] and ax.get_ylabel() == "loss (nats)"


def test_runs_are_averaged_at_the_training_steps_that_all_share():
    runs = [[{"step": step, "score": step} for step in steps] for steps in ((2, 4, 6), (3, 6))]
    ax = training.learning_curves({"a": runs}, "score", ylabel="R@1")
    assert ax.lines[2].get_xydata().tolist() == [[6, 6]]


def test_a_timeline_shows_truth_and_prediction_of_each_step():
    truth, found = np.array([0, 0, -1, 1]), np.array([0, 1, -1, 1])
    ax = localization.timeline(truth, found, confidence=np.array([1, 0.5, 1, 0.25]), seconds=2.0, labels=["a", "b"])
    boxes = [[(bar.get_x(), bar.get_y(), bar.get_height()) for bar in group] for group in ax.containers]
    wanted = [[(0, -0.4, 0.4), (2, -0.4, 0.4), (6, 0.6, 0.4)], [(0, 0, 0.4), (6, 1, 0.1)], [(2, 1, 0.2)]]
    assert [np.allclose(found, each) for found, each in zip(boxes, wanted, strict=True)] == [True] * 3
    assert legend(ax) == ["truth", "predicted, right (height: confidence, 0 to 1)", "predicted, wrong"]
    assert ax.get_xlabel() == "time (s)" and ax.get_xlim() == (0, 8) and ticks(ax.yaxis) == {0: "a", 1: "b"}


def test_a_confusion_matrix_shows_counts_over_shares():
    ax = few_shot.confusion(np.array([[3, 1], [0, 0]]), labels=["a", "b"])
    assert ax.images[0].get_array().tolist() == [[0.75, 0.25], [0, 0]]
    assert [(*each.get_position(), each.get_text()) for each in ax.texts] == [
        (0, 0, "3"),
        (1, 0, "1"),
        (0, 1, "0"),
        (1, 1, "0"),
    ]


def test_supports_are_drawn_nearest_first():
    costs = {name: np.full((2, 2), float(k)) for k, name in enumerate("abc")}
    figure = few_shot.support_query(
        costs, np.array([3.0, 1.0, 2.0]), truth="c", paths={"c": np.array([[0, 0], [1, 1]])}
    )
    assert [ax.get_title(loc="left") for ax in figure.axes[:3]] == ["b\n1", "c\n2, true", "a\n3"]
    assert [ax.images[0].get_array()[0, 0] for ax in figure.axes[:3]] == [1, 2, 0]
    assert [len(ax.lines) > 0 for ax in figure.axes[:3]] == [False, True, False]


def test_a_caption_is_drawn_where_its_segment_begins():
    clips = np.zeros((5, 1, 4, 4, 3), np.uint8)
    figure = frames.frame_strip(clips, np.array([0, 0, -1, 1, 1]), ["$a$", "b"])
    assert [ax.get_title(loc="left") for ax in figure.axes] == [r"\$a\$", "", "(not described)", "b", ""]


def test_labels_that_do_not_fit_are_left_out():
    _, axes = style.subplots(height=2.0)
    ax = alignment.cost_matrix(np.zeros((200, 7)), labels=[f"step {k}" for k in range(200)], ax=axes[0, 0])
    shown = ticks(ax.yaxis)
    assert 5 <= len(shown) <= 15 and all(label == f"step {place:.0f}" for place, label in shown.items())
    assert list(ticks(ax.xaxis)) == [0, 1, 2, 3, 4, 5, 6]


def test_text_is_cut_to_its_width_with_an_ellipsis():
    cut = words.plain("one two three four", 0.5, 8.0)
    assert cut.endswith("…") and words.inches_of(cut, 8.0) <= 0.5
    lines = words.plain("one two three four", 0.5, 8.0, lines=9).split("\n")
    assert " ".join(lines) == "one two three four" and len(lines) > 1
    assert max(words.inches_of(line, 8.0) for line in lines) <= 0.5


def test_invisible_characters_are_removed_and_unprintable_ones_replaced():
    assert words.visible("a\tb\n c\u202e\u2066d\x00\ud800") == "a b cd\ufffd\ufffd"
    assert words.visible("می\u200cخواهم") == "می\u200cخواهم"


# refusals


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_invalid_costs_are_refused(bad: float):
    cost = COST.copy()
    cost[1, 1] = bad
    with pytest.raises(ValueError, match="finite or \\+inf, got NaN or -inf"):
        alignment.cost_matrix(cost)


NAN = np.full((3, 3), np.nan)
REFUSED = {
    "no cell": (lambda: alignment.cost_matrix(np.zeros((0, 3))), "at least one value"),
    "labels": (lambda: alignment.cost_matrix(np.zeros((2, 3)), labels=["a"]), "expected 2 labels"),
    "path outside": (lambda: alignment.cost_matrix(np.zeros((2, 3)), path=np.array([[2, 0]])), "inside 2 x 3 cells"),
    "no path": (lambda: alignment.cost_matrix(np.zeros((2, 3)), path=np.zeros((0, 2), int)), "at least one cell"),
    "no matrices": (lambda: alignment.cost_matrices({}), "expected"),
    "alignments": (lambda: alignment.cost_matrices({"a": COST}, alignments={}), "same titles"),
    "soft": (lambda: alignment.soft_alignment(NAN), "finite"),
    "series": (lambda: series.two_way(X, np.zeros(0), LINK), "at least one value"),
    "orders": (lambda: orders.order_costs(X, {}), "at least one kind"),
    "shares": (lambda: orders.orders_noticed({"one": {"DTW": {}}}), "at least one kind of wrong order"),
    "share": (lambda: orders.orders_noticed({"one": {"DTW": {"swaps": 1.5}}}), r"shares from 0 to 1 .* got \[1.5\]"),
    "videos": (lambda: orders.order_costs(X, {"segments": np.zeros((3, 2))}), "each of 24 videos"),
    "scores": (lambda: retrieval.retrieval_matrix(NAN), "finite"),
    "items": (lambda: retrieval.retrieval_matrix(np.zeros((3, 2))), "an item for every query"),
    "nothing measured": (lambda: measurements.intervals({}, xlabel=""), "at least one method"),
    "scaling": (lambda: measurements.scaling(np.ones(1), {"a": np.zeros(1)}, xlabel="", ylabel=""), "above 0"),
    "curves": (lambda: training.learning_curves({"a": [[]]}, "score", ylabel=""), "values of 'score'"),
    "level": (lambda: training.learning_curves({"a": [[]]}, "loss", ylabel="", level=0.0), "level above 0"),
    "confidence": (lambda: localization.timeline(CLIPS, CLIPS, confidence=np.full(24, 2.0)), "from 0 to 1"),
    "step": (lambda: localization.timeline(CLIPS, CLIPS, labels=["a"]), "label for every step"),
    "seconds": (lambda: localization.timeline(CLIPS, CLIPS, seconds=0.0), "seconds above 0"),
    "counts": (lambda: few_shot.confusion(np.array([[-1]])), "counts >= 0"),
    "truth": (lambda: few_shot.support_query({"a": COST}, np.ones(1), truth="b"), "true class 'b'"),
    "captions": (lambda: frames.frame_strip(np.zeros((1, 1, 2, 2, 3), np.uint8), np.array([1]), ["a"]), "a caption"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_invalid_arrays_are_refused(what: str, unchecked_shapes: None):
    draw, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        draw()
