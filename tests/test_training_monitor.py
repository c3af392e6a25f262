"""The training monitor without a browser: what it shows, keeps and writes, and what pause and stop do."""

import asyncio
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from recording import HOSTILE, state_of, tell
from tempclr_widgets import TrainingMonitor
from tempclr_widgets.training_monitor import _MOST_RECORDS, CURVES, thinned
from torch import Tensor

from tempclr import TempCLR, TrainConfig, train
from tempclr.encoders import Projection
from tempclr.losses import OrderTerm
from tempclr.sequences import Pair
from tempclr.tasks import retrieval
from tempclr.training.history import History, read_history

pytestmark = pytest.mark.usefixtures("recording")


def records(steps: int) -> Iterator[dict]:
    """A falling loss, and a score every tenth training step."""
    for step in range(1, steps + 1):
        yield {"step": step, "unit": 1 / step, "score": step / 100 if step % 10 == 0 else None, "seconds": 0.5}


def follow(monitor: TrainingMonitor, loop: Iterable, look=None, *, act=lambda step: None, **options: int) -> list:
    """Watch a loop to its end, and call `act` after each training step."""

    async def cell() -> list:
        found = []
        async for record in monitor.watch(loop, look, **options):
            found.append(record)
            act(record["step"] if isinstance(record, dict) else record.step)
        return found

    return asyncio.run(cell())


def costs_of(monitor: TrainingMonitor) -> np.ndarray:
    return np.frombuffer(monitor._costs, "<f4").reshape(-1, *monitor._shape)


def curves_of(monitor: TrainingMonitor) -> np.ndarray:
    return np.frombuffer(monitor._curves, "<f4").reshape(-1, 1 + len(CURVES))


@pytest.fixture
def pairs(generator: torch.Generator) -> list[Pair]:
    segments, captions = torch.arange(4), ("a", "b", "c", "d")
    features = [torch.randn(4, 6, generator=generator) for _ in range(8)]
    return [Pair(str(k), each, each, segments, captions) for k, each in enumerate(features)]


# known answers


def test_curves_and_looks_hold_what_was_recorded():
    monitor = TrainingMonitor(steps=20, sentences=["a", "b"])
    now = []
    loop = (now.append(record["step"]) or record for record in records(20))
    seen = follow(monitor, loop, lambda: torch.full((2, 3), float(len(now))), every=5)
    assert [record["step"] for record in seen] == list(range(1, 21))
    table = curves_of(monitor)
    np.testing.assert_allclose(table[:, 1], 1 / np.arange(1, 21))
    assert table[9, 1 + list(CURVES).index("score")] == pytest.approx(0.1)
    assert np.isnan(table[8, 1 + list(CURVES).index("score")])
    assert monitor._look_steps == [0, 5, 10, 15, 20]
    assert costs_of(monitor)[:, 0, 0].tolist() == [0, 5, 10, 15, 20]
    assert (monitor.state, monitor.ended, monitor.step, monitor.seconds) == ("ended", "steps", 20, 0.5)


def test_long_curves_are_averaged_and_keep_their_scores():
    table = np.stack([np.arange(1, 10_001), np.ones(10_000), np.full(10_000, np.nan)], 1).astype(float)
    table[4999, 2] = 0.25
    short = thinned(table, _MOST_RECORDS)
    assert len(short) == _MOST_RECORDS and short[-1, 0] == 10_000 and (np.diff(short[:, 0]) > 0).all()
    assert (short[:, 1] == 1).all() and short[np.isfinite(short[:, 2]), 2].tolist() == [0.25]


# laws


def test_looks_stay_few_and_span_the_whole_run():
    monitor = TrainingMonitor(steps=500, sentences=["a"])
    follow(monitor, records(500), lambda: torch.zeros(1, 2), every=1)
    steps = monitor._look_steps
    assert len(steps) <= 60 and steps[0] == 0 and steps[-1] == 500 and steps == sorted(steps)


def test_watching_does_not_change_training(pairs: list[Pair], tmp_path: Path):
    finals = []
    for watched in (False, True):
        torch.manual_seed(0)
        model = TempCLR(Projection(6, 4), Projection(6, 4), order=OrderTerm(negatives=3))
        loop = train(
            model, pairs, TrainConfig(steps=12, batch=4, warmup=1),
            accelerator=Accelerator(cpu=True), generator=torch.Generator().manual_seed(0),
        )  # fmt: skip
        if watched:
            monitor = TrainingMonitor(steps=12, sentences=pairs[0].captions, folder=tmp_path)
            loop = follow(monitor, loop, lambda model=model: retrieval.pair_cost(model, pairs[0]), every=4)
        finals.append([record.total for record in loop])
    assert finals[0] == finals[1]
    assert costs_of(monitor).shape == (4, 4, 4)
    assert not np.array_equal(costs_of(monitor)[0], costs_of(monitor)[-1])


def test_stop_saves_a_checkpoint_from_which_training_continues(pairs: list[Pair], tmp_path: Path):
    def watched() -> TrainingMonitor:
        torch.manual_seed(0)
        model = TempCLR(Projection(6, 4), Projection(6, 4), order=OrderTerm(negatives=3))
        monitor = TrainingMonitor(steps=12, sentences=pairs[0].captions, folder=tmp_path)
        loop = train(
            model, pairs, TrainConfig(steps=12, batch=4, warmup=1, checkpoint_every=100), stop=monitor.stopping,
            accelerator=Accelerator(cpu=True), generator=torch.Generator().manual_seed(0), folder=tmp_path,
        )  # fmt: skip
        ask = (lambda step: step == 5 and tell(monitor, wish="stop")) if not continued else lambda step: None
        follow(monitor, loop, lambda: retrieval.pair_cost(model, pairs[0]), every=2, act=ask)
        return monitor

    continued = False
    monitor = watched()
    assert (monitor.ended, monitor.step, monitor.wish) == ("terminated", 6, "")
    assert (tmp_path / "last.pt").is_file() and read_history(tmp_path)[-1]["ended"] == "terminated"
    continued = True
    monitor = watched()
    assert (monitor.ended, monitor.step, monitor._look_steps) == ("steps", 12, [0, 2, 4, 6, 8, 10, 12])
    assert [each["step"] for each in read_history(tmp_path)] == list(range(1, 13))
    again = TrainingMonitor.of_run(tmp_path)
    assert (again._costs, again._curves, again.ended) == (monitor._costs, monitor._curves, "steps")
    assert again.sentences == monitor.sentences == ["a", "b", "c", "d"]


def test_a_loop_that_ignores_stop_is_abandoned_after_one_step():
    monitor = TrainingMonitor(steps=100)
    seen = follow(monitor, records(100), act=lambda step: step == 3 and tell(monitor, wish="stop"))
    assert [record["step"] for record in seen] == [1, 2, 3, 4] and monitor.ended == "stopped"


def test_pause_holds_the_loop_until_the_reader_continues():
    monitor, seen = TrainingMonitor(steps=6), []

    async def reader() -> None:
        while monitor.state != "paused":
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        seen.append(monitor.state)
        tell(monitor, wish="")

    async def cell() -> None:
        task = asyncio.create_task(reader())
        async for record in monitor.watch(records(6)):
            seen.append(record["step"])
            if record["step"] == 2:
                tell(monitor, wish="pause")
        await task

    asyncio.run(asyncio.wait_for(cell(), 600))
    assert seen == [1, 2, "paused", 3, 4, 5, 6]


def test_an_interruption_is_shown_and_raised():
    def interrupted() -> Iterator[dict]:
        yield from records(2)
        raise KeyboardInterrupt

    monitor = TrainingMonitor(steps=6)
    with pytest.raises(KeyboardInterrupt):
        follow(monitor, interrupted())
    assert (monitor.state, monitor.ended, monitor.step) == ("ended", "interrupted", 2)


def test_page_and_pictures_are_saved_with_escaped_text(tmp_path: Path):
    monitor = TrainingMonitor(steps=20, sentences=HOSTILE)
    follow(monitor, records(20), lambda: torch.rand(4, 6))
    for name in ("monitor.html", "monitor.png", "monitor.svg"):
        assert monitor.save(tmp_path / name).stat().st_size > 5000
    state = state_of((tmp_path / "monitor.html").read_text())
    assert state["sentences"] == HOSTILE and state["state"] == "ended" and state["step"] == 20
    assert len(json.dumps(state)) < 20_000


def test_a_history_is_shown_before_training_starts(tmp_path: Path):
    history = History(tmp_path, after=0)
    for record in records(5):
        history.append(record)
    monitor = TrainingMonitor(steps=10, folder=tmp_path)
    assert monitor.step == 5 and len(curves_of(monitor)) == 5 and monitor.state == "waiting"
    assert TrainingMonitor.of_run(tmp_path).ended == "interrupted"


# refusals


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (torch.zeros(3, 2), r"expected costs \[2, 'clips'\] of the pair, got \[3, 2\]"),
        (torch.full((2, 2), torch.nan), "got NaN"),
        (torch.zeros(2, 60_000), "expected at most 100,000 cells, got 120,000"),
    ],
)
def test_costs_that_do_not_fit_the_pair_are_refused(cost: Tensor, message: str):
    monitor = TrainingMonitor(steps=2, sentences=["a", "b"])
    with pytest.raises(ValueError, match=message):
        follow(monitor, records(2), lambda: cost)


def test_arguments_out_of_range_are_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="at least one step of training, got 0"):
        TrainingMonitor(steps=0)
    with pytest.raises(ValueError, match=r"a gamma from 0.001 to 10, got 0"):
        TrainingMonitor(steps=1, gamma=0)
    with pytest.raises(ValueError, match="a list of sentences, got one string"):
        TrainingMonitor(steps=1, sentences="abc")
    with pytest.raises(ValueError, match="at least one step between looks, got 0"):
        follow(TrainingMonitor(steps=1), records(1), every=0)
    with pytest.raises(ValueError, match="expected records with a step, got one with loss"):
        follow(TrainingMonitor(steps=1), [{"loss": 1.0}])
    with pytest.raises(ValueError, match=r"expected the history of a training run in .*, found none"):
        TrainingMonitor.of_run(tmp_path)
    with pytest.raises(ValueError, match="expected records of a training run to draw, got none"):
        TrainingMonitor(steps=1).figure()


def test_damaged_looks_are_refused(tmp_path: Path):
    (tmp_path / "looks.npz").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(ValueError, match="got a damaged file; delete it"):
        TrainingMonitor(steps=1, folder=tmp_path)
    np.savez(tmp_path / "looks.npz", steps=np.array([0]), costs=np.zeros((1, 2, 2), "f4"), sentences=["a", "c"])
    with pytest.raises(ValueError, match=r"expected the sentences of the pair in .*, got others"):
        TrainingMonitor(steps=1, sentences=["a", "b"], folder=tmp_path)
