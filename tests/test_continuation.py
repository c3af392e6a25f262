"""Training that was stopped, killed or signalled continues exactly as if it had never stopped."""

import os
import pickle
import random
import resource
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from small_training import ALL, CONFIG, data, defaults, model, run, same, uninterrupted

from tempclr import TempCLR, TrainConfig, soft_dtw, train
from tempclr.alignment import AlignmentFn
from tempclr.encoders import ContextEncoder, Projection, tune
from tempclr.losses import OrderTerm, Temperature, UnitTerm, WithinVideoTerm, mil_nce, ramp
from tempclr.negatives import permute_both
from tempclr.training.checkpoints import load, save
from tempclr.training.history import read_history
from tempclr.training.processes import AllProcesses

pytestmark = pytest.mark.usefixtures("one_thread")

# laws


@pytest.mark.parametrize(("config", "stop"), [(CONFIG, 1), (CONFIG, 4), (ALL, 6), (ALL, 11)])
def test_a_training_stopped_anywhere_continues_as_if_never_stopped(config: TrainConfig, stop: int, tmp_path: Path):
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
from small_training import ALL, data, defaults, model, train
torch.set_num_threads(1)
torch.manual_seed(2)
for record in train(model(), data(), ALL, folder=Path(sys.argv[1]), **defaults()):
    time.sleep(0.05)
time.sleep(600)
"""


@pytest.mark.slow
def test_a_training_killed_at_any_moment_continues_as_if_never_stopped(tmp_path: Path):
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


def test_sigterm_saves_a_checkpoint_and_ends_training_as_the_record_says(tmp_path: Path):
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


def test_a_signal_too_late_for_the_loop_is_sent_again_after_it(tmp_path: Path):
    heard = []
    handled = signal.signal(signal.SIGTERM, lambda *_: heard.append("again"))
    try:
        for step, left in (
            (12, False),
            (5, True),
        ):  # in the last step; before the caller leaves
            for record in train(model(), data(), CONFIG, folder=tmp_path / str(step), **defaults()):
                if record.step == step:
                    os.kill(os.getpid(), signal.SIGTERM)
                    assert not heard  # the loop holds it back
                    if left:
                        break
            assert record.ended == (None if left else "steps")
            assert heard == ["again"]
            heard.clear()
    finally:
        signal.signal(signal.SIGTERM, handled)


def test_a_signal_that_did_not_end_training_is_sent_again():
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
    """A model with a transformer on the video side, with all or some of its parameters trainable."""
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


@pytest.mark.slow
@pytest.mark.parametrize("what", ["all", "layernorm", "lora"])
@pytest.mark.parametrize("precision", ["no", "bf16"])
def test_any_trainable_parameters_in_any_precision_continue_as_if_never_stopped(
    what: str, precision: str, tmp_path: Path
):
    AcceleratorState._reset_state(reset_partial_state=True)  # all accelerators of a process share one precision
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


def test_a_full_disk_leaves_the_previous_checkpoint_intact_and_says_so(tmp_path: Path):
    continued = model()
    records, whole = uninterrupted(CONFIG)
    run(model(), stop=4, folder=tmp_path)
    before = (tmp_path / "last.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))  # writing more fails, as on a full disk
    try:
        with pytest.raises(OSError, match=r"could not write .*last\.pt .*the previous file is intact"):
            run(model(), folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "last.pt").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "history.jsonl", "last.pt"]
    assert run(continued, folder=tmp_path) == records[4:]
    assert same(continued, whole)
    assert [line["step"] for line in read_history(tmp_path)] == list(range(1, 13))


def test_partial_files_of_a_killed_writer_are_removed(tmp_path: Path):
    (tmp_path / ".last.pt.123.partial").write_bytes(b"half")
    run(model(), folder=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["best.pt", "history.jsonl", "last.pt"]


# refusals


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path):
    run(model(), folder=tmp_path)
    with pytest.raises(
        ValueError, match=r"got different ones: steps \(expected 12, found 20\), batch \(expected 4, found 5\)"
    ):
        run(model(), replace(CONFIG, steps=20, batch=5), folder=tmp_path)
    half = model()
    half.video.requires_grad_(False)
    with pytest.raises(ValueError, match=r"parameters \(expected video.norm.weight \(torch.float32\), found nothing"):
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
        with pytest.raises(
            ValueError, match=r"got different ones: data \(expected [0-9a-f]{16}, found [0-9a-f]{16}\);"
        ):
            next(train(model(), others, CONFIG, folder=tmp_path, **defaults()))
    stored = load(tmp_path / "last.pt")
    other = dict(stored["model"])
    other["text.linear.bias"] = torch.zeros(3)
    other["extra"] = other.pop("video.norm.bias")
    save({**stored, "model": other}, tmp_path / "last.pt")
    with pytest.raises(
        ValueError,
        match=r"missing: video.norm.bias; unknown: extra; with another shape: "
        r"text.linear.bias \(expected \(16,\), found \(3,\)\)",
    ):
        run(model(), folder=tmp_path)
    save({"model": other}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match=r"expected a checkpoint `last\.pt` of `train`"):
        run(model(), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"x": os.system})])
def test_a_file_that_is_not_a_checkpoint_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match="tensors and plain containers"):
        run(model(), folder=tmp_path)
