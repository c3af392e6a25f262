"""Laws that every figure must satisfy, on small data with labels that are hard to draw."""

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

import tempclr
from tempclr.metrics import Interval
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

HARD = [
    "<b>stir</b> & pour $x_1$ for $5",
    "_an underscore first, and then so many words that no column of a page could hold them in one line",
    "חממו את התנור",
    "سخن الفرن \u202eevil",
    "a_very_long_word_without_any_space_in_it_that_nobody_can_break_anywhere",
]
RANDOM = np.random.default_rng(0)
COST = RANDOM.uniform(0, 2, (5, 12))
COST[0, 8:] = np.inf
PATH = tempclr.dtw_path(torch.from_numpy(COST)).numpy()
SOFT = tempclr.expected_alignment(torch.from_numpy(COST)).numpy()
X, Y = np.sin(np.linspace(0, 6, 24)), np.sin(np.linspace(0, 6, 32) ** 1.1)
BETWEEN = (X[:, None] - Y) ** 2
LINK = tempclr.dtw_path(torch.from_numpy(BETWEEN)).numpy()
SCORES = RANDOM.normal(size=(24, 24)) + 2 * np.eye(24)
HISTORIES = {
    HARD[seed]: [
        [{"step": step, "loss": 3 / step**0.5 + RANDOM.normal(scale=0.1)} for step in range(1, 60)] for _ in range(4)
    ]
    for seed in (0, 1)
}
SEGMENTS = np.repeat([0, -1, 1, 2, 3, 4], 4)
FOUND = np.roll(SEGMENTS, 1)
TRUE = RANDOM.normal(3, 0.4, 12)
KINDS = ("sentences", "segments", "clips within segments")
WRONG = {name: TRUE[:, None] + RANDOM.gamma(2, 0.3, (12, 20)) for name in KINDS}
RESULTS = {
    method: {HARD[row]: Interval(mean, mean - 0.1, mean + 0.1, 9) for row, mean in enumerate((0.3, 0.5, 0.6))}
    for method, mean in (("unit loss only", 0), ("TempCLR", 0), ("_hidden", 0))
}


def on(plot, *arguments, width: float, height: float = 2.4, **options) -> Figure:
    """A figure with one plot on axes of a given width."""
    figure, axes = style.subplots(width=width, height=height)
    plot(*arguments, ax=axes[0, 0], **options)
    return figure


FIGURES = {
    "cost_matrix": lambda width: on(
        alignment.cost_matrix, COST, path=PATH, labels=HARD, title=f"{HARD[1]}", width=width
    ),
    "soft_alignment": lambda width: on(alignment.soft_alignment, SOFT, path=PATH, width=width),
    "cost_matrices": lambda width: alignment.cost_matrices(
        {HARD[0]: COST, "shuffled": COST[:, ::-1].copy()},
        paths={HARD[0]: PATH},
        alignments={HARD[0]: SOFT, "shuffled": SOFT},
        labels=HARD,
        width=width,
    ),
    "one_step": lambda width: on(alignment.cost_matrix, np.zeros((1, 1)), path=np.array([[0, 0]]), width=width),
    "large": lambda width: on(alignment.cost_matrix, RANDOM.random((200, 2000)), labels=HARD * 40, width=width),
    "two_way": lambda width: on(series.two_way, X, Y, LINK, names=(HARD[0], "y"), ylabel="value (m)", width=width),
    "three_way": lambda width: series.three_way(X, Y, BETWEEN, LINK, width=width, title=HARD[0]),
    "order_costs": lambda width: on(orders.order_costs, TRUE, WRONG, xlabel="soft-DTW cost", width=width),
    "orders_noticed": lambda width: orders.orders_noticed({HARD[0]: RESULTS, "other": RESULTS}, width=width),
    "retrieval_matrix": lambda width: on(retrieval.retrieval_matrix, SCORES, width=width, height=3.0),
    "intervals": lambda width: on(
        measurements.intervals, RESULTS, xlabel="R@1", reference=0.1, reference_label="chance $x$", width=width
    ),
    "errors": lambda width: on(
        measurements.intervals,
        {"cpu": {"uniform": 1e-7, "constant": 0.0}, "other": {"uniform": 1e-3, "constant": 1e-5}},
        xlabel="relative error",
        floor=1e-9,
        width=width,
    ),
    "scaling": lambda width: on(
        measurements.scaling,
        np.array([32, 64, 128, 4096]),
        {name: np.array([1.0, 2.0, 3.0, 9.0]) * k for k, name in enumerate(("cpu", "diagonals", HARD[2]), 1)},
        xlabel="steps of x and of y",
        ylabel="time (ns per cell)",
        width=width,
    ),
    "learning_curves": lambda width: on(training.learning_curves, HISTORIES, "loss", ylabel="loss (nats)", width=width),
    "timeline": lambda width: on(
        localization.timeline,
        SEGMENTS,
        FOUND,
        confidence=np.linspace(0.2, 1, 24),
        labels=HARD,
        seconds=2.0,
        width=width,
    ),
    "confusion": lambda width: on(
        few_shot.confusion, np.eye(5, dtype=int) * 7 + 1, labels=HARD, width=width, height=2.9
    ),
    "support_query": lambda width: few_shot.support_query(
        {name: RANDOM.random((8, 8)) for name in HARD}, np.arange(5.0)[::-1].copy(), truth=HARD[2], width=width
    ),
    "frame_strip": lambda width: frames.frame_strip(
        RANDOM.integers(0, 255, (12, 2, 30, 40, 3)).astype(np.uint8), np.repeat([0, 1, -1, 2], 3), HARD, width=width
    ),
}


def texts(figure: Figure) -> list[Text]:
    """All texts that are drawn, without labels of ticks beyond the ends of their axis."""
    beyond = set()
    for ax in figure.findobj(Axes):
        for axis in (ax.xaxis, ax.yaxis):
            drawn = {id(tick) for tick in axis._update_ticks()}
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            beyond |= {id(label) for tick in ticks if id(tick) not in drawn for label in (tick.label1, tick.label2)}
    found = [each for each in figure.findobj(Text) if each.get_visible() and each.get_text().strip()]
    return [each for each in found if id(each) not in beyond]


# laws


@pytest.mark.parametrize(("width", "dark"), [(style.COLUMN, False), (style.FULL, True)], ids=["column", "page, dark"])
@pytest.mark.parametrize("name", FIGURES)
def test_texts_stay_inside_the_figure_without_overlap_and_no_state_leaks(name: str, width: float, dark: bool):
    before, open_figures = dict(mpl.rcParams), plt.get_fignums()
    with style.paper(dark=dark):
        figure = FIGURES[name](width)
    figure.draw_without_rendering()
    assert dict(mpl.rcParams) == before and plt.get_fignums() == open_figures
    outside = [each.get_text() for each in texts(figure) if not _inside(_box(each), figure.bbox)]
    assert not outside
    for ax in [each for parent in figure.axes for each in (parent, *parent.child_axes)]:
        for axis in (ax.xaxis, ax.yaxis):
            boxes = [_box(label) for label in axis.get_ticklabels() if label.get_visible() and label.get_text()]
            boxes = [box for box in boxes if box.width and _inside(box, figure.bbox)]
            assert not [1 for k, one in enumerate(boxes) for other in boxes[:k] if _overlap(one, other)], axis
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()]
    for each in legends:
        assert not _overlap(each.get_window_extent(), each.axes.bbox)
        assert not _overlap(each.get_window_extent(), _box(each.axes.xaxis.label))
    assert figure.get_facecolor() == mpl.colors.to_rgba((style.DARK if dark else style.LIGHT).paper)


def _box(words: Text) -> Bbox:
    return words.get_window_extent()


def _inside(box: Bbox, outer: Bbox) -> bool:
    slack = 1.0  # pixel: glyph outlines are antialiased
    return box.x0 >= -slack and box.y0 >= -slack and box.x1 <= outer.x1 + slack and box.y1 <= outer.y1 + slack


def _overlap(one: Bbox, other: Bbox) -> bool:
    width, height = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
    return width > 1 and height > 1  # pixel: as above


def test_labels_keep_their_size_when_drawn_outside_the_style():
    figure = FIGURES["scaling"](style.COLUMN)
    with mpl.rc_context({"xtick.labelsize": 30, "ytick.labelsize": 30}):
        figure.draw_without_rendering()
    assert {
        label.get_size() for axis in (figure.axes[0].xaxis, figure.axes[0].yaxis) for label in axis.get_ticklabels()
    } == {7}


def test_a_plot_on_dark_axes_is_dark():
    with plt.style.context("dark_background"):
        ax = Figure().subplots()
    orders.order_costs(TRUE, WRONG, ax=ax)
    assert ax.get_legend().get_texts()[0].get_color() == style.DARK.ink
    assert orders.order_costs(TRUE, WRONG).get_legend().get_texts()[0].get_color() == style.LIGHT.ink


@pytest.mark.parametrize("label", [*HARD[:2], "$", r"\$x$", "$$", r"$\frac{1}{", "_", "{", "%", ""])
def test_every_label_is_shown_verbatim(label: str):
    _, axes = style.subplots(width=12.0)
    ax = alignment.cost_matrix(np.ones((1, 1)), labels=[label], title=label, ax=axes[0, 0])
    measurements.scaling(np.ones(1), {label: np.ones(1)}, xlabel=label, ylabel=label, ax=style.axes_or_new(None, 12.0))
    ax.figure.draw_without_rendering()
    for shown in (ax.title if label == "" else ax._left_title, ax.yaxis.get_ticklabels()[0]):
        read, mathematical = shown._preprocess_math(shown.get_text())
        assert not mathematical and (read == label or read.endswith("…"))


def _luminance(colour: str) -> float:
    channels = np.array(mpl.colors.to_rgb(colour))
    return float(
        np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
    )


@pytest.mark.parametrize("look", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_colours_contrast_with_the_paper(look: style.Palette):
    for colour, least in [(look.ink, 7.0), (look.neutral, 3.0), *[(each, 3.0) for each in look.series]]:
        low, high = sorted((_luminance(colour), _luminance(look.paper)))
        assert (high + 0.05) / (low + 0.05) >= least, colour  # WCAG 2.2, contrast of text and of graphics


# Machado, Oliveira & Fernandes, "A Physiologically-based Model for Simulation of Color Vision Deficiency", IEEE TVCG
# 2009, severity 1: simulated colours, in linear RGB
SEEN = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def _lab(colour: str, seen: list[list[float]]) -> np.ndarray:
    """CIELAB of a simulated colour."""
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    x, y, z = np.cbrt(XYZ @ np.clip(np.array(seen) @ linear, 0, 1) / XYZ.sum(1))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", SEEN)
@pytest.mark.parametrize("look", [style.LIGHT, style.DARK], ids=["light", "dark"])
def test_series_are_distinguishable_with_colour_blindness(look: style.Palette, kind: str):
    seen = [_lab(colour, SEEN[kind]) for colour in look.series]
    assert min(np.linalg.norm(one - other) for k, one in enumerate(seen) for other in seen[:k]) > 11  # 2.3 is visible


def test_the_lightness_of_costs_grows_evenly():
    lightness = np.array(
        [_lab(colour, np.eye(3).tolist())[0] for colour in mpl.colormaps[style.COSTS](np.linspace(0, 1, 33))]
    )
    steps = np.diff(lightness)
    assert steps.min() > 0 and steps.max() < 2 * steps.mean()


def test_twenty_series_all_look_different():
    assert len({tuple(style.series(number).values()) for number in range(20)}) == 20
