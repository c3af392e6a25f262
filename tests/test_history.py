import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from tempclr.training.history import History, read_history


@dataclass
class Record:
    step: int
    loss: float


# laws


def test_appended_records_are_read_back(tmp_path: Path):
    History(tmp_path / "run", after=0).append(Record(1, 0.5), durable=True)
    assert read_history(tmp_path / "run") == [{"step": 1, "loss": 0.5}]


def test_going_back_to_a_step_drops_later_records(tmp_path: Path):
    for after, last in ((0, 6), (2, 4)):
        history = History(tmp_path, after=after)
        for step in range(after + 1, last + 1):
            history.append(Record(step, after))
    assert [(line["step"], line["loss"]) for line in read_history(tmp_path)] == [(1, 0), (2, 0), (3, 2), (4, 2)]


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"{}}", b""])
def test_records_end_before_a_damaged_line(damage: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    history = History(tmp_path, after=0)
    for step in (1, 2, 3):
        history.append(Record(step, 1.0))
    lines = history.path.read_bytes().split(b"\n")
    history.path.write_bytes(b"\n".join([lines[0], damage, *lines[2:]]))
    assert [line["step"] for line in read_history(tmp_path)] == [1]
    assert "damaged in line 2: records end there" in caplog.text


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_line_cut_off_by_a_crash_is_ignored_and_written_again(cut: int, tmp_path: Path):
    History(tmp_path, after=0).append(Record(1, 1.0))
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write(json.dumps({"step": 2, "loss": 0.5})[:cut])
    assert [line["step"] for line in read_history(tmp_path)] == [1]
    History(tmp_path, after=1).append(Record(2, 2.0))
    assert [line["step"] for line in read_history(tmp_path)] == [1, 2]


def test_a_loss_that_is_not_a_number_is_stored_as_null(tmp_path: Path):
    History(tmp_path, after=0).append(Record(1, float("nan")))
    assert read_history(tmp_path) == [{"step": 1, "loss": None}]


def test_without_a_file_there_is_no_history(tmp_path: Path):
    assert read_history(tmp_path) == []
