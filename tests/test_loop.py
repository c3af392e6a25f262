"""The training loop: what a step does, what is recorded and kept, what is refused."""

import logging
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from small_training import CONFIG, data, defaults, length, model, run, same, uninterrupted, weights
from torch import nn

from tempclr import Pair, TempCLR, TrainConfig, train
from tempclr.sequences import Batch, Sequences, collate
from tempclr.training.checkpoints import load
from tempclr.training.history import read_history

pytestmark = pytest.mark.usefixtures("one_thread")

# known answers


def test_the_program_of_the_documentation_runs_as_printed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (program,) = re.findall(r"```python\n(.*?)```", (root / "docs" / "training.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(program, {})
    assert "ended after step 30 (steps) with a loss of" in capsys.readouterr().out
    assert len(read_history("run")) == 30
    assert sorted(path.name for path in Path("run").iterdir()) == ["history.jsonl", "last.pt"]


# laws


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_training_lowers_both_losses(optimizer: str):
    records = run(model(0.0), TrainConfig(steps=60, batch=8, learning_rate=0.01, optimizer=optimizer))
    assert [record.step for record in records] == list(range(1, 61))
    assert records[-1].unit < records[0].unit / 2
    assert records[-1].order < records[0].order / 2


def test_a_folder_may_be_text_and_a_stop_may_return_nothing(tmp_path: Path):
    run(model(), folder=str(tmp_path))
    records = list(train(model(), data(), replace(CONFIG, steps=3), stop=lambda: None, **defaults()))
    assert (tmp_path / "last.pt").is_file() and records[-1].ended == "steps"


def test_the_weights_that_validate_best_are_kept(tmp_path: Path):
    scores = iter([0.2, 0.9, 0.5])
    seen = []

    def validate(trained: TempCLR) -> float:
        assert not trained.training
        seen.append(weights(trained))
        return next(scores)

    records = run(model(), validate=validate, folder=tmp_path)
    assert [(r.step, r.score, r.best) for r in records if r.score is not None] == [
        (5, 0.2, True),
        (10, 0.9, True),
        (12, 0.5, False),
    ]
    best = load(tmp_path / "best.pt")
    assert (best["step"], best["score"]) == (10, 0.9)
    assert all(torch.equal(a, b) for a, b in zip(best["model"].values(), seen[1], strict=True))


@pytest.mark.parametrize("kind", [np.float32, np.float64, torch.tensor])
def test_a_score_may_be_a_number_of_any_library(kind: Callable, tmp_path: Path):
    records = run(model(), validate=lambda trained: kind(length(trained)), folder=tmp_path)
    assert [type(record.score) for record in records if record.score is not None] == [float] * 3
    assert run(model(), folder=tmp_path) == []


def test_patience_ends_training_and_is_kept_across_an_interruption(tmp_path: Path):
    config = replace(CONFIG, validate_every=2, checkpoint_every=2, patience=2)
    scores = {2: 0.1, 4: 0.5, 6: 0.5, 8: 0.4}
    for stop in (None, 7):
        asked = []

        def validate(_: TempCLR, asked: list = asked) -> float:
            asked.append(2 * len(asked) + 2)
            return scores[asked[-1]]

        folder = tmp_path / str(stop)
        records = run(model(), config, stop=stop, folder=folder, validate=validate)
        records += run(model(), config, folder=folder, validate=validate)
        assert [record.ended for record in records if record.step > 6][-2:] == [None, "patience"]
        assert records[-1].step == 8 and [record.step for record in records if record.best] == [2, 4]


def test_validation_does_not_change_training():
    plain = run(model(), validate=None)
    assert [record.total for record in plain] == [record.total for record in uninterrupted(CONFIG)[0]]


def test_accumulated_batches_make_the_mean_gradient():
    config = replace(CONFIG, accumulate=2, steps=1, warmup=0)
    gradients = []
    for ours in (replace(config, accumulate=1), config):
        trained = model(0.0)
        trained.weight = 0.0  # without wrong orders, only batches are drawn
        run(trained, replace(ours, clip_norm=1e9))
        gradients.append([weight.grad for weight in trained.parameters()])
    queue = torch.Generator().manual_seed(1)
    torch.randint(2**62, (), generator=queue)  # the seed of wrong orders
    items = torch.randperm(10, generator=queue)[:8].view(2, 4)
    for accumulated, found in zip((1, 2), gradients, strict=True):
        trained = model(0.0)
        trained.weight = 0.0
        for chosen in items[:accumulated]:
            batch = collate([data()[index] for index in chosen])
            (trained(batch, generator=queue).total / accumulated).backward()
        for ours, theirs in zip(found, trained.parameters(), strict=True):
            torch.testing.assert_close(ours, theirs.grad)


def test_recomputing_changes_nothing():
    less = model()
    records, plain = uninterrupted(CONFIG)
    assert run(less, replace(CONFIG, recompute=True)) == records
    assert same(plain, less)
    assert "forward" not in vars(less.text)


def test_the_moving_average_of_the_weights_is_what_the_model_ends_with(tmp_path: Path):
    averaged, plain, seen = model(), model(), []
    run(averaged, replace(CONFIG, ema_decay=0.9), folder=tmp_path)
    torch.manual_seed(2)
    for _ in train(plain, data(), CONFIG, **defaults()):
        seen.append(weights(plain))
    expected = seen[0]
    for step in seen[1:]:
        expected = [0.9 * old + 0.1 * new for old, new in zip(expected, step, strict=True)]
    for ours, theirs in zip(weights(averaged), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    last = load(tmp_path / "last.pt")["model"]
    assert all(torch.equal(a, b) for a, b in zip(last.values(), seen[-1], strict=True))


def test_half_precision_trains_close_to_full_and_restores_the_model(monkeypatch: pytest.MonkeyPatch):
    seen = []
    half, full = model(0.0), model(0.0)
    before = half.text.linear.forward
    monkeypatch.setattr(half.text.linear, "forward", lambda x: seen.append(before(x)) or seen[-1])
    expected = run(full)
    AcceleratorState._reset_state(reset_partial_state=True)  # all accelerators of a process share one precision
    try:
        found = run(half, accelerator=Accelerator(cpu=True, mixed_precision="bf16"))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)
    assert {embedding.dtype for embedding in seen if embedding.requires_grad} == {torch.bfloat16}
    assert {weight.dtype for weight in half.parameters()} == {torch.float32}
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.total != theirs.total
        assert ours.order == pytest.approx(theirs.order, rel=0.05)  # bfloat16 has 8 bits
    assert half.forward.__func__ is TempCLR.forward


def test_skipped_videos_are_counted_and_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    short = [Pair("short", torch.ones(1, 6), torch.ones(2, 8), torch.zeros(2, dtype=torch.int64), ("x",))] * 4
    with caplog.at_level(logging.WARNING, "tempclr"):
        for record in train(model(), short, replace(CONFIG, checkpoint_every=1), folder=tmp_path, **defaults()):
            assert record.unit_skipped == record.order_skipped == 4
            if record.step == 3:
                break  # reported also when the caller leaves
        assert "12 of 12 videos drawn in 3 steps had nothing to be contrasted with" in caplog.text
        assert "12 of 12 videos drawn in 3 steps had no wrong order" in caplog.text
        caplog.clear()
        assert len(list(train(model(), short, replace(CONFIG, checkpoint_every=1), folder=tmp_path, **defaults()))) == 9
        assert "48 of 48 videos drawn in 12 steps had no wrong order" in caplog.text
        caplog.clear()
        assert not list(train(model(), short, replace(CONFIG, checkpoint_every=1), folder=tmp_path, **defaults()))
    assert not caplog.text


def test_a_tracker_takes_records_as_they_are(tmp_path: Path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accelerator = Accelerator(cpu=True, log_with="tensorboard", project_dir=tmp_path)
    accelerator.init_trackers("curves")
    records = []
    for record in train(model(), data(), CONFIG, **{**defaults(), "accelerator": accelerator}):
        accelerator.log(asdict(record), step=record.step)
        records.append(record)
    accelerator.end_training()
    events = EventAccumulator(str(tmp_path / "curves")).Reload()
    assert [event.step for event in events.Scalars("total")] == list(range(1, 13))
    assert [event.value for event in events.Scalars("total")] == pytest.approx([record.total for record in records])
    assert [event.step for event in events.Scalars("score")] == [5, 10, 12]


# refusals


def test_fewer_pairs_than_a_batch_are_refused():
    refused, accelerator = model(), Accelerator(cpu=True)
    with pytest.raises(ValueError, match="at least one batch of 40 pairs, got 10"):
        run(refused, replace(CONFIG, batch=40), accelerator=accelerator)
    assert not accelerator._models and not accelerator._optimizers
    assert refused.forward.__func__ is TempCLR.forward


@pytest.mark.parametrize(("weight", "message"), [(0.0, "expected a finite loss .* nan"), (0.7, "expected costs to be")])
def test_a_loss_that_is_not_finite_stops_training_and_keeps_the_batch(weight: float, message: str, tmp_path: Path):
    broken = model(0.0)
    broken.weight = weight
    with pytest.raises(ValueError, match=rf"step 3 on video-.*kept in .*stopped-at-3\.pt\): {message}"):
        for record in train(broken, data(), CONFIG, folder=tmp_path, **defaults()):
            if record.step == 2:
                broken.register_forward_pre_hook(poison)
                after = weights(broken)
    assert all(torch.equal(a, b) for a, b in zip(weights(broken), after, strict=True))
    assert [line["step"] for line in read_history(tmp_path)] == [1, 2]
    kept = load(tmp_path / "stopped-at-3.pt")
    (stored,) = kept["batches"]
    batch = Batch(Sequences(**stored.pop("sentences")), Sequences(**stored.pop("clips")), **stored)
    assert len(batch.clips) == 4 == len(kept["names"])
    again = model(0.0)
    again.load_state_dict(kept["model"])
    assert again(batch, generator=torch.Generator().set_state(kept["orders_state"])).total.isfinite()


def poison(_: nn.Module, inputs: tuple[Batch]) -> tuple[Batch]:
    """Replace the clips of a batch with infinities and NaN."""
    (batch,) = inputs
    return (replace(batch, clips=Sequences(batch.clips.values * torch.inf, batch.clips.lengths)),)


def test_a_gradient_that_is_not_finite_stops_training_before_the_step():
    broken = model()
    before = weights(broken)
    broken.text.linear.weight.register_hook(lambda gradient: gradient * torch.nan)
    with pytest.raises(ValueError, match=r"step 1 on video-.* a gradient of norm nan"):
        run(broken)
    assert all(torch.equal(a, b) for a, b in zip(weights(broken), before, strict=True))


@pytest.mark.parametrize("score", [float("nan"), None, "high", torch.ones(2)])
def test_a_score_that_is_not_a_number_is_refused(score: object):
    with pytest.raises(ValueError, match=r"expected validation to return a number, got .* at step 5"):
        run(model(), validate=lambda _: score)


def test_patience_without_a_validation_is_refused():
    with pytest.raises(ValueError, match="expected `validate` with a patience of 2, got none"):
        run(model(), replace(CONFIG, patience=2), validate=None)


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="at least one trainable parameter"):
        run(model().requires_grad_(False))


def test_a_precision_that_the_device_does_not_support_is_refused():
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        with pytest.raises(ValueError, match="expected a device that computes in fp16, got cpu"):
            run(model(), accelerator=Accelerator(cpu=True, mixed_precision="fp16"))
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def test_an_accelerator_that_accumulates_by_itself_is_refused():
    settings = {**defaults(), "accelerator": Accelerator(cpu=True, gradient_accumulation_steps=2)}
    with pytest.raises(ValueError, match=r"TrainConfig\(accumulate=...\), got .*steps=2"):
        next(train(model(), data(), CONFIG, **settings))
    Accelerator(cpu=True)  # the latest accelerator sets this for the whole process
