from pathlib import Path

import pytest

from tempclr.experiments.runs import Run, is_done, read_metrics, read_params
from tempclr.training.loop import TrainConfig

# laws


def test_a_run_is_read_as_it_was_written(tmp_path: Path):
    run = Run(tmp_path / "run", config=TrainConfig(), note="ü <b>")
    assert not is_done(run.folder)
    run.finish({"R@1": 0.25})
    assert is_done(run.folder)
    assert read_params(run.folder)["config"]["steps"] == TrainConfig().steps
    assert read_metrics(run.folder) == {"R@1": 0.25}


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


def test_a_missing_run_is_refused(tmp_path: Path):
    for read in (read_params, read_metrics):
        with pytest.raises(ValueError, match="expected a finished run"):
            read(tmp_path)
