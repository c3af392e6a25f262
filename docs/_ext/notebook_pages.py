"""Turn executed notebooks into pages of the site."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import nbformat
from tempclr_widgets import saved_page

from tempclr.launcher.execute import NotebookRun
from tempclr.launcher.html import replace_widgets
from tempclr.launcher.parameters import notebook_path, resolve
from tempclr.launcher.pool import Job, is_done, run_all
from tempclr.studies import demo
from tempclr.studies.training_run import TrainingRun

ABLATION = {"seeds": 2, "choices": "unknown"}  # of 08_ablation; with eight seeds and all choices, it takes long
TRAINING = {**demo.SMOKE, "checkpoint_every": 4}
SMOKE: Mapping[str, Mapping[str, object]] = {
    "02_train": TRAINING,
    "03_retrieval": {"wrong_orders": 5},
    "05_gallery": {"wrong_orders": 3},
    "06_localization": {**TRAINING, "first_steps": 4, "orders_per_room": 2},
    "07_few_shot": {
        "train_sets": 2,
        "validation_sets": 2,
        "test_sets": 2,
        "things": 2,
        "orders_per_set": 2,
        "videos_per_class": 3,
        "batch": 8,
        "steps": 6,
        "warmup": 1,
        "validate_every": 3,
        "ways": 3,
        "shots": [1, 2],
        "episodes": 50,
    },
    "09_steps_without_times": demo.SMOKE,
    "08_ablation": {
        **{name: value for name, value in TRAINING.items() if name != "checkpoint_every"},
        "choices": "anchor",
        "seeds": 2,
    },
}


def execute(notebooks: Path, runs: Path, *, smoke: bool, keep: bool) -> list[Path]:
    """Execute the notebooks that have no current run, and return the folders of all runs.

    Args:
        notebooks: Folder of the notebooks.
        runs: Folder that keeps runs between calls; a run of other code or parameters is repeated.
        smoke: Use tiny sizes, whose numbers mean nothing, instead of the defaults.
        keep: Reuse finished runs, even those of other code.
    """
    first, then = jobs(notebooks, runs, smoke=smoke)
    for each in (first, then):
        waiting = [job for job in each if not (keep and job.out.is_dir()) and not _current(job)]
        if waiting:
            run_all(waiting, processes=2, description="notebooks", saved_page=saved_page)
    return [job.out for job in then]


def jobs(notebooks: Path, runs: Path, *, smoke: bool) -> tuple[list[TrainingRun], list[NotebookRun]]:
    """Return the jobs that train the demo's models, and those of the notebooks, some of which open these models."""
    trained = runs / "demo"
    first, _ = demo.jobs(trained, smoke=smoke)
    then = []
    for path in sorted(notebooks.glob("*.ipynb")):
        given = dict(SMOKE.get(path.stem, {})) if smoke else {}
        if path.stem in ("03_retrieval", "04_explore", "05_gallery", "09_steps_without_times"):
            given["trained"] = str(trained)
        if path.stem == "09_steps_without_times":
            given |= {"seeds": 1} if smoke else {"seeds": demo.SEEDS, **demo.FULL}
        if path.stem == "08_ablation":
            given = {**ABLATION, **given}
        then.append(NotebookRun(str(path), given, runs / path.stem))
    return first, then


def write(run: Path, folder: Path, *, smoke: bool) -> None:
    """Write the page of an executed notebook."""
    notebook = nbformat.read(run / "notebook.ipynb", as_version=4)
    replace_widgets(notebook, saved_page)
    cells = [cell for cell in notebook.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
    notebook.cells = [*cells[:1], nbformat.v4.new_markdown_cell(_note(run, smoke)), *cells[1:]]
    _save(notebook, folder / f"{run.name}.ipynb", places=f"{run.parent}/")


def write_unexecuted(notebooks: Path, folder: Path) -> None:
    """Write the pages of notebooks without outputs."""
    for path in notebooks.glob("*.ipynb"):
        _save(nbformat.read(path, as_version=4), folder / path.name)


def _note(run: Path, smoke: bool) -> str:
    """How the notebook of a page was executed."""
    given = json.loads((run / "env.json").read_text())["parameters"]
    defaults = resolve(notebook_path(run.name), {})
    changed = {name: value for name, value in given.items() if name in defaults and defaults[name] != value}
    trained = changed.pop("trained", None)
    command = f"tempclr run {run.name}" + "".join(f" -p {name}={value}" for name, value in changed.items())
    if smoke:
        return "```{warning}\nExecuted at a tiny size, to show that everything runs. The numbers mean nothing.\n```"
    text = f"Executed by `{command}`" + (", on the training runs of the demo." if trained else ".")
    if run.name == "08_ablation":
        text += (
            f" With {ABLATION['seeds']} seeds instead of 8, the intervals are wide;"
            " [Which choices matter](../ablation.md) has all results."
        )
    return f"```{{note}}\n{text}\n```"


def _save(notebook: nbformat.NotebookNode, path: Path, *, places: str = "") -> None:
    """Write a notebook as a page, without the path of its run on this machine."""
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(nbformat.writes(notebook).replace(places, "runs/") if places else nbformat.writes(notebook))


def _current(job: Job) -> bool:
    """Whether a run exists and was made by this code; delete it if other code made it."""
    for folder in (job.out, job.out.with_name(f"{job.out.name}.partial")):
        stored = folder / "env.json"
        if folder.exists() and not (stored.is_file() and json.loads(stored.read_text()).get("id") == job.id):
            shutil.rmtree(folder)
    return is_done(job)
