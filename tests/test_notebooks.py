"""Every notebook, executed through the launcher at a size that takes seconds."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tempclr_widgets import saved_page

import tempclr
from tempclr.experiments import alignment_file
from tempclr.experiments.runs import read_history, read_metrics, read_params
from tempclr.experiments.trained import ORDER, UNIT, find_trained
from tempclr.launcher import execute
from tempclr.launcher.pool import run_all
from tempclr.studies import comparison, steps_without_times
from tempclr.studies.training_run import TrainingRun
from tempclr.training.checkpoints import load

pytestmark = pytest.mark.kernel

TINY = {
    "train_rooms": 16,
    "validation_rooms": 3,
    "test_rooms": 4,
    "orders_per_room": 2,
    "batch": 8,
    "steps": 6,
    "warmup": 1,
    "validate_every": 3,
    "checkpoint_every": 3,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two short trainings, one with each loss: one without a notebook, one with it."""
    folder = tmp_path_factory.mktemp("runs")
    TrainingRun.of({**TINY, "weight": 0.0}, folder / "unit").execute()
    execute.run("02_train", {**TINY, "weight": 0.3}, folder / "tempclr", progress=False)
    return folder


def numbers(folder: Path) -> list[dict]:
    """The history of a run without times."""
    return [{name: value for name, value in line.items() if name != "seconds"} for line in read_history(folder)]


def pictures(folder: Path) -> set[str]:
    """Names of the pictures in a run, none of them empty."""
    found = list(folder.glob("*.png"))
    assert all(path.stat().st_size > 5000 for path in found)
    return {path.stem for path in found}


# laws


def test_training_leaves_checkpoints_history_and_a_score(trained: Path):
    for name in ("unit", "tempclr"):
        history = read_history(trained / name)
        assert [line["step"] for line in history] == [1, 2, 3, 4, 5, 6]
        assert read_metrics(trained / name)["validation videos"] == 6
        assert (trained / name / "best.pt").is_file()
    assert pictures(trained / "tempclr") == {"curves"}


@pytest.mark.usefixtures("one_thread")
def test_a_training_run_without_a_notebook_equals_that_of_the_notebook(trained: Path, tmp_path: Path):
    run = TrainingRun.of({**TINY, "weight": 0.3}, tmp_path / "run")
    run_all([run], processes=1, description="test")  # on one thread, as a notebook here
    assert numbers(run.out) == numbers(trained / "tempclr")
    assert read_params(run.out) == read_params(trained / "tempclr")
    one, other = (read_metrics(folder) | {"training seconds": 0} for folder in (run.out, trained / "tempclr"))
    assert one == other


def test_steps_without_times_are_learned_and_compared(tmp_path: Path):
    small = {name: TINY[name] for name in ("train_rooms", "validation_rooms", "test_rooms", "batch", "steps", "warmup")}
    given = {**small, "validate_every": 3, "seeds": 2, "video": 3, "choices": "anchor", "processes": 1}
    out = execute.run("09_steps_without_times", given, tmp_path / "out", saved_page=saved_page, progress=False)
    metrics = read_metrics(out)
    assert [(row["bounds"], row["training"]) for row in metrics["table"]] == [
        (bounds, training) for bounds in ("unknown", "exact") for training in (UNIT, ORDER)
    ]
    for row in metrics["table"]:
        assert (row["seeds"], row["rooms"], row["queries"]) == (2, 4, 16)
        for what in steps_without_times.JUDGED:
            assert 0 <= row[what]["low"] <= row[what]["mean"] <= row[what]["high"] <= 1
    means = {(row["bounds"], row["training"]): row["R@1 by DTW"]["mean"] for row in metrics["table"]}
    gain = metrics["differences"][0]["difference"]["mean"]
    assert gain == pytest.approx(means["unknown", ORDER] - means["unknown", UNIT], abs=1e-6)
    assert 0 < metrics["clips named right by an even split"] < 1
    assert [(row["choice"], row["reference"], row["seeds"]) for row in metrics["choices"]] == [
        ("reference", "unknown", 2),
        ("anchor", "unknown", 2),
    ]
    assert pictures(out) == {"true", "split", "sharpening", "differences", "curves"}
    assert "tempclr-state" in (out / "training.html").read_text()
    output = "".join(
        "".join(each.get("text", ""))
        for cell in json.loads((out / "notebook.ipynb").read_text())["cells"]
        for each in cell.get("outputs", [])
    )
    assert "steps of equal length: an even split names 100% of the clips right" in output


def test_retrieval_compares_the_runs(trained: Path, tmp_path: Path):
    out = execute.run("03_retrieval", {"trained": str(trained), "wrong_orders": 3}, tmp_path / "out", progress=False)
    metrics = read_metrics(out)
    assert {row["method"] for row in metrics["table"]} == {comparison.UNTRAINED, UNIT, ORDER}
    assert {row["score"] for row in metrics["table"]} == {"mean-pool", "Cap.Avg.", "DTW", "soft-DTW"}
    for row in metrics["table"]:
        assert row["queries"] == 8 and row["seeds"] == 1
        assert 0 <= row["R@1"]["low"] <= row["R@1"]["mean"] <= row["R@1"]["high"] <= 1
        if row["score"] in ("mean-pool", "Cap.Avg."):
            assert row["wrong orders noticed"]["mean"] == 0
    assert metrics["protocol"] and "bootstrap" in metrics["interval"]
    assert pictures(out) == {"recall", "order", "matrix", "curves"}


def test_exploring_leaves_pictures_and_a_small_state(trained: Path, tmp_path: Path):
    given = {"trained": str(trained / "tempclr"), "video": 3}
    out = execute.run("04_explore", given, tmp_path / "out", saved_page=saved_page, progress=False)
    assert pictures(out) == {"frames", "training", "order"}
    assert 0 <= read_metrics(out)["shuffled orders that cost more"] <= 1
    report = (out / "report.html").read_text()
    assert report.count("<iframe") == 4 and "widget-view+json" not in report
    for name in ("explorer", "orders", "training", "retrieval"):
        assert "tempclr-state" in (out / f"{name}.html").read_text()
    for folder, video in ((out, None), (trained / "tempclr", 3)):  # as it was saved, and as it is embedded anew
        found = alignment_file.of_run(folder, video)
        assert found.cost.shape == (len(found.sentences), len(found.frames))
    np.testing.assert_allclose(alignment_file.of_run(out).cost, found.cost, atol=1e-6)
    with pytest.raises(ValueError, match="a video from 0 to 7, got 8"):
        alignment_file.of_run(trained / "unit", 8)
    notebook = json.loads((out / "notebook.ipynb").read_text())
    states = notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]
    assert any(state["model_module"] == "anywidget" for state in states.values())
    assert len(json.dumps(states)) < 1_000_000


def test_soft_dtw_counts_paths(tmp_path: Path):
    out = execute.run("01_soft_dtw", {"x_steps": 6, "y_steps": 9}, tmp_path / "out", progress=False)
    metrics = read_metrics(out)
    assert metrics["paths"] == [1, 3, 13, 63, 321, 1683]
    assert metrics["largest gradient difference"] < 1e-6
    assert pictures(out) == {"path", "gamma", "gradient"}


def test_training_on_own_features_reports_what_it_leaves_out(tmp_path: Path):
    lines, folder = [], tmp_path / "features"
    folder.mkdir()
    texts = [["take", "fill", "stir"], ["take", "stir", "fill"], ["stir", "stir", "stir"], ["fill"]]
    for split in ("train", "validation"):
        for number, sentences in enumerate(texts):
            name, segments = f"{split}-{number}", [[2 * k, 2 * k + 2] for k in range(len(sentences))]
            np.save(folder / f"{name}.npy", np.random.default_rng(number).normal(size=(8, 5)).astype(np.float32))
            lines.append(
                {"video": name, "split": split, "rows": 8, "dim": 5, "seconds": 1.0, "sentences": sentences}
                | {"segments": segments}
            )
    (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    small = {"batch": 3, "steps": 2, "warmup": 1, "validate_every": 1, "checkpoint_every": 1, "dim": 8}
    given = {"data": str(folder), "encoder": "minilm", "min_sentences": 2, **small}
    metrics = read_metrics(execute.run("02_train", given, tmp_path / "out", progress=False))
    assert metrics["videos left out"] == 1  # of a single sentence
    # once each step: equal sentences have no other order
    assert metrics["videos skipped by loss"] == {"unit": 0, "order": 2}
    layernorms = 13 * 2 * 384
    assert metrics["trainable parameters"] == layernorms + (2 * 384 + 385 * 8) + (2 * 5 + 6 * 8)
    assert metrics["interval"]["n"] == metrics["validation videos"] == 4


def test_localization_begins_from_a_run_and_judges_all_tasks(trained: Path, tmp_path: Path):
    small = {name: value for name, value in TINY.items() if name not in ("batch", "train_rooms")}
    given = {**small, "train_rooms": 8, "trained": str(trained / "tempclr")}
    out = execute.run("06_localization", given, tmp_path / "out", progress=False)
    metrics = read_metrics(out)
    assert (metrics["tasks"], metrics["videos"], metrics["steps"]) == (4, 8, 32)
    for recalls in metrics["recall"].values():
        for each in recalls.values():
            assert 0 <= each["low"] <= each["mean"] <= each["high"] <= 1 and each["n"] == 4
    assert "CrossTask" in metrics["protocol"] and metrics["videos with fewer clips than steps"] == 0
    assert pictures(out) == {"curves", "recall", "timeline"}
    assert len(read_history(out)) == 6 and not (out / "first").exists()


def test_few_shot_recognition_compares_scores_on_the_same_episodes(tmp_path: Path):
    small = {name: value for name, value in TINY.items() if "rooms" not in name and name != "orders_per_room"}
    sets = {
        "train_sets": 2,
        "validation_sets": 2,
        "test_sets": 2,
        "things": 2,
        "orders_per_set": 2,
        "videos_per_class": 3,
    }
    given = {**small, **sets, "ways": 3, "shots": [1, 2], "episodes": 50}
    out = execute.run("07_few_shot", given, tmp_path / "out", progress=False)
    metrics = read_metrics(out)
    assert (metrics["classes"], metrics["videos"]) == (4, 12)
    for row in metrics["accuracy"].values():
        assert set(row) == {"untrained", "trained"}
        for each in row["trained"].values():
            assert 0 <= each["mean"] <= 1 and each["n"] == 50
    gain = metrics["DTW minus mean-pool, trained"]["1-shot"]["mean"]
    accuracy = metrics["accuracy"]["1-shot"]["trained"]
    assert gain == pytest.approx(accuracy["DTW"]["mean"] - accuracy["mean-pool"]["mean"])
    assert load(out / "episodes.pt")["2-shot"]["support"].shape == (50, 3, 2)
    assert pictures(out) == {"curves", "accuracy", "confusion", "episode"}
    with pytest.raises(ValueError, match="found none; run 02_train"):
        find_trained(out)  # which has weights, but for another task


def test_the_gallery_shows_every_plot(trained: Path, tmp_path: Path):
    given = {"trained": str(trained), "video": 1, "wrong_orders": 3, "dark": True}
    out = execute.run("05_gallery", given, tmp_path / "out", progress=False)
    metrics = read_metrics(out)
    assert pictures(out) == set(metrics["pictures"]) and len(metrics["pictures"]) == 15
    for name in metrics["charts"]:
        page = (out / f"{name}.html").read_text()
        assert "https://cdn" not in page and (out / "plotly.min.js").is_file()
    plots = Path(tempclr.__file__).parent / "plots"
    calls = "".join("".join(cell["source"]) for cell in json.loads((out / "notebook.ipynb").read_text())["cells"])
    for path in plots.glob("*.py"):
        for function in re.findall(r"@style.styled\ndef (\w+)", path.read_text()):
            assert f".{function}(" in calls, f"{path.stem}.{function} is not shown"


# refusals


def test_missing_training_runs_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="found none; run 02_train or the demo first"):
        find_trained(tmp_path)
