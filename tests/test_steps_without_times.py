"""The study of steps without times, on planted results."""

from itertools import product
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tempclr.experiments.trained import ORDER, UNIT
from tempclr.studies import selection
from tempclr.studies.steps_without_times import (
    BOUNDS,
    CHOSEN,
    COMPARED,
    JUDGED,
    LAST,
    METHODS,
    NAMED,
    RECALLS,
    Measured,
    as_metrics,
    as_text,
    training,
    trainings,
    verdict,
)


def planted(gain: float, generator: torch.Generator, seeds: int = 8, rooms: int = 40) -> Measured:
    """Recalls that differ by `gain` between the methods if bounds are unknown, and by nothing otherwise."""

    def values(mean: float) -> Tensor:
        return mean + 0.02 * torch.randn(seeds, rooms, generator=generator)

    means = {("unknown", "unit"): 0.4, ("unknown", "order"): 0.4 + gain, ("exact", "unit"): 0.5}
    means["exact", "order"] = means["exact", "unit"]
    found = {key: {what: values(mean) for what in (*RECALLS, LAST, NAMED)} for key, mean in means.items()}
    return Measured(found, split=0.7, queries=4 * rooms)


# known answers


@pytest.mark.parametrize(
    ("gain", "words"),
    [(0.1, "clearly more often ("), (0.0, "8 seeds cannot tell from none ("), (-0.1, "clearly less often (")],
)
def test_the_verdict_follows_the_figures(gain: float, words: str, generator: torch.Generator):
    metrics = as_metrics(planted(gain, generator), seed=0)
    assert words in verdict(metrics)
    clear = {(each["what"], each["by"]): each["clear"] for each in metrics["differences"]}
    for by in JUDGED:
        assert clear["order loss added, unknown bounds", by] == (gain != 0)
        assert not clear["order loss added, exact bounds", by]
    found = metrics["differences"][0]["difference"]
    assert found["mean"] == pytest.approx(gain, abs=0.01) and found["low"] < found["mean"] < found["high"]


def test_a_gain_that_only_its_own_interval_shows_is_said_to_be_so(generator: torch.Generator):
    metrics = as_metrics(planted(0.1, generator), seed=0)
    metrics["differences"][0]["clear"] = False
    assert "clearly more often if this comparison is taken alone (" in verdict(metrics)


def test_the_text_has_every_number_its_n_and_its_protocol(generator: torch.Generator):
    metrics = as_metrics(planted(0.1, generator), seed=0)
    text = as_text(metrics)
    assert text.count("unit loss only") == text.count("unit and order loss") == 2
    assert "an even split names 0.70 of the clips right" in text and "chance of R@1: 0.006" in text
    assert "Bonferroni" in text and "12 hold together" in text and "normaliser length" in text
    assert [row["training"] for row in metrics["table"]] == [UNIT, ORDER] * 2
    assert len(metrics["differences"]) == len(COMPARED) * len(JUDGED)


# laws


def test_every_seed_draws_its_own_rooms_and_only_bounds_and_losses_differ(tmp_path: Path):
    jobs = trainings(tmp_path, seeds=(0, 5))
    assert [job.out.name for job in jobs[:4]] == ["unknown-unit-0", "unknown-order-0", "exact-unit-0", "exact-order-0"]
    for job in jobs:
        assert job.experiment.room_set == job.experiment.seed
        assert (job.experiment.weight == 0) == ("unit" in job.out.name)
        assert job.experiment.bounds == job.out.name.split("-")[0]
    same = {"train_rooms", "validation_rooms", "test_rooms", "observation", "clips_per_step", "dim", "anchor"}
    assert all(len({getattr(job.experiment, name) for job in jobs}) == 1 for name in same)


def test_each_kind_of_training_has_equally_many_trials_with_a_seed_of_their_own(tmp_path: Path):
    jobs = selection.trials(tmp_path)
    kinds = [job.out.name.split("-")[:2] for job in jobs]
    counts = {tuple(kind): kinds.count(kind) for kind in kinds}
    assert set(counts) == set(product(BOUNDS, METHODS)) and len(set(counts.values())) == 1
    assert {job.experiment.seed for job in jobs} == {job.experiment.room_set for job in jobs} == {selection.SEED}
    assert len({job.id for job in jobs}) == len({job.out for job in jobs}) == len(jobs)


def test_the_settings_of_the_demo_are_among_the_trials():
    for (bounds, method), settings in CHOSEN.items():
        assert (bounds, method) in set(product(BOUNDS, METHODS))
        grid = selection.GRIDS[method]
        assert set(settings) == set(grid) and all(settings[name] in grid[name] for name in grid)


def test_the_best_trial_of_each_kind_is_chosen_and_the_first_of_equals():
    def trial(bounds: str, value: float, *scores: float | None) -> selection.Trial:
        return selection.Trial(bounds, "unit", {"temperature": value}, [{"score": score} for score in scores])

    found = [trial("exact", 1.0, 0.2, None), trial("exact", 2.0, 0.1, 0.5), trial("exact", 3.0, 0.5)]
    found.append(trial("unknown", 4.0, 0.3))
    assert selection.chosen(found) == {("exact", "unit"): {"temperature": 2}, ("unknown", "unit"): {"temperature": 4}}
    lines = selection.as_text(found).splitlines()
    assert [line.endswith("chosen") for line in lines[2:]] == [False, True, False, True]


# refusals


def test_settings_that_do_not_exist_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="expected parameters of Experiment and TrainConfig, got 'unit_temprature'"):
        training("exact", "unit", tmp_path, seed=0, settings={"unit_temprature": 0.1})
    with pytest.raises(ValueError, match="room_set"):
        training("exact", "unit", tmp_path, seed=100)
