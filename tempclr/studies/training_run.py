"""A training run without a notebook, as a job: the same files and numbers as `02_train`, in a fraction of the time."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from tempclr._util.settings import from_parameters
from tempclr.experiments.experiment import Experiment
from tempclr.launcher.folder import complete_folder, run_id
from tempclr.launcher.html import SavedPage
from tempclr.training.config import TrainConfig


@dataclass(frozen=True)
class TrainingRun:
    """What is trained and how, and the folder of the result: a job of `launcher.pool`."""

    experiment: Experiment
    config: TrainConfig
    out: Path

    @classmethod
    def of(cls, parameters: Mapping[str, object], out: Path) -> "TrainingRun":
        """Return a training run by the parameters of `02_train`.

        Raises:
            ValueError: If a parameter is unknown or its value is refused.
        """
        for name in parameters:
            if name not in {**vars(Experiment()), **vars(TrainConfig())}:
                raise ValueError(f"expected parameters of Experiment and TrainConfig, got {name!r}")
        return cls(from_parameters(Experiment, parameters), from_parameters(TrainConfig, parameters), out)

    def __str__(self) -> str:
        return f"training into {self.out}"

    @property
    def id(self) -> str:
        """Hash of the parameters and the code."""
        return run_id([asdict(self.experiment), asdict(self.config)])

    def execute(self, saved_page: SavedPage | None = None) -> None:
        """Train, or continue an interrupted training.

        Raises:
            KeyboardInterrupt: On SIGTERM, after the current step. The same call continues.
        """
        from tempclr.experiments.fit import fit  # loads torch
        from tempclr.experiments.runs import Run

        with complete_folder(self.out, {"id": self.id}) as partial:
            run = Run(partial, experiment=self.experiment, config=self.config)
            for record in fit(self.experiment, self.config, run):
                if record.ended == "terminated":
                    raise KeyboardInterrupt
