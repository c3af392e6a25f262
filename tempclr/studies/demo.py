"""The demo on built-in data: train with and without the order loss, evaluate, explore, report.

The difficulty of the data was chosen once, on the validation split with the unit loss only, so that no result
saturates. The weight of the order loss was chosen from 0.3 and 0.7, its temperature from 0.2 and 1.
"""

from collections.abc import Mapping
from pathlib import Path

from tempclr.experiments import runs, video_text
from tempclr.experiments.experiment import Experiment
from tempclr.launcher.execute import NotebookRun
from tempclr.launcher.html import SavedPage
from tempclr.launcher.pool import Job, is_done, run_all
from tempclr.studies import comparison, report
from tempclr.studies.training_run import TrainingRun

SEEDS = (0, 1, 2)
METHODS: Mapping[str, Mapping[str, float]] = {"unit": {"weight": 0.0}, "tempclr": {"weight": 0.3, "temperature": 0.2}}
FULL: Mapping[str, int] = {
    "train_rooms": 200,
    "validation_rooms": 32,
    "test_rooms": 48,
    "steps": 200,
    "validate_every": 40,
}
SMOKE: Mapping[str, int] = {
    "train_rooms": 16,
    "validation_rooms": 4,
    "test_rooms": 6,
    "steps": 12,
    "warmup": 2,
    "validate_every": 4,
    "checkpoint_every": 4,
}


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
    size = SMOKE if smoke else FULL
    training = [
        TrainingRun.of({"seed": seed, **size, **method}, out / f"train-{name}-{seed}")
        for seed in (SEEDS[:1] if smoke else SEEDS)
        for name, method in METHODS.items()
    ]
    looking = [
        NotebookRun("03_retrieval", {"trained": str(out), "wrong_orders": 5 if smoke else 31}, out / "retrieval"),
        NotebookRun("01_soft_dtw", {}, out / "soft-dtw"),
        *[
            NotebookRun(
                "04_explore", {"trained": str(out / "train-tempclr-0"), "video": video}, out / f"explore-{video}"
            )
            for video in (0, 4)
        ],
    ]
    every: list[Job] = [*training, *looking]
    if all(map(is_done, every)) and (out / "index.html").is_file():
        print(f"The demo is done already; delete {out} to run it again.\n")
    else:
        out.mkdir(parents=True, exist_ok=True)
        if not all(map(is_done, training)):
            _render(training[0].experiment)
        run_all(training, processes=processes, description="training")
        run_all(
            looking, processes=processes, description="evaluating and exploring", unit="notebook", saved_page=saved_page
        )
        report.write(out, [job.out for job in training], out / "retrieval", [job.out for job in looking[1:]])
    print(comparison.as_text(runs.read_metrics(out / "retrieval")))
    print(f"\nThe report is at {out / 'index.html'}")


def _render(experiment: Experiment) -> None:
    """Render the videos that all training runs share into the cache, with a progress bar."""
    for split in ("train", "validation", "test"):
        video_text.pairs(experiment, split)
