"""The saved page of a training monitor, without a network."""

import asyncio
import math
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from tempclr_widgets import TrainingMonitor

import tempclr

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SENTENCES = ["crack <b>two</b> eggs", "whisk them</script>", "שוברים ביצים"]
STEPS = 40


def cost_at(step: int) -> torch.Tensor:
    """Costs of the pair; in training, the right path becomes the cheapest."""
    noise = torch.rand(3, 6, generator=torch.Generator().manual_seed(0))
    right = 1 - torch.eye(3).repeat_interleave(2, 1)
    return ((1 - step / STEPS) * noise + step / STEPS * right).double().float()


@pytest.fixture
def page(tmp_path: Path, open_page: Callable) -> object:
    """The saved page of a finished training."""
    monitor, now = TrainingMonitor(steps=STEPS, sentences=SENTENCES), {"step": 0}

    def loop() -> Iterator[dict]:
        for step in range(1, STEPS + 1):
            now["step"] = step
            score = step / STEPS if step % 10 == 0 else None
            yield {"step": step, "unit": 3 * math.exp(-step / 10), "order": 3.0, "score": score, "seconds": 0.01}

    async def cell() -> None:
        async for _ in monitor.watch(loop(), lambda: cost_at(now["step"]), every=10):
            pass

    with ThreadPoolExecutor(1) as beside:  # the browser's driver has a loop in this thread
        beside.submit(lambda: asyncio.run(cell())).result()
    return open_page(monitor.save(tmp_path / "monitor.html").as_uri())


def shows(page: object, step: int, gamma: float = 0.1) -> None:
    """Wait until the page shows the values of a look."""
    cost = cost_at(step).double()
    expect(page.locator("[data-kind=hard]")).to_have_text(f"DTW {tempclr.dtw(cost).item():.3f}")
    soft = f"soft-DTW {tempclr.soft_dtw(cost, gamma=gamma).item():.3f}".replace("-0", "−0").replace("-1", "−1")
    expect(page.locator("[data-kind=soft]")).to_have_text(soft)


def test_time_and_gamma_move_by_keyboard_and_mouse(page: object, artifacts: Path):
    shows(page, STEPS)
    time = page.get_by_label("step of training at which")
    time.focus()
    page.keyboard.press("Home")
    shows(page, 0)
    page.keyboard.press("ArrowRight")
    shows(page, 10)
    box = time.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    shows(page, 20)
    expect(page.locator(".tc-slider output").first).to_have_text("20")
    page.get_by_label("gamma: smoothing").focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    shows(page, 20, gamma=1.0)
    page.screenshot(path=artifacts / "training_monitor.png", full_page=True)


def test_curves_are_read_by_keyboard_and_mouse(page: object):
    expect(page.locator(".tm-chart:visible")).to_have_count(3)  # no gradient norm was recorded
    unit = page.locator("[data-key=unit]")
    expect(unit.locator("output")).to_have_text(f"{3 * math.exp(-4):.3g}")
    unit.locator("svg").focus()
    page.keyboard.press("Home")
    expect(unit.locator("output")).to_have_text(f"{3 * math.exp(-0.1):.3g} at step 1")
    page.keyboard.press("ArrowRight")
    expect(unit.locator("output")).to_have_text(f"{3 * math.exp(-0.2):.3g} at step 2")
    expect(page.locator("[data-key=score] output")).to_have_text("0.25 at step 10")  # the nearest that is there
    box = unit.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 20)
    expect(unit.locator("output")).to_contain_text("at step 40")
    assert "at step 40" in unit.locator("svg").get_attribute("aria-label")


def test_cells_are_read_in_both_matrices(page: object):
    matrix = page.locator(".tc-map").first
    matrix.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    cost = cost_at(STEPS)
    expect(page.locator(".tm-found")).to_contain_text(f"sentence 1, clip 1: cost {cost[1, 1].item():.3f}")
    page.keyboard.press("Escape")
    expect(page.locator(".tm-found")).to_have_text("")


def test_a_finished_page_has_nothing_to_stop_and_shows_text_as_text(page: object):
    expect(page.get_by_role("button", name="Stop")).to_have_count(0)
    expect(page.get_by_role("button", name="Play")).to_have_count(0)  # motion is unwelcome here
    assert page.locator("ol bdi").all_inner_texts() == SENTENCES
    expect(page.locator(".tm-head")).to_contain_text(re.compile(r"Ended.*step 40 of 40.*all steps done"))


def test_a_page_says_that_training_has_not_started(tmp_path: Path, open_page: Callable):
    page = open_page(TrainingMonitor(steps=5).save(tmp_path / "empty.html").as_uri())
    expect(page.locator(".tm-head")).to_contain_text("Waiting to begin")
    expect(page.get_by_text("No step has been recorded yet.")).to_be_visible()
