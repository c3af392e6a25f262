"""Finished training runs, opened for evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from tempclr.experiments import runs, video_text
from tempclr.experiments.experiment import Experiment
from tempclr.losses import TempCLR
from tempclr.sequences import Pair
from tempclr.training.checkpoints import load_weights

UNIT, ORDER = "unit loss only", "unit and order loss"  # methods


@dataclass(frozen=True)
class Trained:
    """One finished training run."""

    folder: Path
    experiment: Experiment

    @property
    def method(self) -> str:
        """What it was trained with: its losses, and the bounds of steps where they are not those of trimmed videos."""
        losses, bounds = ORDER if self.experiment.weight > 0 else UNIT, self.experiment.bounds
        return losses if bounds == "trimmed" else f"{losses}, {bounds} bounds"

    def pairs(self, split: str) -> Sequence[Pair]:
        """Return the videos of a split of its data."""
        return video_text.pairs(self.experiment, split)

    def model(self, pairs: Sequence[Pair], *, weights: Literal["best", "last", "initial"] = "best") -> TempCLR:
        """Return the model with its best weights, by validation, those of the last step, or those before training."""
        model = video_text.model(self.experiment, pairs)
        if weights != "initial":
            load_weights(model, self.folder / f"{weights}.pt")
        return model.eval()


def open_trained(folder: Path | str) -> Trained:
    """Return a finished training run.

    Raises:
        ValueError: If the folder does not hold one.
    """
    folder = Path(folder)
    runs.read_metrics(folder)
    stored = runs.read_params(folder)
    known = {field.name for field in fields(Experiment)}
    if "experiment" not in stored or set(stored["experiment"]) != known:
        raise ValueError(f"expected a training run of this version at {folder}, got other parameters")
    return Trained(folder, Experiment(**stored["experiment"]))


def find_trained(folder: Path | str = "") -> list[Trained]:
    """Return the training runs in a folder, or the one that it holds itself, sorted by method and seed.

    Args:
        folder: Empty for the runs of the demo.

    Raises:
        ValueError: If there is none.
    """
    places = [Path(folder)] if folder else [Path("runs/demo"), Path("../runs/demo")]
    for place in places:
        candidates = [place, *sorted(place.iterdir())] if place.is_dir() else []
        found = [path for path in candidates if (path / "best.pt").is_file() and runs.is_done(path)]
        found = [path for path in found if "experiment" in runs.read_params(path)]  # others train for another task
        if found:
            return sorted(map(open_trained, found), key=_place)
    raise ValueError(
        f"expected training runs in {' or '.join(map(str, places))}, found none; run 02_train or the demo first"
    )


def _place(run: Trained) -> tuple:
    """Where a run stands among others: by bounds, losses and seed."""
    return run.experiment.bounds, run.experiment.weight > 0, run.experiment.seed
