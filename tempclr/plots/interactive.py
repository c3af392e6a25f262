"""Plots as interactive plotly figures, under the same names, with details on hover."""

import html
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from tempclr._util.optional import import_optional
from tempclr.metrics import ranks
from tempclr.plots import _text as text
from tempclr.plots import alignment as static
from tempclr.plots import style
from tempclr.plots._inputs import check_costs, check_finite, check_path
from tempclr.plots.training import Histories, curve_of, legend_entry, shared_steps

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_WORDS = 60  # characters of a label beside a row; hovering shows all of it


def cost_matrix(
    cost: Float[np.ndarray, "n m"],
    *,
    path: Int[np.ndarray, "cells 2"] | None = None,
    alignment: Float[np.ndarray, "n m"] | None = None,
    labels: Sequence[str] | None = None,
    title: str = "",
    xlabel: str = "clip",
    ylabel: str = "sentence",
    unit: str = static.COST,
) -> "Figure":
    """Return a figure of a cost matrix and path; hovering shows a cell's row, column, cost and visit probability.

    Args:
        cost: As for `plots.alignment.cost_matrix`; forbidden cells (+inf) are left out.
        path: Cells of the best path, in order.
        alignment: Soft alignment, shown on hover.
        labels: Text of each row.
        title: Short text above the plot.
        xlabel: What a column stands for.
        ylabel: What a row stands for.
        unit: Label of the colour scale.

    Raises:
        ValueError: As `plots.alignment.cost_matrix`; if the alignment has another shape, or the extra `interactive`
            is not installed.
    """
    go = _plotly()
    check_costs(cost)
    n, m = cost.shape
    names = [str(number) for number in range(n)] if labels is None else list(labels)
    if len(names) != n:
        raise ValueError(f"expected {n} labels, one per row, got {len(names)}")
    hover = f"{_escape(ylabel)}: %{{customdata[0]}}<br>{_escape(xlabel)}: %{{x}}<br>cost: %{{z:.4g}}"
    details = [np.broadcast_to(np.array([_escape(name) for name in names], dtype=object)[:, None], (n, m))]
    if alignment is not None:
        if alignment.shape != cost.shape:
            raise ValueError(f"expected an alignment {cost.shape}, got {alignment.shape}")
        check_finite(alignment, 2, "an alignment [n, m]")
        details.append(alignment)
        hover += f"<br>{static.VISITS}: %{{customdata[1]:.3f}}"
    cells = np.where(np.isfinite(cost), cost, np.nan)
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            customdata=np.stack(details, -1),
            colorscale="Cividis",
            colorbar={"title": {"text": _escape(unit), "side": "right"}},
            hovertemplate=hover + "<extra></extra>",
            hoverongaps=False,
        )
    )
    if path is not None:
        _draw_path(figure, path, n, m)
    _dress(figure, title, xlabel, "" if labels is not None else ylabel)
    _as_matrix(figure)
    if labels is not None:
        figure.update_yaxes(tickvals=list(range(n)), ticktext=[_escape(name, _WORDS) for name in names])
    return figure


def retrieval_matrix(
    scores: Float[np.ndarray, "queries items"],
    *,
    queries: Sequence[str] | None = None,
    items: Sequence[str] | None = None,
    title: str = "",
    xlabel: str = "video",
    ylabel: str = "paragraph",
    unit: str = "score (high: better fit)",
) -> "Figure":
    """Return a figure of all scores; hovering shows query, item, score, and the item's rank for the query.

    Args:
        scores: One row per query; the right item of row i is column i, and is ringed.
        queries: Text of each query; numbers by default.
        items: Text of each item.
        title: Short text above the plot.
        xlabel: What an item is.
        ylabel: What a query is.
        unit: Label of the colour scale.

    Raises:
        ValueError: As `plots.retrieval.retrieval_matrix`; if labels do not match the rows or columns, or the
            extra `interactive` is not installed.
    """
    go = _plotly()
    check_finite(scores, 2, "scores [queries, items]")
    found = 1 + ranks(torch.from_numpy(scores)).numpy()
    rows, columns = ([str(k) for k in range(size)] for size in scores.shape)
    rows, columns = list(queries or rows), list(items or columns)
    if (len(rows), len(columns)) != scores.shape:
        raise ValueError(f"expected {scores.shape} labels of queries and items, got {len(rows)} and {len(columns)}")
    place = 1 + (-scores).argsort(1, kind="stable").argsort(1, kind="stable")
    named_rows = np.array([_escape(name) for name in rows], dtype=object)[:, None]
    named_columns = np.array([_escape(name) for name in columns], dtype=object)[None]
    details = np.stack([*np.broadcast_arrays(named_rows, named_columns, place)], -1)
    hover = f"{_escape(ylabel)}: %{{customdata[0]}}<br>{_escape(xlabel)}: %{{customdata[1]}}"
    hover += "<br>score: %{z:.4g}<br>rank: %{customdata[2]}<extra></extra>"
    bar = {"title": {"text": _escape(unit), "side": "right"}}
    figure = go.Figure(
        go.Heatmap(z=scores, customdata=details, colorscale="Cividis", colorbar=bar, hovertemplate=hover)
    )
    own = np.arange(len(scores))
    ring = {"symbol": "circle-open", "color": style.PATH, "size": 9, "line": {"width": 2}}
    figure.add_scatter(
        x=own,
        y=own,
        mode="markers",
        marker=ring,
        customdata=np.stack((named_rows[:, 0], found), -1),
        hovertemplate=f"right {_escape(xlabel)} of %{{customdata[0]}}<br>rank: %{{customdata[1]}}<extra></extra>",
        showlegend=False,
    )
    _dress(figure, title, xlabel, ylabel)
    _as_matrix(figure)
    return figure


def learning_curves(histories: Histories, key: str, *, ylabel: str, title: str = "", level: float = 0.95) -> "Figure":
    """Return a figure of one value over training steps: each method's mean, and a band that holds most runs.

    Arguments are those of `plots.training.learning_curves`. Hovering compares all methods at one training step, and
    a click on the legend hides or shows a method.

    Raises:
        ValueError: As `plots.training.learning_curves`, or if the extra `interactive` is not installed.
    """
    go = _plotly()
    if not 0 < level <= 1:
        raise ValueError(f"expected a level above 0 and at most 1, got {level}")
    figure, hues = go.Figure(), style.palette().series
    for number, (method, runs) in enumerate(histories.items()):
        curves = [curve for curve in (curve_of(run, key) for run in runs) if len(curve)]
        if not curves:
            continue
        steps, values = shared_steps(curves)
        colour = hues[number % len(hues)]
        dash = ("solid", "dash", "dashdot", "dot")[number // len(hues) % 4]
        common = {"x": steps, "legendgroup": str(number), "mode": "lines"}
        if len(curves) > 1:
            low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2), axis=0)
            edge = {**common, "line": {"width": 0, "color": colour}, "hoverinfo": "skip", "showlegend": False}
            figure.add_scatter(y=low, **edge)
            figure.add_scatter(y=high, fill="tonexty", fillcolor=_faint(colour), **edge)
        line = {"color": colour, "width": 2.5, "dash": dash}
        name = _escape(legend_entry(method, len(curves), level))
        figure.add_scatter(y=values.mean(0), line=line, name=name, **common)
    if not figure.data:
        raise ValueError(f"expected at least one run with values of {key!r}, got none")
    _dress(figure, title, "training step", ylabel)
    figure.update_layout(hovermode="x unified", legend={"orientation": "h", "y": -0.22, "x": 0})
    return figure


def _escape(words: str, most: int | None = None) -> str:
    """Return text that plotly shows verbatim, with HTML, `$` for mathematics and `%{` of templates escaped.

    Example:
        >>> _escape("<b>$5$</b>")
        '&lt;b&gt;&#36;5&#36;&lt;/b&gt;'
    """
    seen = text.visible(words)
    seen = seen[: most - 1].rstrip() + "…" if most is not None and len(seen) > most else seen
    return html.escape(seen, quote=False).replace("$", "&#36;").replace("%{", "&#37;{")


def _plotly() -> ModuleType:
    """The plotly module of figures."""
    return import_optional("plotly.graph_objects", "interactive")


def _dress(figure: "Figure", title: str, xlabel: str, ylabel: str) -> None:
    """Set labels and colours as in the matplotlib figures."""
    look = style.palette()
    figure.update_layout(
        template="plotly_dark" if style.is_dark() else "plotly_white",
        paper_bgcolor=look.paper,
        plot_bgcolor=look.paper,
        font={"color": look.ink, "size": 12},
        title={"text": _escape(title), "font": {"size": 14}},
        margin={"l": 60, "r": 20, "t": 50 if title else 20, "b": 60},
        xaxis_title_text=_escape(xlabel),
        yaxis_title_text=_escape(ylabel),
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)


def _draw_path(figure: "Figure", path: np.ndarray, n: int, m: int) -> None:
    """Draw a path as a line with a dot per cell."""
    check_path(path, n, m)
    line = {"color": style.PATH, "width": 3}
    figure.add_scatter(x=path[:, 1], y=path[:, 0], mode="lines+markers", line=line, hoverinfo="skip", showlegend=False)


def _as_matrix(figure: "Figure") -> None:
    """Count rows from the top, and draw no grid."""
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)


def _faint(colour: str) -> str:
    """A translucent version of a colour."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.18)"
