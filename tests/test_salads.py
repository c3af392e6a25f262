"""Real files: 50 Salads, with the predictions and frame scores that two papers' networks gave."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tempclr.metrics import edit_score, frame_accuracy, segment_f1

FILES = Path("tcn") / "predictions" / "50Salads" / "mid"
HERE = (Path(os.environ["TEMPCLR_DATA"]) / FILES).is_dir() if "TEMPCLR_DATA" in os.environ else False
NEEDS_FILES = pytest.mark.skipif(not HERE, reason=f"TEMPCLR_DATA names no folder that holds {FILES}")
PUBLISHED = {  # F1@10, F1@25, F1@50, edit, in percent
    ("ED-TCN", 0): "68.0 63.9 52.6 59.8",
    ("Dilated TCN", 0): "52.2 47.6 37.4 43.1",
    ("ED-TCN", ()): "58.8 54.9 43.9 50.3",
}
ACCURACY = {"ED-TCN": "64.7", "Dilated TCN": "59.3"}


@pytest.fixture(scope="module")
def salads(root: Path) -> ModuleType:
    """The program that reads the files."""
    specification = importlib.util.spec_from_file_location("salads", root / "benchmarks" / "salads.py")
    module = importlib.util.module_from_spec(specification)
    sys.modules["salads"] = module
    specification.loader.exec_module(module)
    return module


# known answers


@NEEDS_FILES
@pytest.mark.parametrize(("network", "background"), PUBLISHED, ids=str)
def test_f1_and_edit_score_equal_the_published_ones_to_the_digit(salads: ModuleType, network: str, background: object):
    videos = salads.read(network)
    assert len(videos) == 50
    measures = [lambda *pair, k=k, **options: segment_f1(*pair, k, **options) for k in (0.1, 0.25, 0.5)]
    found = []
    for measure in (*measures, edit_score):
        each = [measure(video.truth, video.predicted, background=background) for video in videos]
        found.append(f"{100 * sum(each) / 50:.1f}")
    assert " ".join(found) == PUBLISHED[network, background]


@NEEDS_FILES
@pytest.mark.parametrize("network", ACCURACY)
def test_accuracy_equals_the_published_one_to_the_digit(salads: ModuleType, network: str):
    each = [frame_accuracy(video.truth, video.predicted) for video in salads.read(network)]
    assert f"{100 * sum(each) / 50:.1f}" == ACCURACY[network]


# laws


@NEEDS_FILES
@pytest.mark.parametrize("network", ACCURACY)
def test_the_true_transcript_mends_frame_scores_and_wrong_ones_ruin_them(salads: ModuleType, network: str):
    videos = salads.read(network)
    found = {
        name: salads.accuracies(videos, labels).mean().item()
        for name, labels in salads.labelled(videos, draws=2).items()
    }
    own, true = found["highest score of each frame"], found["true transcript"]
    assert own == pytest.approx(float(ACCURACY[network]) / 100, abs=5e-4)
    assert true > own + 0.07
    assert true > found["neighbours swapped"] + 0.1 and true > found["shuffled"] + 0.35
    assert found["reversed"] < found["true transcript, spread evenly without scores"] < found["shuffled"] < own


# refusals


@pytest.mark.parametrize(
    ("variables", "message"),
    [({}, "expected the environment variable TEMPCLR_DATA"), ({"TEMPCLR_DATA": "/nowhere"}, "got no such file")],
)
def test_without_the_files_the_program_says_what_it_expects(root: Path, variables: dict[str, str], message: str):
    environment = {name: value for name, value in os.environ.items() if name != "TEMPCLR_DATA"} | variables
    command = [sys.executable, str(root / "benchmarks" / "salads.py")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr
