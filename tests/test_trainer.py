import os
import pickle
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tempclr import Pair, TempCLR, TrainConfig, train
from tempclr.encoders import Projection
from tempclr.runs import read_history
from tempclr.trainer import learning_rate, load, save

CONFIG = TrainConfig(steps=12, batch=4, warmup=2, validate_every=5, checkpoint_every=4)


def data(count: int = 10) -> list[Pair]:
    """Videos whose clips are a fixed map of their sentences, with noise: something to learn."""
    generator = torch.Generator().manual_seed(0)
    mapping = torch.randn(6, 8, generator=generator)
    pairs = []
    for k in range(count):
        sentences = torch.randn(4, 6, generator=generator)
        clips = (sentences @ mapping).repeat_interleave(2, 0) + 0.1 * torch.randn(8, 8, generator=generator)
        pairs.append(
            Pair(
                f"video-{k}",
                sentences,
                clips,
                torch.arange(4).repeat_interleave(2),
                tuple(f"{k} {i}" for i in range(4)),
            )
        )
    return pairs


def model() -> TempCLR:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TempCLR(Projection(6, 16), Projection(8, 16), negatives=5)


def run(trained: TempCLR, config: TrainConfig = CONFIG, stop: int | None = None, **settings: object) -> list:
    records = []
    for record in train(trained, data(), config, generator=torch.Generator().manual_seed(1), **settings):
        records.append(record)
        if record.step == stop:
            break
    return records


def weights(trained: TempCLR) -> list[Tensor]:
    return [weight.clone() for weight in trained.state_dict().values()]


# known answers


def test_the_learning_rate_rises_and_falls_as_said():
    config = TrainConfig(steps=110, warmup=10, learning_rate=2.0)
    assert learning_rate(5, config) == 1.0
    assert learning_rate(10, config) == 2.0
    assert learning_rate(60, config) == pytest.approx(1.0)
    assert learning_rate(110, config) == pytest.approx(0.0)
    assert learning_rate(60, replace(config, decay="linear")) == pytest.approx(1.0)
    assert learning_rate(35, replace(config, decay="linear")) == pytest.approx(1.5)
    assert learning_rate(110, replace(config, decay="none")) == 2.0


# laws


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_training_lowers_both_losses(optimizer: str):
    records = run(model(), TrainConfig(steps=80, batch=8, learning_rate=0.01, optimizer=optimizer))
    assert [record.step for record in records] == list(range(1, 81))
    assert records[-1].unit < records[0].unit / 2
    assert records[-1].order < records[0].order / 2


@pytest.mark.parametrize("stop", [1, 4, 6, 11])
def test_stopping_anywhere_and_continuing_equals_never_stopping(stop: int, tmp_path: Path):
    whole = model()
    records = run(whole)
    run(model(), stop=stop, folder=tmp_path)
    continued = model()
    rest = run(continued, folder=tmp_path)
    assert [record.total for record in rest] == [record.total for record in records[-len(rest) :]]
    assert rest[0].step == stop // 4 * 4 + 1
    for ours, theirs in zip(weights(continued), weights(whole), strict=True):
        assert torch.equal(ours, theirs)


def test_a_finished_training_has_nothing_left_to_do(tmp_path: Path):
    run(model(), folder=tmp_path)
    assert run(model(), folder=tmp_path) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last.pt"]


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_trainer import CONFIG, data, model
import torch
from tempclr import train
from tempclr.runs import Run
torch.set_num_threads(1)
run = Run(sys.argv[1], config=CONFIG)
trained = model()
for record in train(trained, data(), CONFIG, generator=torch.Generator().manual_seed(1), folder=run.folder):
    run.log(record)
    time.sleep(0.05)
torch.save(trained.state_dict(), run.folder / "final.pt")
"""


def test_killing_it_at_any_moment_and_continuing_gives_the_same_weights(tmp_path: Path):
    def start(folder: Path) -> subprocess.Popen:
        arguments = [sys.executable, "-c", KILLED, str(folder), str(Path(__file__).parent)]
        return subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)

    killed = tmp_path / "killed"
    chance = random.Random(int.from_bytes(os.urandom(4)))
    process = start(killed)
    deadline = time.monotonic() + 60
    while not read_history(killed) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.5))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    reached = len(read_history(killed))
    for folder in (killed, tmp_path / "whole"):
        process = start(folder)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    final = [load(folder / "final.pt") for folder in (killed, tmp_path / "whole")]
    assert all(torch.equal(final[0][name], final[1][name]) for name in final[1]), f"killed after step {reached}"
    histories = [
        [(line["step"], line["total"]) for line in read_history(tmp_path / name)] for name in ("killed", "whole")
    ]
    assert histories[0] == histories[1]
    assert not list(killed.glob(".*.partial")) or reached < CONFIG.steps


def test_the_weights_that_validate_best_are_kept(tmp_path: Path):
    scores = iter([0.2, 0.9, 0.5])
    seen = []

    def validate(trained: TempCLR) -> float:
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


def test_validation_does_not_change_training():
    plain, validated = (run(model(), validate=each) for each in (None, lambda _: 0.0))
    assert [record.total for record in plain] == [record.total for record in validated]


def test_skipped_videos_are_counted():
    short = [Pair("short", torch.ones(1, 6), torch.ones(2, 8), torch.zeros(2, dtype=torch.int64), ("x",))] * 4
    (record, *_) = train(model(), short, replace(CONFIG, steps=3), generator=torch.Generator())
    assert record.skipped == 4


# refusals


def test_a_checkpoint_of_another_configuration_or_model_is_refused(tmp_path: Path):
    run(model(), folder=tmp_path)
    with pytest.raises(ValueError, match="got other steps, batch"):
        run(model(), replace(CONFIG, steps=20, batch=5), folder=tmp_path)
    with pytest.raises(ValueError, match="weights of this model"):
        run(TempCLR(Projection(6, 4), Projection(8, 4)), folder=tmp_path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", pickle.dumps({"x": os.system})])
def test_what_is_not_a_checkpoint_is_refused(content: bytes, tmp_path: Path):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(ValueError, match="tensors and plain containers"):
        run(model(), folder=tmp_path)


def test_nothing_but_tensors_and_plain_containers_is_unpickled(tmp_path: Path):
    save({"function": os.getcwd}, tmp_path / "last.pt")
    with pytest.raises(ValueError, match="tensors and plain containers"):
        load(tmp_path / "last.pt")
    with pytest.raises(ValueError, match="found none; train first"):
        load(tmp_path / "absent.pt")


def test_fewer_pairs_than_a_batch_are_refused():
    with pytest.raises(ValueError, match="at least one batch of 40 pairs, got 10"):
        run(model(), replace(CONFIG, batch=40))


def test_a_loss_that_is_not_finite_stops_and_names_the_videos():
    broken = model()
    with torch.no_grad():
        broken.text.linear.weight.fill_(torch.nan)
    broken.weight = 0.0
    with pytest.raises(ValueError, match="finite loss, got nan at step 1 on video-"):
        run(broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps > 0"),
        ({"learning_rate": -1.0}, "learning_rate > 0"),
        ({"warmup": 12}, "warmup from 0 to less than the 12"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(change: dict, message: str):
    with pytest.raises(ValueError, match=message):
        replace(CONFIG, **change)


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_decay_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="decay cosine, linear or none"):
        TrainConfig(decay="step")
