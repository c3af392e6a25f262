"""Settings chosen on validation, from equally many trials of each kind of training; the test split is never read.

All trials share one seed, of weights and of training rooms, which is used for nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType

from tempclr.experiments.runs import read_history
from tempclr.studies._tables import aligned
from tempclr.studies.steps_without_times import BOUNDS, METHODS, training
from tempclr.studies.training_run import TrainingRun

SEED = 99
GRIDS: Mapping[str, Mapping[str, tuple[float, ...]]] = MappingProxyType(
    {
        "unit": {"unit_temperature": (0.05, 0.1, 0.2), "learning_rate": (5e-4, 1e-3), "length": (1.0, 2.0)},
        "order": {"temperature": (0.03, 0.05, 0.1, 0.2), "weight": (0.3, 0.5, 0.7)},
    }
)


@dataclass(frozen=True)
class Trial:
    """Settings that were tried."""

    bounds: str
    method: str
    settings: Mapping[str, float]  # as for `steps_without_times.training`
    history: Sequence[Mapping[str, object]]  # one record per training step

    @property
    def score(self) -> float:
        """Validation R@1 by DTW, 0 to 1: the highest over training."""
        return max(each for each in (record["score"] for record in self.history) if isinstance(each, float))


def trials(out: Path, *, size: Mapping[str, object] = MappingProxyType({})) -> list[TrainingRun]:
    """Return the training runs of all trials; `size` as for `steps_without_times.training`."""
    return [
        training(bounds, method, out / name, seed=SEED, settings=settings, size=size)
        for bounds, method, settings, name in _all()
    ]


def tried(out: Path) -> list[Trial]:
    """Return the finished trials in a folder.

    Raises:
        ValueError: If one is missing.
    """
    return [Trial(bounds, method, settings, read_history(out / name)) for bounds, method, settings, name in _all()]


def chosen(found: Sequence[Trial]) -> dict[tuple[str, str], Mapping[str, float]]:
    """Return the settings with the highest score, by bounds and method; of equal ones, the first."""
    best: dict[tuple[str, str], Trial] = {}
    for trial in found:
        key = (trial.bounds, trial.method)
        if key not in best or trial.score > best[key].score:
            best[key] = trial
    return {key: trial.settings for key, trial in best.items()}


def as_text(found: Sequence[Trial]) -> str:
    """Return all trials as aligned text, the best of each kind of training marked."""
    best = chosen(found)
    rows = [
        (
            trial.bounds,
            METHODS[trial.method],
            ", ".join(f"{name} {value:g}" for name, value in trial.settings.items()),
            f"{trial.score:.3f}",
            "chosen" if trial.settings == best[trial.bounds, trial.method] else "",
        )
        for trial in found
    ]
    return aligned(("bounds", "training", "settings", "validation R@1 by DTW", ""), rows)


def _all() -> list[tuple[str, str, dict[str, float], str]]:
    """Bounds, method, settings and folder of every trial."""
    found = []
    for bounds, method in product(BOUNDS, METHODS):
        for values in product(*GRIDS[method].values()):
            settings = dict(zip(GRIDS[method], values, strict=True))
            found.append((bounds, method, settings, "-".join([bounds, method, *(f"{value:g}" for value in values)])))
    return found
