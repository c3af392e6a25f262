"""The demo on built-in data: what order teaches without a single time stamp, and what exact ones add.

Training runs, then the notebooks that evaluate and show them, then a page.
"""

from collections.abc import Mapping
from pathlib import Path

from tempclr.experiments import runs
from tempclr.launcher.execute import NotebookRun
from tempclr.launcher.html import SavedPage
from tempclr.launcher.pool import Job, is_done, run_all
from tempclr.studies import report, steps_without_times
from tempclr.studies.training_run import TrainingRun

SEEDS = 3
FULL: Mapping[str, int] = {"steps": 300}  # half as long as in the full study; validation gains little after that
SMOKE: Mapping[str, int] = {
    "train_rooms": 16,
    "validation_rooms": 4,
    "test_rooms": 6,
    "steps": 12,
    "batch": 8,
    "warmup": 2,
    "validate_every": 4,
}


def jobs(out: Path, *, smoke: bool = False) -> tuple[list[TrainingRun], list[NotebookRun]]:
    """Return the training runs of the demo, and the notebooks that evaluate and show them.

    Args:
        out: Folder of all runs.
        smoke: As for `run`.
    """
    seeds, size = (1, SMOKE) if smoke else (SEEDS, FULL)
    trainings = steps_without_times.trainings(out, seeds=range(seeds), size=size)
    shown = str(out / "unknown-order-0")
    notebooks = [
        NotebookRun("09_steps_without_times", {"trained": str(out), "seeds": seeds, **size}, out / "steps"),
        NotebookRun("03_retrieval", {"trained": str(out), "wrong_orders": 5 if smoke else 31}, out / "retrieval"),
        NotebookRun("01_soft_dtw", {}, out / "soft-dtw"),
        *[NotebookRun("04_explore", {"trained": shown, "video": k}, out / f"explore-{k}") for k in (0, 4)],
    ]
    return trainings, notebooks


def run(out: Path, *, processes: int = 2, smoke: bool = False, saved_page: SavedPage | None = None) -> None:
    """Run what is not done yet, write the report, and print its table and location.

    Args:
        out: Folder of the report and of all runs. Finished runs are kept, and unfinished ones continue.
        processes: Training runs, then notebooks, at a time, each on one thread.
        smoke: Whether to use tiny sizes, which show that everything runs; the numbers mean nothing.
        saved_page: As for `launcher.execute.run`.

    Raises:
        ValueError: If a notebook fails, or the folder holds results of different settings or code.
    """
    out = out.resolve()
    trainings, notebooks = jobs(out, smoke=smoke)
    every: list[Job] = [*trainings, *notebooks]
    if all(map(is_done, every)) and (out / "index.html").is_file():
        print(f"The demo is done already; delete {out} to run it again.\n")
    else:
        out.mkdir(parents=True, exist_ok=True)
        run_all(trainings, processes=processes, description="training")
        run_all(notebooks, processes=processes, description="evaluating and showing", saved_page=saved_page)
        report.write(out, [job.out for job in trainings], [job.out for job in notebooks])
    metrics = runs.read_metrics(out / "steps")
    print(steps_without_times.verdict(metrics))
    print()
    print(steps_without_times.as_text(metrics))
    print(f"\nThe report is at {out / 'index.html'}")
