"""Effects of choices: pairing, intervals and text, on planted results and through the notebook."""

import dataclasses
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tempclr.experiments import video_text
from tempclr.experiments.runs import read_metrics
from tempclr.launcher import execute
from tempclr.metrics import bootstrap
from tempclr.studies import ablation
from tempclr.studies.ablation import REFERENCES, SETTINGS, Effect, Setting, chosen, effects, jobs

BASE = Setting("base", "reference", "as it is", {}, "base")
BETTER = Setting("better", "gamma", "2", {"gamma": 2.0}, "base")
SAME = Setting("same", "anchor", "none", {"anchor": "video"}, "base")


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch, generator: torch.Generator) -> dict[str, Tensor]:
    """Hits of three seeds in 40 rooms: one setting is better by 0.2 everywhere, one is equal."""
    base = torch.rand(3, 40, generator=generator) * 0.5
    noise = torch.randn(3, 40, generator=generator) * 0.05
    hits = {"base": base, "better": base + 0.2 + noise, "same": base + noise - noise.mean()}
    monkeypatch.setattr(ablation, "_hits", lambda setting, folder: hits[setting.name])
    return hits


def found(generator: torch.Generator) -> list[Effect]:
    return effects([BASE, BETTER, SAME], Path(), generator=generator)


# known answers


def test_only_a_planted_effect_is_clear(planted: dict[str, Tensor], generator: torch.Generator):
    base, better, same = found(generator)
    assert base.difference is None and not base.clear
    assert better.difference.mean == pytest.approx((planted["better"] - planted["base"]).mean().item(), abs=1e-6)
    assert better.clear and better.difference.low > 0.15 and better.difference.high < 0.25
    assert not same.clear and same.difference.mean == pytest.approx(0, abs=1e-6)
    words = ablation.verdict([base, better, same])
    assert "Of 2 comparisons, 1 are clear" in words and "gamma, 2: better than base, +0.2" in words
    assert "No clear difference from base was seen for: anchor." in words


# laws


@pytest.mark.usefixtures("planted")
def test_the_adjusted_interval_is_wider(generator: torch.Generator):
    for each in found(generator)[1:]:
        assert each.adjusted.low < each.difference.low < each.difference.high < each.adjusted.high


def test_pairing_uses_the_seeds_that_both_have(planted: dict[str, Tensor], generator: torch.Generator):
    planted["better"] = torch.cat((planted["better"], planted["better"][:1] + 9))
    _, better, _ = found(generator)
    assert better.seeds == 4 and better.difference.mean < 0.25


def test_every_setting_is_unique_and_has_a_reference():
    names = [setting.name for setting in SETTINGS]
    assert len(set(names)) == len(names)
    assert len({(setting.reference, str(setting.changes)) for setting in SETTINGS}) == len(SETTINGS)
    assert {setting.reference for setting in SETTINGS} <= set(names)
    for setting in SETTINGS:
        reference = REFERENCES[setting.reference]
        assert setting.name == setting.reference or {**reference, **setting.changes} != reference, setting.name


@pytest.mark.slow
def test_the_data_of_every_setting_exist(tmp_path: Path):
    small = {"train_rooms": 1, "validation_rooms": 1, "test_rooms": 1}
    for job in jobs(SETTINGS, tmp_path, seeds=2, size=small)[::2]:
        [pair] = video_text.pairs(job.experiment, "train")
        assert len(pair.captions) == 5 and job.experiment.room_set == 0


def test_a_choice_includes_its_reference():
    assert [setting.name for setting in chosen("gamma")] == ["published", "published-gamma-0.01", "published-gamma-1"]
    assert [setting.name for setting in chosen("background, cost")][:2] == ["published", "published-per-cell"]
    assert {setting.reference for setting in chosen("unknown")} == {"unknown"}
    assert chosen("") == SETTINGS


def test_every_setting_is_trained_with_every_seed(tmp_path: Path):
    settings = [each for each in chosen("encoder, anchor") if each.reference == "published"]
    trainings = jobs(settings, tmp_path, seeds=3, size={"steps": 7, "warmup": 1})
    names = ("published", "published-anchor-video", "published-anchor-both", "published-contextual")
    assert [job.out.name for job in trainings] == [f"{name}-{seed}" for name in names for seed in range(3)]
    assert [job.experiment.seed for job in trainings] == [0, 1, 2] * 4
    assert all(job.config.steps == 7 and job.experiment.negatives == 31 for job in trainings)


@pytest.mark.usefixtures("planted")
def test_metrics_and_table_contain_n_seeds_and_protocol(generator: torch.Generator):
    shown = found(generator)
    metrics = ablation.as_metrics(shown)
    assert metrics["protocol"] and "Bonferroni" in metrics["adjusted"] and "97.50%" in metrics["adjusted"]
    assert [row["seeds"] for row in metrics["table"]] == [3, 3, 3]
    assert metrics["table"][1]["difference"]["n"] == bootstrap(torch.rand(3, 40), generator=generator).n
    lines = ablation.as_text(shown).splitlines()
    assert len(lines) == 5 and lines[3].startswith("gamma") and "clear" in lines[3]
    assert dataclasses.asdict(shown[1].setting)["reference"] == "base"


@pytest.mark.kernel
def test_the_notebook_writes_the_table_and_resumes(tmp_path: Path):
    tiny = {"train_rooms": 16, "validation_rooms": 3, "test_rooms": 4, "steps": 4, "batch": 8, "warmup": 1}
    given = {**tiny, "validate_every": 2, "choices": "cost", "seeds": 2, "processes": 1}
    out = execute.run("08_ablation", given, tmp_path / "out", progress=False)
    rows = read_metrics(out)["table"]
    assert [row["choice"] for row in rows] == ["reference", "cost"]
    assert rows[0]["difference"] is None and -1 <= rows[1]["difference"]["mean"] <= 1
    assert {row["seeds"] for row in rows} == {2}
    assert (out / "effects.png").stat().st_size > 5000
    for path in (out / "trainings").iterdir():
        assert (path / "best.pt").is_file() and read_metrics(path)["validation videos"] == 12


# refusals


def test_unknown_choices_and_too_few_seeds_are_refused(tmp_path: Path, generator: torch.Generator):
    with pytest.raises(ValueError, match="expected choices among reference, weight, .*, got 'luck'"):  # noqa: RUF043
        chosen("luck")
    with pytest.raises(ValueError, match="to compare with the reference, got the reference alone"):
        chosen("reference")
    with pytest.raises(ValueError, match="at least 2 seeds, got 1"):
        jobs(SETTINGS, tmp_path, seeds=1, size={})
    with pytest.raises(ValueError, match="expected training runs of base in .*, found none"):  # noqa: RUF043
        effects([BASE], tmp_path, generator=generator)
