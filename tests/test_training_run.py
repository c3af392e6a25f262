"""Training runs without a notebook."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tempclr.experiments.runs import read_history
from tempclr.launcher.pool import is_done, run_all
from tempclr.studies.training_run import TrainingRun

TINY = {
    "train_rooms": 8,
    "validation_rooms": 2,
    "test_rooms": 2,
    "batch": 4,
    "steps": 4,
    "warmup": 1,
    "validate_every": 2,
    "checkpoint_every": 2,
}


def numbers(folder: Path) -> list[dict]:
    """The history of a run without times."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_history(folder)]


# laws


@pytest.mark.usefixtures("one_thread")
def test_an_interrupted_training_run_continues_to_the_same_numbers(tmp_path: Path):
    parameters = {**TINY, "steps": 40, "validate_every": 40, "checkpoint_every": 40}
    whole, stopped = (TrainingRun.of(parameters, tmp_path / name) for name in ("whole", "stopped"))
    whole.execute()
    partial = tmp_path / "stopped.partial"

    def interrupt() -> None:
        while not (partial / "history.jsonl").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        stopped.execute()
    thread.join()
    assert not is_done(stopped) and read_history(partial)[-1]["ended"] == "terminated"
    stopped.execute()
    assert is_done(stopped) and not partial.exists()
    before = [line | {"ended": None} for line in numbers(whole.out)]
    assert [line | {"ended": None} for line in numbers(stopped.out)] == before


def test_the_id_of_a_training_run_depends_on_every_parameter(tmp_path: Path):
    one = TrainingRun.of(TINY, tmp_path / "one")
    assert one.id == TrainingRun.of(TINY, tmp_path / "other").id
    for change in ({"seed": 1}, {"temperature": 0.2}, {"learning_rate": 0.01}):
        assert TrainingRun.of({**TINY, **change}, tmp_path).id != one.id


# refusals


def test_unknown_parameters_and_results_of_others_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="expected parameters of Experiment and TrainConfig, got 'lerning_rate'"):
        TrainingRun.of({"lerning_rate": 1}, tmp_path)
    with pytest.raises(ValueError, match="expected weight"):
        TrainingRun.of({"weight": 2.0}, tmp_path)
    with pytest.raises(ValueError, match="other parameters or another version of the code"):
        is_done(TrainingRun.of(TINY, tmp_path))
    with pytest.raises(ValueError, match="at least one process, got 0"):
        run_all([], processes=0, description="test")
