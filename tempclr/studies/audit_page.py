"""The folder of an order audit: its page, pictures and numbers."""

import json
from pathlib import Path

from tempclr import __version__
from tempclr._util.files import write_text
from tempclr._util.optional import import_optional
from tempclr.experiments.choices import SCORES, SIDES, WRONG_SEQUENCES
from tempclr.launcher.folder import complete_folder, run_id
from tempclr.metrics import Interval
from tempclr.studies._page import picture, render
from tempclr.studies.audit import as_text, shown, shown_interval
from tempclr.tasks.order_audit import ORACLE, ORDER_FREE


def write(out: Path, metrics: dict) -> None:
    """Write `index.html`, `metrics.json`, `audit.txt` and the pictures of an audit into a new folder, all or none.

    Args:
        out: The folder. It must not exist, nor may `<out>.partial`, which an interrupted call leaves.
        metrics: The result of `audit.as_metrics`.

    Raises:
        ValueError: If one of them exists, or jinja2 or matplotlib is not installed.
    """
    check(out)
    with complete_folder(out, {"id": run_id(metrics)}) as folder:
        drawn = {side: _draw(folder, side, metrics) for side in dict.fromkeys(row["side"] for row in metrics["table"])}
        write_text(folder / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
        write_text(folder / "audit.txt", as_text(metrics) + "\n")
        write_text(folder / "index.html", page(metrics, drawn))


def check(out: Path) -> None:
    """Refuse a folder that exists and missing packages, before anything is computed."""
    for folder in (out, out.with_name(out.name + ".partial")):  # the second is what an interrupted audit leaves
        if folder.exists():
            raise ValueError(f"expected a folder that does not exist, got {folder}; delete it or choose another")
    import_optional("jinja2", "notebooks")
    import_optional("matplotlib", "plots")


def page(metrics: dict, pictures: dict[str, dict[str, str]]) -> str:
    """Return the page of an audit, which loads nothing from elsewhere.

    Args:
        metrics: The result of `audit.as_metrics`.
        pictures: For each side, a "light" and a "dark" picture as data URLs.
    """
    sides = [
        {
            "name": side,
            "help": SIDES[side].help,
            "kinds": [(kind, WRONG_SEQUENCES[kind].help) for kind in _distinct(metrics, "kind", side=side)],
            "models": [_model(metrics, side, model) for model in _distinct(metrics, "model", side=side)],
            "pictures": pictures[side],
        }
        for side in _distinct(metrics, "side")
    ]
    scores = [(name, SCORES[name].help) for name in _distinct(metrics, "score") if name in SCORES]
    kinds = [(kind, WRONG_SEQUENCES[kind].help) for kind in _distinct(metrics, "kind")]
    return render("audit.html.jinja", metrics=metrics, sides=sides, kinds=kinds, scores=scores, version=__version__)


def _distinct(metrics: dict, field: str, **where: str) -> list[str]:
    """The different values of a field, in the order of the table."""
    rows = (row for row in metrics["table"] if all(row[name] == value for name, value in where.items()))
    return list(dict.fromkeys(row[field] for row in rows))


def _model(metrics: dict, side: str, model: str) -> dict:
    """The rows of one model on one side: scores with a cell per kind, then controls and numbers."""
    own = [row for row in metrics["table"] if (row["side"], row["model"]) == (side, model)]
    found = {(row["score"], row["kind"]): row for row in own}
    kinds = _distinct(metrics, "kind", side=side)
    scores = list(dict.fromkeys(score for score, _ in found))
    first = {kind: found.get((scores[0], kind)) for kind in kinds}
    return {
        "name": model,
        "seeds": next(iter(found.values()))["seeds"],
        "scores": [(score, [_cell(found.get((score, kind))) for kind in kinds]) for score in scores],
        "controls": [
            (name, [shown(row[name]) if row else "-" for row in first.values()]) for name in (ORDER_FREE, ORACLE)
        ],
        "numbers": [
            (label, [f"{row[name]:,}" if row else "-" for row in first.values()])
            for label, name in (("videos", "videos"), ("skipped", "skipped"), ("wrong orders", "orders"))
        ],
    }


def _cell(row: dict | None) -> dict:
    """One share: as text, with its interval, and how strongly its cell is coloured, in percent."""
    if row is None or row["noticed"] is None:
        return {"mean": "-", "interval": "", "strength": 0, "tied": ""}
    found = row["noticed"]
    return {
        "mean": f"{found['mean']:.2f}",
        "interval": f"{found['low']:.2f} to {found['high']:.2f}",
        "strength": round(45 * found["mean"]),
        "tied": f"{shown_interval(found)}; {shown(row['tied'])} tie",
    }


def _draw(folder: Path, side: str, metrics: dict) -> dict[str, str]:
    """Draw the shares of one side, light and dark, into a folder, and return the pictures as data URLs."""
    from tempclr.plots import orders, style

    results: dict[str, dict[str, dict[str, Interval]]] = {}
    for row in metrics["table"]:
        if row["side"] == side and row["noticed"] is not None:
            results.setdefault(row["model"], {}).setdefault(row["score"], {})[row["kind"]] = Interval(**row["noticed"])
    found = {}
    for look in ("light", "dark") if results else ():
        path = folder / f"{side}-{look}.png"
        with style.paper(dark=look == "dark"):
            width = style.FULL if len(results) > 1 else style.COLUMN + 1.2
            orders.orders_noticed(results, chance=metrics["chance"], width=width).savefig(path)
        found[look] = picture(path)
    return found
