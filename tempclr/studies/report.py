"""The page of the demo: a summary of its runs with embedded pictures, which needs no network."""

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

PAGE = "explorer.html"  # in the folder of an exploration


def write(out: Path, training: Sequence[Path], retrieval: Path, looking: Sequence[Path]) -> None:
    """Write `index.html` and `metrics.json` into a folder.

    Args:
        out: The folder, which contains the runs; the page links to the executed notebooks.
        training: Finished training runs.
        retrieval: Finished run of 03_retrieval.
        looking: Finished runs of other notebooks, in the order of their links.
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
            {**row, "r1": str(Interval(**row["R@1"])), "noticed": str(Interval(**row["wrong orders noticed"]))}
            for row in metrics["table"]
        ],
        differences={score: Interval(**value).signed() for score, value in metrics[DIFFERENCE].items()},
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
            for folder in (retrieval, *looking)
        ],
        seconds=sum(json.loads((folder / "env.json").read_text())["seconds"] for folder in training),
        environment=json.loads((retrieval / "env.json").read_text()),
    )
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(out / "index.html", page)


def picture(path: Path) -> str:
    """Return a PNG as a data URL, or an empty string if there is no such file."""
    if not path.is_file():
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def verdict(metrics: dict) -> str:
    """Return in one sentence whether the order loss changes R@1 by DTW."""
    value = metrics[DIFFERENCE].get("DTW")
    if value is None:
        return "Only one method was trained, so there is nothing to compare."
    found = Interval(**value).signed()
    if value["low"] > 0:
        return f"Here the order loss helps: it changes R@1 by DTW by {found}."
    if value["high"] < 0:
        return f"Here the order loss hurts: it changes R@1 by DTW by {found}."
    return f"Here these runs show no clear effect of the order loss: it changes R@1 by DTW by {found}."


def _settings(training: Sequence[Path]) -> list[tuple[str, str]]:
    """All settings of the training runs, with every value where runs differ."""
    stored = [runs.read_params(folder) for folder in training]
    flat = [
        {**params["experiment"], **{f"training: {name}": value for name, value in params["config"].items()}}
        for params in stored
    ]
    return [(name, ", ".join(dict.fromkeys(str(params[name]) for params in flat))) for name in flat[0]]
