"""Every matplotlib figure of the package on small data with hard labels, for the laws that all must keep."""

import numpy as np
import torch
from matplotlib.figure import Figure

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
WRONG = {name: TRUE[:, None] + RANDOM.gamma(2, 0.3, (12, 20)) for name in ("sentences", "segments", "clips within segments")}
RESULTS = {
    method: {HARD[row]: Interval(mean, mean - 0.1, mean + 0.1, 9) for row, mean in enumerate((0.3, 0.5, 0.6))}
    for method, mean in (("unit loss only", 0), ("TempCLR", 0), ("_hidden", 0))
}


def on(plot, *arguments, width: float, height: float = 2.4, **options) -> Figure:
    """A plot on axes of a width."""
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
