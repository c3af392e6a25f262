"""The plots that one reads with a pointer, as plotly figures: the same names, with what a cell or point is on hover."""

import html
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float, Int

from tempclr._util.optional import import_optional
from tempclr.metrics import ranks
from tempclr.plots import alignment as static
from tempclr.plots import style, text
from tempclr.plots.inputs import check_costs, check_finite, check_path
from tempclr.plots.training import Histories, curve_of, named, shared_steps

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WORDS = 60  # characters of a label beside a row; all of it is shown on hover


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
    """Return a cost matrix with its path; on hover a cell tells its row, column, cost and probability of visit.

    Args:
        cost: As for `plots.alignment.cost_matrix`; forbidden cells (+inf) are left out.
        path: Cells of the best path, in order.
        alignment: Soft alignment, shown on hover.
        labels: Text of each row.
        title: Short; stands above.
        xlabel: What a column is.
        ylabel: What a row is.
        unit: What the colours measure.

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
    told = f"{shown(ylabel)}: %{{customdata[0]}}<br>{shown(xlabel)}: %{{x}}<br>cost: %{{z:.4g}}"
    details = [np.broadcast_to(np.array([shown(name) for name in names], dtype=object)[:, None], (n, m))]
    if alignment is not None:
        if alignment.shape != cost.shape:
            raise ValueError(f"expected an alignment {cost.shape}, got {alignment.shape}")
        check_finite(alignment, 2, "an alignment [n, m]")
        details.append(alignment)
        told += f"<br>{static.VISITS}: %{{customdata[1]:.3f}}"
    cells = np.where(np.isfinite(cost), cost, np.nan)
    figure = go.Figure(
        go.Heatmap(
            z=cells,
            customdata=np.stack(details, -1),
            colorscale="Cividis",
            colorbar={"title": {"text": shown(unit), "side": "right"}},
            hovertemplate=told + "<extra></extra>",
            hoverongaps=False,
        )
    )
    if path is not None:
        check_path(path, n, m)
        line = {"color": style.PATH, "width": 3}
        figure.add_scatter(
            x=path[:, 1], y=path[:, 0], mode="lines+markers", line=line, hoverinfo="skip", showlegend=False
        )
    _dress(figure, title, xlabel, "" if labels is not None else ylabel)
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    if labels is not None:
        figure.update_yaxes(tickvals=list(range(n)), ticktext=[shown(name, WORDS) for name in names])
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
    """Return all scores; on hover a cell tells its query, item, score and rank among the query's items.

    Args:
        scores: One row per query; its right item, the column of the same number, is ringed.
        queries: Text of each query; numbers where there are none.
        items: Text of each item.
        title: Short; stands above.
        xlabel: What an item is.
        ylabel: What a query is.
        unit: What the colours measure.

    Raises:
        ValueError: As `plots.retrieval.retrieval_matrix`; if labels are not as many as rows or columns, or the extra
            `interactive` is not installed.
    """
    go = _plotly()
    check_finite(scores, 2, "scores [queries, items]")
    found = 1 + ranks(torch.from_numpy(scores)).numpy()
    rows, columns = ([str(k) for k in range(size)] for size in scores.shape)
    rows, columns = list(queries or rows), list(items or columns)
    if (len(rows), len(columns)) != scores.shape:
        raise ValueError(f"expected {scores.shape} labels of queries and items, got {len(rows)} and {len(columns)}")
    place = 1 + (-scores).argsort(1, kind="stable").argsort(1, kind="stable")
    named_rows = np.array([shown(name) for name in rows], dtype=object)[:, None]
    named_columns = np.array([shown(name) for name in columns], dtype=object)[None]
    details = np.stack([*np.broadcast_arrays(named_rows, named_columns, place)], -1)
    told = f"{shown(ylabel)}: %{{customdata[0]}}<br>{shown(xlabel)}: %{{customdata[1]}}"
    told += "<br>score: %{z:.4g}<br>rank: %{customdata[2]}<extra></extra>"
    bar = {"title": {"text": shown(unit), "side": "right"}}
    figure = go.Figure(go.Heatmap(z=scores, customdata=details, colorscale="Cividis", colorbar=bar, hovertemplate=told))
    own = np.arange(len(scores))
    ring = {"symbol": "circle-open", "color": style.PATH, "size": 9, "line": {"width": 2}}
    figure.add_scatter(
        x=own,
        y=own,
        mode="markers",
        marker=ring,
        customdata=np.stack((named_rows[:, 0], found), -1),
        hovertemplate=f"right {shown(xlabel)} of %{{customdata[0]}}<br>rank: %{{customdata[1]}}<extra></extra>",
        showlegend=False,
    )
    _dress(figure, title, xlabel, ylabel)
    figure.update_yaxes(autorange="reversed", showgrid=False, zeroline=False)
    figure.update_xaxes(showgrid=False, zeroline=False)
    return figure


def learning_curves(histories: Histories, key: str, *, ylabel: str, title: str = "", level: float = 0.95) -> "Figure":
    """Return one value over the steps of training: the mean of each method's runs, and the band that most keep.

    Arguments are those of `plots.training.learning_curves`; the same steps of all methods are compared on hover, and
    the legend hides or shows a method.

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
        figure.add_scatter(y=values.mean(0), line=line, name=shown(named(method, len(curves), level)), **common)
    if not figure.data:
        raise ValueError(f"expected at least one run with values of {key!r}, got none")
    _dress(figure, title, "step of training", ylabel)
    figure.update_layout(hovermode="x unified", legend={"orientation": "h", "y": -0.22, "x": 0})
    return figure


def shown(words: str, most: int | None = None) -> str:
    """Return text that plotly shows as it is: it would read HTML, mathematics between $ and %{...} in templates.

    Example:
        >>> shown("<b>$5$</b>")
        '&lt;b&gt;&#36;5&#36;&lt;/b&gt;'
    """
    seen = text.visible(words)
    seen = seen[: most - 1].rstrip() + "…" if most is not None and len(seen) > most else seen
    return html.escape(seen, quote=False).replace("$", "&#36;").replace("%{", "&#37;{")


def _plotly() -> ModuleType:
    """What draws."""
    return import_optional("plotly.graph_objects", "interactive")


def _dress(figure: "Figure", title: str, xlabel: str, ylabel: str) -> None:
    """Set words and colours as the matplotlib figures have them."""
    look = style.palette()
    figure.update_layout(
        template="plotly_dark" if style.is_dark() else "plotly_white",
        paper_bgcolor=look.paper,
        plot_bgcolor=look.paper,
        font={"color": look.ink, "size": 12},
        title={"text": shown(title), "font": {"size": 14}},
        margin={"l": 60, "r": 20, "t": 50 if title else 20, "b": 60},
        xaxis_title_text=shown(xlabel),
        yaxis_title_text=shown(ylabel),
    )
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)


def _faint(colour: str) -> str:
    """A colour that lets what is under it show."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.18)"
