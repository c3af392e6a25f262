"""Two processes on the CPU, started as a user would, compared with one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from tempclr.training.batches import share
from tempclr.training.checkpoints import load
from tempclr.training.history import read_history

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that `two_processes.py` wrote."""
    folder = tmp_path_factory.mktemp("processes")
    for name in ("whole", "stopped"):
        (folder / name).mkdir()
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE.parent)}
    done = subprocess.run(
        [*launcher, str(HERE / "two_processes.py"), str(folder)],
        capture_output=True, text=True, timeout=600, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def alone() -> tuple[list[dict], list[torch.Tensor]]:
    """Records and weights of the same training in one process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(HERE))
        import two_processes

        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # as in each of the two processes
        found = two_processes.run(Accelerator(cpu=True))
        torch.set_num_threads(threads)
        return found, two_processes.run.weights


def records(folder: Path, what: str, rank: int = 0) -> list[dict]:
    found = json.loads((folder / f"records-{rank}.json").read_text())[what]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in found]


# known answers


def test_items_of_different_numbers_and_lengths_are_joined_and_their_gradients_summed(folder: Path):
    factors = torch.arange(15.0).view(3, 5)
    for rank, (rows, columns) in enumerate(((slice(0, 2), 3), (slice(2, 3), 5))):
        found = load(folder / f"gathered-{rank}.pt")
        assert found["joined"].tolist() == [[0, 1, 2, 0, 0], [3, 4, 5, 0, 0], [0, -1, -2, -3, -4]]
        assert torch.equal(
            found["gradient"], 3 * factors[rows, :columns]
        )  # 1 from the first process, 2 from the second
        assert found["numbers"].tolist() == [0, 1]


# laws


def test_two_processes_take_the_same_steps_as_one(folder: Path, alone: tuple):
    expected, weights = alone
    found = records(folder, "whole")
    assert len(found) == len(expected) == 6
    for ours, theirs in zip(found, expected, strict=True):
        for name in ("total", "unit", "order", "gradient_norm"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-10), name  # float64, summed in another order
        for name in ("step", "unit_skipped", "order_skipped", "learning_rate", "best", "ended"):
            assert ours[name] == theirs[name], name
    for rank in (0, 1):
        for ours, theirs in zip(load(folder / f"weights-{rank}.pt")["weights"], weights, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)  # Adam divides small numbers by small ones


def test_both_processes_yield_the_same_records_and_one_writes_them(folder: Path):
    assert records(folder, "whole", 0) == records(folder, "whole", 1)
    history = [{k: v for k, v in line.items() if k != "seconds"} for line in read_history(folder / "whole")]
    assert history == records(folder, "whole")
    assert sorted(path.name for path in (folder / "whole").iterdir()) == ["best.pt", "history.jsonl", "last.pt"]


def test_a_signal_to_one_process_ends_both_and_they_continue_as_if_never_stopped(folder: Path):
    for rank in (0, 1):
        stopped, rest = records(folder, "stopped", rank), records(folder, "rest", rank)
        assert [record["ended"] for record in stopped] == [None, "terminated"]
        assert [*stopped[:1], {**stopped[1], "ended": None}, *rest] == records(folder, "whole")
        weights = load(folder / f"weights-{rank}.pt")
        assert all(torch.equal(a, b) for a, b in zip(weights["weights"], weights["continued"], strict=True))


def test_shares_are_nearly_equal_and_complete():
    for processes in (1, 2, 3, 7):
        shares = [share(range(7), process, processes) for process in range(processes)]
        assert [item for part in shares for item in part] == list(range(7))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


# refusals


def test_a_batch_without_a_video_for_every_process_is_refused(folder: Path):
    for rank in (0, 1):
        refused, *_ = json.loads((folder / f"records-{rank}.json").read_text())["refused"]
        assert "at least one video for each of 2 processes, got 1" in refused


def test_processes_with_different_trainings_are_refused(folder: Path):
    for rank, (own, other) in enumerate(((13, 12), (12, 13))):
        _, data, config, somewhere, judged = json.loads((folder / f"records-{rank}.json").read_text())["refused"]
        expected = "expected the same training on all processes, got a different one on"
        assert f"{expected} {1 - rank}: videos (expected {own}, found {other}), data (" in data
        assert f"{expected} {1 - rank}: accumulate (expected {1 + rank}, found {2 - rank})" in config
        assert f"{expected} {1 - rank}: a folder (expected {rank == 0}, found {rank == 1})" in somewhere
        assert f"{expected} {1 - rank}: a validation (expected {rank == 1}, found {rank == 0})" in judged


def test_a_checkpoint_of_another_number_of_processes_is_refused(folder: Path, alone: tuple):
    import two_processes

    with pytest.raises(ValueError, match=r"processes \(expected 2, found 1\)"):
        two_processes.run(Accelerator(cpu=True), folder / "whole")
