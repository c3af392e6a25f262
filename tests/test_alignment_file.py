import re
from pathlib import Path

import numpy as np
import pytest

from tempclr.cli import main
from tempclr.experiments import alignment_file
from tempclr.experiments.alignment_file import Exhibit
from tempclr.experiments.runs import Run


@pytest.fixture
def shown() -> Exhibit:
    frames = np.arange(3 * 1 * 4 * 4 * 3, dtype=np.uint8).reshape(3, 1, 4, 4, 3)
    costs = np.array([[0.0, 1.0, np.inf], [1.0, 0.5, 0.25]], np.float32)
    return Exhibit("test-0/1", costs, ("<b>open</b>", "סגור"), frames, 0.2)


# laws


@pytest.mark.parametrize("pictures", [True, False])
def test_a_saved_pair_is_shown_as_it_was(shown: Exhibit, tmp_path: Path, pictures: bool):
    kept = shown if pictures else Exhibit(shown.name, shown.cost, shown.sentences)
    alignment_file.save(tmp_path, kept)
    found = alignment_file.of_run(tmp_path)
    assert (found.name, found.sentences, found.gamma) == (kept.name, kept.sentences, kept.gamma)
    assert np.array_equal(found.cost, kept.cost)
    assert (found.frames is None) == (not pictures) and (not pictures or np.array_equal(found.frames, kept.frames))


def test_a_run_becomes_a_page_and_its_path_is_printed(shown: Exhibit, tmp_path: Path, capsys: pytest.CaptureFixture):
    alignment_file.save(tmp_path, shown)
    assert main(["view", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "explorer.html")
    page = (tmp_path / "explorer.html").read_text()
    assert "<title>Alignment of test-0/1</title>" in page
    assert not re.search(r"(src|href)=|https?:", page)
    assert main(["view", str(tmp_path), "--out", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").is_file()


# refusals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--video", "1"], "expected no video"),
        (["--out", "page.txt"], "ending in .html"),
        (["--out", "none/page.html"], "in an existing folder"),
    ],
)
def test_bad_arguments_end_with_two(
    shown: Exhibit, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture
):
    alignment_file.save(tmp_path, shown)
    assert main(["view", str(tmp_path), *arguments]) == 2
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path: Path):
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(ValueError, match="found neither alignment"):
            alignment_file.of_run(folder)
    Run(tmp_path, trained=["gone"])
    with pytest.raises(ValueError, match="02_train, 03_retrieval or 04_explore"):
        alignment_file.of_run(tmp_path)


def test_a_damaged_file_is_refused(shown: Exhibit, tmp_path: Path):
    alignment_file.save(tmp_path, shown)
    path = tmp_path / alignment_file.FILE
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"alignment\.npz, got a damaged file"):
        alignment_file.of_run(tmp_path)
