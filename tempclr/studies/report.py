"""The page of the demo: a summary of its runs with embedded pictures, which needs no network."""

import json
from collections.abc import Sequence
from pathlib import Path

from tempclr._util.files import write_text
from tempclr.experiments import runs
from tempclr.metrics import Interval
from tempclr.studies import steps_without_times
from tempclr.studies._differences import signed_range
from tempclr.studies._page import picture, render

PAGES = ("explorer.html", "training.html")  # views in the folder of a run
PICTURES = ("true", "split", "sharpening", "differences", "curves", "recall", "order", "training")


def write(out: Path, trainings: Sequence[Path], notebooks: Sequence[Path]) -> None:
    """Write `index.html` and `metrics.json` into a folder.

    Args:
        out: The folder, which contains the runs; the page links to the executed notebooks.
        trainings: Finished training runs.
        notebooks: Finished runs of notebooks, in the order of their links: that of `09_steps_without_times` first,
            then that of `03_retrieval`, and those of `04_explore` among the others.
    """
    steps, retrieval, *others = notebooks
    metrics = runs.read_metrics(steps)
    judged = [*steps_without_times.RECALLS, steps_without_times.LAST, steps_without_times.NAMED]
    page = render(
        "report.html.jinja",
        verdict=steps_without_times.verdict(metrics),
        metrics=metrics,
        judged=judged,
        rows=[{**row, "values": [str(Interval(**row[what])) for what in judged]} for row in metrics["table"]],
        differences=[
            {
                **each,
                "difference": Interval(**each["difference"]).signed(),
                "adjusted": signed_range(Interval(**each["adjusted"])),
            }
            for each in metrics["differences"]
        ],
        steps=_shown(steps),
        retrieval=_shown(retrieval),
        videos=[_shown(folder) for folder in others if (folder / PAGES[0]).is_file()],
        settings=_settings(trainings),
        seconds=sum(_env(folder)["seconds"] for folder in trainings),
        notebooks=[{"name": folder.name, "seconds": _env(folder)["seconds"]} for folder in notebooks],
        environment=_env(steps),
    )
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(out / "index.html", page)


def _shown(folder: Path) -> dict[str, str]:
    """Pictures of a run as data URLs, and links to its views; empty where it has none."""
    pictures = {name: picture(folder / f"{name}.png") for name in PICTURES}
    pages = {name: f"{folder.name}/{name}" if (folder / name).is_file() else "" for name in PAGES}
    return pictures | {"explorer_page": pages[PAGES[0]], "training_page": pages[PAGES[1]]}


def _env(folder: Path) -> dict:
    """How a run was executed."""
    return json.loads((folder / "env.json").read_text())


def _settings(trainings: Sequence[Path]) -> list[tuple[str, str]]:
    """All settings of the training runs, with every value where runs differ."""
    stored = [runs.read_params(folder) for folder in trainings]
    flat = [
        {**params["experiment"], **{f"training: {name}": value for name, value in params["config"].items()}}
        for params in stored
    ]
    return [(name, ", ".join(dict.fromkeys(str(params[name]) for params in flat))) for name in flat[0]]
