import logging
import os
import pickle
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import Tensor, nn

from tempclr import Pair, TempCLR, TrainConfig, soft_dtw, train
from tempclr.alignment import AlignmentFn
from tempclr.encoders import ContextEncoder, Projection, tune
from tempclr.losses import OrderTerm, Temperature, UnitTerm, WithinVideoTerm, mil_nce, ramp
from tempclr.negatives import permute_both
from tempclr.sequences import Batch, Sequences, collate
from tempclr.training.checkpoints import load, save
from tempclr.training.history import read_history
from tempclr.training.processes import AllProcesses

CONFIG = TrainConfig(steps=12, batch=4, warmup=2, validate_every=5, checkpoint_every=4)
ALL = replace(CONFIG, accumulate=2, bucket=2, ema_decay=0.9, recompute=True, decay="polynomial", power=2.0)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small tensors are computed faster so, and to the same bit wherever they are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def data(count: int = 10) -> list[Pair]:
    """Videos whose clips are a fixed map of their sentences, with noise: something to learn."""
    generator = torch.Generator().manual_seed(0)
    mapping = torch.randn(6, 8, generator=generator)
    pairs = []
    for k in range(count):
        n = 3 + k % 3
        sentences = torch.randn(n, 6, generator=generator)
        clips = (sentences @ mapping).repeat_interleave(2, 0) + 0.1 * torch.randn(2 * n, 8, generator=generator)
        captions = tuple(f"{k} {i}" for i in range(n))
        pairs.append(Pair(f"video-{k}", sentences, clips, torch.arange(n).repeat_interleave(2), captions))
    return pairs


def model(dropout: float = 0.2) -> TempCLR:
    """Encoders with dropout, whose randomness is not that of the loop."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        text = Projection(6, 16)
        text.norm = nn.Sequential(text.norm, nn.Dropout(dropout))
        return TempCLR(text, Projection(8, 16), order=OrderTerm(negatives=5))


def run(trained: nn.Module, config: TrainConfig = CONFIG, stop: int | None = None, **settings: object) -> list:
    """Records without their seconds."""
    torch.manual_seed(2)
    records = []
    for record in train(trained, data(), config, **{**defaults(), **settings}):
        records.append(replace(record, seconds=0.0))
        if record.step == stop:
            break
    return records


def defaults() -> dict:
    """One process on the CPU."""
    generator = torch.Generator().manual_seed(1)
    return {"accelerator": Accelerator(cpu=True), "generator": generator, "validate": length}


@cache
def uninterrupted(config: TrainConfig) -> tuple[list, TempCLR]:
    """Records and model of a training that nothing disturbs."""
    trained = model()
    return run(trained, config), trained


def weights(trained: nn.Module) -> list[Tensor]:
    return [weight.clone() for weight in trained.state_dict().values()]


def same(ours: nn.Module, theirs: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(weights(ours), weights(theirs), strict=True))


def length(trained: nn.Module) -> float:
    """A score that depends on the weights."""
    return sum(weight.double().abs().sum().item() for weight in trained.parameters())


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


@pytest.mark.parametrize(("config", "stop"), [(CONFIG, 1), (CONFIG, 4), (ALL, 6), (ALL, 11)])
def test_stopping_anywhere_and_continuing_equals_never_stopping(config: TrainConfig, stop: int, tmp_path: Path):
    continued = model()
    records, whole = uninterrupted(config)
    run(model(), config, stop=stop, folder=tmp_path)
    rest = run(continued, config, folder=tmp_path)
    assert rest[0].step == stop // 4 * 4 + 1
    assert rest == records[-len(rest) :]
    assert same(continued, whole)
    assert [line["total"] for line in read_history(tmp_path)] == [record.total for record in records]


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path):
    finished, again = model(), model()
    config = replace(CONFIG, ema_decay=0.9)
    run(finished, config, folder=tmp_path)
    assert run(again, config, folder=tmp_path) == []
    assert same(finished, again)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "history.jsonl", "last.pt"]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import torch
from test_loop import ALL, data, defaults, model, train
torch.set_num_threads(1)
torch.manual_seed(2)
for record in train(model(), data(), ALL, folder=Path(sys.argv[1]), **defaults()):
    time.sleep(0.05)
time.sleep(600)
"""


def test_killing_it_at_any_moment_and_continuing_equals_never_stopping(tmp_path: Path):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path), str(Path(__file__).parent)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 600
    while not read_history(tmp_path) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(random.Random(int.from_bytes(os.urandom(4))).uniform(0, 0.7))
    process.kill()
    _, errors = process.communicate()
    reached = len(read_history(tmp_path))
    assert reached > 0, errors
    continued = model()
    records, whole = uninterrupted(ALL)
    run(continued, ALL, folder=tmp_path)
    history = [{**line, "seconds": 0.0} for line in read_history(tmp_path)]
    assert history == [asdict(record) for record in records], f"killed after step {reached}"
    assert same(continued, whole), f"killed after step {reached}"


def test_a_signal_to_end_saves_and_ends_and_the_record_says_so(tmp_path: Path):
    handled = signal.getsignal(signal.SIGTERM)
    continued = model()
    records, whole = uninterrupted(ALL)
    stopped = []
    torch.manual_seed(2)
    for record in train(model(), data(), ALL, folder=tmp_path, **defaults()):
        stopped.append(replace(record, seconds=0.0))
        if record.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
    assert [record.ended for record in stopped] == [None] * 5 + ["terminated"]
    assert signal.getsignal(signal.SIGTERM) == handled
    rest = run(continued, ALL, folder=tmp_path)
    assert [*stopped[:5], replace(stopped[5], ended=None), *rest] == records
    assert same(continued, whole)


def test_a_signal_that_comes_too_late_for_the_loop_is_sent_again_after_it(tmp_path: Path):
    heard = []
    handled = signal.signal(signal.SIGTERM, lambda *_: heard.append("again"))
    try:
        for step, left in ((12, False), (5, True)):  # in the last step, and by a consumer who then leaves
            for record in train(model(), data(), CONFIG, folder=tmp_path / str(step), **defaults()):
                if record.step == step:
                    os.kill(os.getpid(), signal.SIGTERM)
                    assert not heard  # the loop has it
                    if left:
                        break
            assert record.ended == (None if left else "steps")
            assert heard == ["again"]
            heard.clear()
    finally:
        signal.signal(signal.SIGTERM, handled)


def test_a_signal_that_was_not_why_training_ended_is_sent_again():
    heard = []
    handled = signal.signal(signal.SIGTERM, lambda *_: heard.append("again"))
    try:
        ended = []
        for record in train(model(), data(), CONFIG, stop=lambda: True, **defaults()):
            ended.append(record.ended)
            os.kill(os.getpid(), signal.SIGTERM)
        assert ended == ["terminated"] and heard == ["again"]
    finally:
        signal.signal(signal.SIGTERM, handled)


def tuned(what: str) -> TempCLR:
    """A transformer on one side, of which some weights learn."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        video = ContextEncoder(Projection(8, 16), 16, heads=2, dropout=0.1)
        targets = ("query_key_value", "out")
        if what == "lora":
            tune(video, "lora", rank=2, targets=targets)
        elif what == "layernorm":
            tune(video, "layernorm")
        order = OrderTerm(negatives=5, temperature=Temperature(1.0))
        return TempCLR(Projection(6, 16), video, order=order, chunk=7, weight=ramp(0.2, 0.8))


@pytest.mark.parametrize("what", ["all", "layernorm", "lora"])
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_whatever_learns_in_whatever_precision_continues_as_if_it_had_not_stopped(
    what: str, precision: str, tmp_path: Path
):
    AcceleratorState._reset_state(reset_partial_state=True)  # precision is one for all accelerators of a process
    try:
        config = replace(ALL, recompute=False, patience=9)
        settings = {"accelerator": Accelerator(cpu=True, mixed_precision=precision)}
        whole, continued = tuned(what), tuned(what)
        records = run(whole, config, **settings)
        run(tuned(what), config, stop=6, folder=tmp_path, **settings)
        assert run(continued, config, folder=tmp_path, **settings) == records[4:]
        assert same(continued, whole)
    finally:
        AcceleratorState._reset_state(reset_partial_state=True)


def test_a_folder_may_be_text_and_a_stop_may_return_nothing(tmp_path: Path):
    run(model(), folder=str(tmp_path))
    records = list(train(model(), data(), replace(CONFIG, steps=3), stop=lambda: None, **defaults()))
    assert (tmp_path / "last.pt").is_file() and records[-1].ended == "steps"


def test_a_full_disk_leaves_the_checkpoint_before_and_says_so(tmp_path: Path):
    continued = model()
    records, whole = uninterrupted(CONFIG)
    run(model(), stop=4, folder=tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # writing beyond fails, as when full
    try:
        with pytest.raises(OSError, match=r"could not write .*last\.pt .*the file written before is unharmed"):
            run(model(), folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "history.jsonl", "last.pt"]
    assert run(continued, folder=tmp_path) == records[4:]
    assert same(continued, whole)
    assert [line["step"] for line in read_history(tmp_path)] == list(range(1, 13))


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
def test_a_score_may_be_a_number_of_any_make(kind: Callable, tmp_path: Path):
    records = run(model(), validate=lambda trained: kind(length(trained)), folder=tmp_path)
    assert [type(record.score) for record in records if record.score is not None] == [float] * 3
    assert run(model(), folder=tmp_path) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path):
    (tmp_path / ".last.pt.123.partial").write_bytes(b"half")
    run(model(), folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "history.jsonl", "last.pt"]


def test_validations_without_a_new_best_end_training_also_across_an_interruption(tmp_path: Path):
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
        trained.weight = 0.0  # without wrong orders nothing is drawn but batches
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


def test_the_average_follows_the_weights_and_is_what_remains(tmp_path: Path):
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


def test_half_precision_trains_close_to_full_and_gives_the_model_back(monkeypatch: pytest.MonkeyPatch):
    seen = []
    half, full = model(0.0), model(0.0)
    before = half.text.linear.forward
    monkeypatch.setattr(half.text.linear, "forward", lambda x: seen.append(before(x)) or seen[-1])
    expected = run(full)
    AcceleratorState._reset_state(reset_partial_state=True)  # precision is one for all accelerators of a process
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
                break  # said also to who leaves
        assert "12 of 12 videos drawn in 3 steps had nothing to be told from" in caplog.text
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


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path):
    run(model(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"settings: steps \(expected 12, found 20\), batch \(expected 4, found 5\)"):
        run(model(), replace(CONFIG, steps=20, batch=5), folder=tmp_path)
    half = model()
    half.video.requires_grad_(False)
    with pytest.raises(ValueError, match=r"weights \(expected video.norm.weight \(torch.float32\), found nothing"):
        run(half, folder=tmp_path)
    with pytest.raises(ValueError, match=r"seed \(expected 1, found 7\)"):
        run(model(), folder=tmp_path, generator=torch.Generator().manual_seed(7))


def ordered(alignment_fn: AlignmentFn = soft_dtw, **changes: object) -> dict[str, OrderTerm]:
    return {"order": OrderTerm(alignment_fn, **{"negatives": 5, **changes})}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": 0.5}, "expected weight=0.7, found weight=0.5"),
        (ordered(anchor="both"), "expected order.anchor='text', found order.anchor='both'"),
        (ordered(negatives=7), "expected order.negatives=5, found order.negatives=7"),
        (ordered(shuffle=permute_both), "expected order.shuffle=permute_segments, found order.shuffle=permute_both"),
        (ordered(partial(soft_dtw, gamma=0.2)), r"expected order.alignment_fn=soft_dtw, found .*=soft_dtw\(gamma=0.2"),
        (ordered(temperature=0.5), "expected order.temperature=1.0, found order.temperature=0.5"),
        ({"unit": UnitTerm(mil_nce)}, "expected unit.loss=unit_loss, found unit.loss=mil_nce"),
        ({"unit": WithinVideoTerm()}, "expected unit=UnitTerm, found unit=WithinVideoTerm"),
        ({"chunk": 5}, "expected chunk=64, found chunk=5"),
        ({"gather": AllProcesses()}, r"expected gather=Alone\(\), found gather=AllProcesses\(\)"),
    ],
)
def test_a_checkpoint_of_another_objective_is_refused(change: dict, message: str, tmp_path: Path):
    run(model(), folder=tmp_path, stop=4)
    other = model()
    for name, value in change.items():
        setattr(other, name, value)
    with pytest.raises(ValueError, match=rf"model \({message}"):
        run(other, folder=tmp_path)


def test_a_checkpoint_of_an_encoder_with_other_heads_is_refused(tmp_path: Path):
    built = [TempCLR(Projection(6, 8), ContextEncoder(Projection(8, 8), 8, heads=heads)) for heads in (1, 2)]
    run(built[0], folder=tmp_path, stop=4)
    with pytest.raises(ValueError, match=r"model \(expected heads=1, rotary=True, found heads=2, rotary=True"):
        run(built[1], folder=tmp_path)


def test_a_checkpoint_of_other_videos_or_another_model_is_refused(tmp_path: Path):
    run(model(), folder=tmp_path)
    with pytest.raises(ValueError, match=r"videos \(expected 10, found 7\)"):
        next(train(model(), data(7), CONFIG, folder=tmp_path, **defaults()))
    for number, changed in ((9, {"name": "x"}), (0, {"captions": ("a", "b", "c")}), (4, {"clips": torch.zeros(8, 8)})):
        others = data()
        others[number] = replace(others[number], **changed)
        with pytest.raises(ValueError, match=r"other settings: data \(expected [0-9a-f]{16}, found [0-9a-f]{16}\);"):
            next(train(model(), others, CONFIG, folder=tmp_path, **defaults()))
    stored = load(tmp_path / "last.pt")
    other = dict(stored["model"])
    other["text.linear.bias"] = torch.zeros(3)
    other["extra"] = other.pop("video.norm.bias")
    save({**stored, "model": other}, tmp_path / "last.pt")
    with pytest.raises(
        ValueError,
        match=r"missing: video.norm.bias; unknown: extra; of another shape: "
        r"text.linear.bias \(expected \(16,\), found \(3,\)\)",
    ):
        run(model(), folder=tmp_path)
    save({"model": other}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="expected the checkpoint of a training"):
        run(model(), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"x": os.system})])
def test_what_is_not_a_checkpoint_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match="tensors and plain containers"):
        run(model(), folder=tmp_path)


def test_fewer_pairs_than_a_batch_are_refused():
    refused, accelerator = model(), Accelerator(cpu=True)
    with pytest.raises(ValueError, match="at least one batch of 40 pairs, got 10"):
        run(refused, replace(CONFIG, batch=40), accelerator=accelerator)
    assert not accelerator._models and not accelerator._optimizers
    assert refused.forward.__func__ is TempCLR.forward


@pytest.mark.parametrize(("weight", "message"), [(0.0, "expected a finite loss .* nan"), (0.7, "expected costs to be")])
def test_a_loss_that_is_not_finite_stops_and_keeps_the_batch(weight: float, message: str, tmp_path: Path):
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
    assert again(batch, generator=torch.Generator().set_state(kept["orders"])).total.isfinite()


def poison(_: nn.Module, inputs: tuple[Batch]) -> tuple[Batch]:
    """A batch whose clips overflow."""
    (batch,) = inputs
    return (replace(batch, clips=Sequences(batch.clips.values * torch.inf, batch.clips.lengths)),)


def test_a_gradient_that_is_not_finite_stops_before_the_step():
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
    with pytest.raises(ValueError, match="expected a validation for a patience of 2, got none"):
        run(model(), replace(CONFIG, patience=2), validate=None)


def test_a_model_with_nothing_to_train_is_refused():
    with pytest.raises(ValueError, match="at least one trainable parameter"):
        run(model().requires_grad_(False))


def test_a_precision_that_the_device_lacks_is_refused():
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
    Accelerator(cpu=True)  # the latest one sets it for all of a process
