"""The parts of the training loop, one by one."""

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from tempclr.sequences import Pair
from tempclr.training.batches import Batches, batch_of, clip_counts
from tempclr.training.checkpoints import load, save
from tempclr.training.config import StepRecord, TrainConfig
from tempclr.training.interruption import termination
from tempclr.training.progress import progress
from tempclr.training.recomputation import recomputed
from tempclr.training.schedules import learning_rate

CONFIG = TrainConfig(steps=110, warmup=10, learning_rate=2.0)


def pairs(lengths: list[int]) -> list[Pair]:
    return [
        Pair(f"video-{k}", torch.zeros(1, 2), torch.zeros(m, 2), torch.zeros(m, dtype=torch.int64), (f"text {k % 3}",))
        for k, m in enumerate(lengths)
    ]


def epochs(batches: Batches, count: int) -> list[list[int]]:
    return [next(batches) for _ in range(count)]


# known answers


@pytest.mark.parametrize(
    ("step", "decay", "expected"),
    [
        (5, "cosine", 1.0),
        (10, "cosine", 2.0),
        (60, "cosine", 1.0),
        (110, "cosine", 0.0),
        (60, "linear", 1.0),
        (35, "linear", 1.5),
        (35, "polynomial", 2 * 0.75**3),
        (110, "polynomial", 0.0),
        (110, "none", 2.0),
    ],
)
def test_the_learning_rate_rises_and_falls_as_documented(step: int, decay: str, expected: float):
    assert learning_rate(step, replace(CONFIG, decay=decay, power=3.0)) == pytest.approx(expected)


def test_the_published_schedule_hardly_falls_during_training():
    published = TrainConfig(
        steps=40_000, warmup=1000, learning_rate=2e-5, decay="polynomial", decay_steps=1_000_000, optimizer="adam"
    )
    for step in (1, 999, 1000, 1001, 40_000):  # linear warmup, then (total - step) / (total - warmup)
        expected = step / 1000 if step <= 1000 else (1_000_000 - step) / 999_000
        assert learning_rate(step, published) == pytest.approx(2e-5 * expected)
    short = replace(published, decay_steps=2000)
    assert learning_rate(2000, short) == learning_rate(30_000, short) == 0


def test_shares_number_captions_as_the_whole_batch_does():
    made = pairs([1, 2, 3, 4, 5])
    drawn = [made[index] for index in (4, 0, 3, 1, 2)]
    whole = batch_of(drawn, 0, 1)
    parts = [batch_of(drawn, process, 2) for process in (0, 1)]
    assert whole.captions.tolist() == [[0], [1], [1], [0], [2]]  # "text 1", 0, 0, 1, 2
    assert torch.cat([part.captions for part in parts]).tolist() == whole.captions.tolist()
    assert [part.clips.lengths.tolist() for part in parts] == [[5, 1], [4, 2, 3]]


# laws


@given(lengths=st.lists(st.integers(1, 30), min_size=4, max_size=40), batch=st.integers(1, 4), bucket=st.integers(1, 5))
def test_an_epoch_takes_every_item_at_most_once_and_leaves_out_less_than_a_batch(
    lengths: list[int], batch: int, bucket: int
):
    batches = Batches(
        torch.tensor(lengths), batch, bucket=bucket, generator=torch.Generator().manual_seed(len(lengths))
    )
    for _ in range(2):
        epoch = epochs(batches, len(lengths) // batch)
        seen = [item for chosen in epoch for item in chosen]
        assert {len(chosen) for chosen in epoch} == {batch}
        assert len(set(seen)) == len(seen) > len(lengths) - batch
        assert set(seen) <= set(range(len(lengths)))


@given(taken=st.integers(0, 11), bucket=st.integers(1, 3))
def test_batches_continue_from_a_stored_position(taken: int, bucket: int):
    def batches(seed: int) -> Batches:
        generator = torch.Generator().manual_seed(seed)
        return Batches(torch.arange(10), 3, bucket=bucket, generator=generator)

    first, second = batches(0), batches(1)
    epochs(first, taken)
    second.load_state_dict(first.state_dict())
    assert epochs(first, 7) == epochs(second, 7)


def test_buckets_save_padding_and_shuffle_their_batches(generator: torch.Generator):
    lengths = torch.randint(1, 100, (240,), generator=generator)

    def padding(bucket: int) -> tuple[int, list[list[int]]]:
        epoch = epochs(Batches(lengths, 8, bucket=bucket, generator=torch.Generator().manual_seed(0)), 30)
        return sum(8 * int(lengths[chosen].max()) - int(lengths[chosen].sum()) for chosen in epoch), epoch

    (none, _), (some, epoch), (most, _) = (padding(bucket) for bucket in (1, 5, 30))
    assert most < some / 2 < none / 4
    sizes = torch.stack([lengths[chosen].float().mean() for chosen in epoch])
    assert (sizes.diff() < 0).any() and (sizes.diff() > 0).any()  # long batches do not come last


def test_videos_are_read_only_for_buckets():
    assert clip_counts(pairs([3, 1, 2]), bucket=2).tolist() == [3, 1, 2]
    assert clip_counts(pairs([3, 1, 2]), bucket=1).tolist() == [1, 1, 1]


class Stack(nn.Module):
    """A stack of layers with dropout, and a single layer."""

    def __init__(self) -> None:
        super().__init__()
        self.deep = nn.Module()
        self.deep.layers = nn.ModuleList(nn.Sequential(nn.Linear(8, 8), nn.GELU(), nn.Dropout()) for _ in range(6))
        self.flat = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.deep.layers:
            x = layer(x)
        return self.flat(x).square().sum()


def gradients(model: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor], int]:
    """Loss, gradients, and how many numbers were stored for the backward pass."""
    kept = []
    torch.manual_seed(5)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        loss = model(x)
    return loss, torch.autograd.grad(loss, list(model.parameters())), sum(kept)


def test_recomputed_layers_store_less_and_give_the_same_gradients():
    torch.manual_seed(0)
    model, x = Stack(), torch.randn(64, 8)
    loss, expected, kept = gradients(model, x)
    with recomputed(model) as names:
        same, found, kept_less = gradients(model, x)
    assert names == [f"deep.layers.{number}" for number in range(6)] + ["flat"]
    assert torch.equal(loss, same)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    assert kept_less < kept / 2
    assert not any("forward" in vars(module) for module in model.modules())


def test_layers_that_two_encoders_share_are_recomputed_once():
    model = nn.Module()
    model.text = nn.ModuleList([nn.Linear(2, 2)])
    model.video = nn.Sequential(model.text)
    with recomputed(model) as names:
        assert names == ["text.0"]


def test_a_signal_is_noted_only_within_the_block():
    before = signal.getsignal(signal.SIGTERM)
    with termination() as noted:
        assert not noted.asked
        os.kill(os.getpid(), signal.SIGTERM)
        assert noted.asked
        noted.handled = True
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_unhandled_signal_is_sent_again_after_the_block():
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("outside"))
    try:
        with pytest.raises(ValueError, match="broken"), termination():
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == []
            raise ValueError("broken")
        assert heard == ["outside"]
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_second_signal_has_its_usual_effect(monkeypatch: pytest.MonkeyPatch):
    heard, now = [], [0.0]
    monkeypatch.setattr("tempclr.training.interruption.time", SimpleNamespace(monotonic=lambda: now[0]))
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("outside"))
    try:
        with termination() as noted:
            os.kill(os.getpid(), signal.SIGTERM)
            assert noted.asked and heard == []
            os.kill(os.getpid(), signal.SIGTERM)  # the same one, sent twice
            assert heard == []
            now[0] = 1.1
            os.kill(os.getpid(), signal.SIGTERM)
            assert heard == ["outside"]
        assert heard == ["outside"]
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("asked_in_both", [True, False])
def test_blocks_that_overlap_lose_no_signal(asked_in_both: bool):
    heard = []
    before = signal.signal(signal.SIGTERM, lambda *_: heard.append("outside"))
    try:
        first, second = termination(), termination()
        first.__enter__()
        noted = second.__enter__()
        if asked_in_both:
            os.kill(os.getpid(), signal.SIGTERM)
            assert noted.asked and heard == []
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)
        assert heard == ["outside"] * asked_in_both
        os.kill(os.getpid(), signal.SIGTERM)
        assert heard == ["outside"] * (1 + asked_in_both)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_closing_the_bar_closes_the_training():
    left = []

    def loop() -> Iterator[StepRecord]:
        try:
            yield StepRecord(1, 1.0, 1.0, 1.0, 1.0, 0, 0, 0.1, 0.1)
            yield StepRecord(2, 1.0, 1.0, 1.0, 1.0, 0, 0, 0.1, 0.1)
        finally:
            left.append(True)

    records = loop()
    for record in progress(records, 2, shown=False):
        assert record.step == 1
        break
    assert left == [True]


def test_threads_other_than_the_main_one_leave_signals_alone():
    found = []

    def look() -> None:
        with termination() as noted:
            found.append((noted.asked, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [(False, signal.getsignal(signal.SIGTERM))]


def test_the_bar_starts_where_a_continued_training_does(capsys: pytest.CaptureFixture[str]):
    records = [StepRecord(step, 1.0, 1.0, 1.0, 1.0, 0, 0, 0.1, 0.1, 0.5 if step == 5 else None) for step in (4, 5, 6)]
    assert list(progress(records, 6)) == records
    shown = capsys.readouterr().err.split("\r")[-1]
    assert "6/6" in shown and "loss=1.000" in shown and "score=0.500" in shown
    assert list(progress(records, 6, shown=False)) == records
    assert capsys.readouterr().err == ""


# refusals


def test_only_tensors_and_plain_containers_are_unpickled(tmp_path: Path):
    save({"function": os.getcwd}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="tensors and plain containers"):
        load(tmp_path / "last.pt")
    with pytest.raises(ValueError, match="found none; train first"):
        load(tmp_path / "absent.pt")


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path):
    with pytest.raises(OSError, match="there was no previous file"):
        save({}, tmp_path / "absent" / "last.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps >= 1, got 0"),
        ({"weight_decay": -0.1}, "weight_decay >= 0"),
        ({"learning_rate": float("inf")}, "learning_rate to be finite"),
        ({"betas": (0.9, 1.0)}, "betas from 0 to less than 1"),
        ({"learning_rate": -1.0}, "learning_rate > 0"),
        ({"warmup": 110}, "warmup from 0 to less than the 110"),
        ({"decay_steps": 10}, "decay_steps above the warmup of 10, or 0, got 10"),
        ({"ema_decay": 1.0}, "ema_decay from 0 to less than 1"),
        ({"patience": -1}, "patience >= 0"),
        ({"accumulate": 0}, "accumulate >= 1"),
    ],
)
def test_an_invalid_configuration_is_refused(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)


@pytest.mark.usefixtures("unchecked_shapes")
def test_numbers_of_numpy_become_plain(tmp_path: Path):
    config = TrainConfig(
        steps=np.int64(30), learning_rate=np.float64(0.1), betas=[np.float32(0.5), 0], decay_steps=np.int64(40)
    )
    assert config == TrainConfig(steps=30, learning_rate=0.1, betas=(0.5, 0.0), decay_steps=40)
    save(asdict(config), tmp_path / "config.pt")
    assert load(tmp_path / "config.pt") == asdict(config)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decay": "step"}, "decay to be one of cosine, linear, polynomial, none, got 'step'"),
        ({"steps": 100.5}, "steps to be of type int, got 100.5"),
        ({"steps": True}, "steps to be of type int, got True"),
        ({"power": "1"}, "power to be of type float, got '1'"),
        ({"decay_steps": 20.5}, "decay_steps to be of type int, got 20.5"),
        ({"betas": ("a", "b")}, "two betas from 0 to less than 1"),
        ({"recompute": 2}, "recompute to be of type bool, got 2"),
    ],
)
def test_a_parameter_of_the_wrong_type_is_refused(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)
