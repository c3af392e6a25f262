"""One page over the runs of the demo: pictures inside it, live views beside it, nothing from the network."""

import base64
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from tempclr._util.files import write_text
from tempclr._util.optional import import_optional
from tempclr.experiments import runs
from tempclr.metrics import Interval
from tempclr.studies.comparison import DIFFERENCE

PAGE = "explorer.html"  # that an exploration leaves in its folder


def write(out: Path, training: Sequence[Path], retrieval: Path, looking: Sequence[Path]) -> None:
    """Write `index.html` and `metrics.json` into a folder.

    Args:
        out: The folder; the runs lie in it, and the page links to their notebooks.
        training: Finished training runs.
        retrieval: Finished run of 03_retrieval.
        looking: Finished runs of other notebooks, in the order in which they are linked.
    """
    metrics = runs.read_metrics(retrieval)
    explored = [folder for folder in looking if (folder / "training.png").is_file()]
    environment = import_optional("jinja2", "notebooks").Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string(
        files("tempclr.studies").joinpath("report.html.jinja").read_text(encoding="utf-8")
    )
    page = template.render(
        metrics=metrics,
        rows=[
            {**row, "r1": _interval(row["R@1"]), "noticed": _interval(row["wrong orders noticed"])}
            for row in metrics["table"]
        ],
        differences={score: _signed(value) for score, value in metrics[DIFFERENCE].items()},
        verdict=verdict(metrics),
        pictures={name: picture(retrieval / f"{name}.png") for name in ("recall", "order", "matrix", "curves")},
        videos=[
            {
                "training": picture(folder / "training.png"),
                "order": picture(folder / "order.png"),
                "frames": picture(folder / "frames.png"),
                "page": f"{folder.name}/{PAGE}" if (folder / PAGE).is_file() else "",
            }
            for folder in explored
        ],
        settings=_settings(training),
        notebooks=[
            {"name": folder.name, "seconds": json.loads((folder / "env.json").read_text())["seconds"]}
            for folder in (*training, retrieval, *looking)
        ],
        environment=json.loads((retrieval / "env.json").read_text()),
    )
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(out / "index.html", page)


def picture(path: Path) -> str:
    """Return a PNG as a data address, or nothing where there is no such file."""
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def verdict(metrics: dict) -> str:
    """Return in one sentence whether the order loss made a difference to R@1 by DTW."""
    value = metrics[DIFFERENCE].get("DTW")
    if value is None:
        return "Only one method was trained, so there is nothing to compare."
    found = _signed(value)
    if value["low"] > 0:
        return f"Here the order loss helps: it changes R@1 by DTW by {found}."
    if value["high"] < 0:
        return f"Here the order loss hurts: it changes R@1 by DTW by {found}."
    return f"Here the order loss makes no difference that these runs could show: it changes R@1 by DTW by {found}."


def _interval(value: dict) -> str:
    """An interval for a table cell."""
    return str(Interval(**value))


def _signed(value: dict) -> str:
    """A difference with its sign and interval."""
    return f"{value['mean']:+.2f} ({value['low']:+.2f} to {value['high']:+.2f})"


def _settings(training: Sequence[Path]) -> list[tuple[str, str]]:
    """Every setting of the training runs; several values where runs differ."""
    stored = [runs.read_params(folder) for folder in training]
    flat = [
        {**params["experiment"], **{f"training: {name}": value for name, value in params["config"].items()}}
        for params in stored
    ]
    return [(name, ", ".join(dict.fromkeys(str(params[name]) for params in flat))) for name in flat[0]]
