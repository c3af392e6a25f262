from dataclasses import dataclass
from pathlib import Path

import pytest

from tempclr.runs import Run, is_done, read_history, read_metrics, read_params
from tempclr.trainer import TrainConfig


@dataclass
class Record:
    step: int
    loss: float


# laws


def test_what_is_written_is_read(tmp_path: Path):
    run = Run(tmp_path / "run", config=TrainConfig(), note="ü <b>")
    run.log(Record(1, 0.5))
    assert not is_done(run.folder)
    run.finish({"R@1": 0.25})
    assert is_done(run.folder)
    assert read_params(run.folder)["config"]["steps"] == TrainConfig().steps
    assert read_history(run.folder) == [{"step": 1, "loss": 0.5}]
    assert read_metrics(run.folder) == {"R@1": 0.25}


def test_going_back_to_a_step_drops_what_came_after(tmp_path: Path):
    for first, last in ((1, 6), (3, 4)):
        run = Run(tmp_path, seed=0)
        for step in range(first, last + 1):
            run.log(Record(step, first))
    assert [(line["step"], line["loss"]) for line in read_history(tmp_path)] == [(1, 1), (2, 1), (3, 3), (4, 3)]


def test_a_line_that_a_crash_cut_off_is_left_out_and_written_again(tmp_path: Path):
    run = Run(tmp_path, seed=0)
    run.log(Record(1, 1.0))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"step": 2, "lo')
    assert [line["step"] for line in read_history(tmp_path)] == [1]
    Run(tmp_path, seed=0).log(Record(2, 2.0))
    assert [line["step"] for line in read_history(tmp_path)] == [1, 2]


def test_a_loss_that_is_not_a_number_is_logged_as_nothing(tmp_path: Path):
    Run(tmp_path).log(Record(1, float("nan")))
    assert read_history(tmp_path) == [{"step": 1, "loss": None}]


# refusals


def test_a_run_with_other_parameters_is_refused_and_kept(tmp_path: Path):
    Run(tmp_path, seed=0)
    with pytest.raises(ValueError, match="other parameters"):
        Run(tmp_path, seed=1)
    assert read_params(tmp_path) == {"seed": 0}


def test_a_result_that_is_not_a_number_is_refused(tmp_path: Path):
    run = Run(tmp_path)
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.finish({"R@1": float("nan")})
    assert not is_done(tmp_path)


def test_a_run_that_is_not_there_is_refused(tmp_path: Path):
    assert read_history(tmp_path) == []
    for read in (read_params, read_metrics):
        with pytest.raises(ValueError, match="expected a finished run"):
            read(tmp_path)
