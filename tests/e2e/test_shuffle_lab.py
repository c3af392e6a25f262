"""The saved page of a shuffle lab, without a network: by keyboard and by mouse, it shows the package's numbers."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tempclr_widgets import ShuffleLab

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SENTENCES = ["crack <b>two</b> eggs", "whisk them</script>", "שוברים ביצים", "heat the pan", "pour them in and wait"]
SEGMENTS = [0, 0, 1, 1, -1, 2, 2, 3, 3, 4, 4, 4]


@pytest.fixture
def lab() -> ShuffleLab:
    cost = torch.rand(5, 12, generator=torch.Generator().manual_seed(0)) * 0.7 + 0.3
    for clip, segment in enumerate(SEGMENTS):
        cost[max(segment, 0), clip] -= 0.3 * (segment >= 0)
    return ShuffleLab(cost, sentences=SENTENCES, segments=SEGMENTS)


@pytest.fixture
def page(lab: ShuffleLab, tmp_path: Path, open_page: Callable) -> object:
    return open_page(lab.save(tmp_path / "lab.html").as_uri())


def written(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def shows(page: object, lab: ShuffleLab) -> None:
    """Wait until the page shows the numbers of the lab."""
    distances = lab.distances
    fact = lambda name: page.locator(f"[data-fact='{name}'] strong")  # noqa: E731
    expect(fact("loss")).to_have_text(f"{written(lab.loss)} nats")
    expect(fact("true order")).to_have_text(written(distances[0].item()))
    expect(fact("this wrong order")).to_have_text(written(distances[1 + lab.order].item()))
    cheaper = (distances[1:] < distances[0]).sum().item()
    expect(fact("cheaper wrong orders")).to_have_text(f"{cheaper} of {len(lab.orders)}")
    expect(page.locator("[data-panel='2']")).to_have_text(f"up to {written(lab.gradient.abs().max().item())}")


def test_every_shuffle_shows_the_numbers_of_the_lab(page: object, lab: ShuffleLab, artifacts: Path):
    shows(page, lab)
    names = {"clips": "Clips", "both": "Both", "sentences": "Sentences", "swaps": "Swaps", "reversed": "Reversed"}
    for kind, name in names.items():
        page.get_by_role("button", name=name).click()
        lab.shuffle = kind
        shows(page, lab)
    page.get_by_role("button", name="Sentences").click()
    expect(page.get_by_text("sentences in the order")).to_be_visible()
    page.screenshot(path=artifacts / "shuffle_lab.png", full_page=True)


def test_gamma_and_temperature_move_by_keyboard(page: object, lab: ShuffleLab):
    page.get_by_label("gamma: smoothing").focus()
    for _ in range(20):  # steps of 0.05 in the exponent
        page.keyboard.press("ArrowRight")
    lab.gamma = 1.0
    shows(page, lab)
    page.get_by_label("temperature of the loss").focus()
    for _ in range(20):
        page.keyboard.press("ArrowLeft")
    lab.temperature = 0.1
    shows(page, lab)


def test_orders_are_chosen_by_keyboard_and_mouse_and_drawn_anew(page: object, lab: ShuffleLab):
    ranked = (lab.distances[1:].argsort(stable=True)).tolist()
    bars = page.get_by_role("listbox", name="wrong orders by cost")
    bars.focus()
    page.keyboard.press("Home")
    lab.order = ranked[0]
    shows(page, lab)
    page.keyboard.press("ArrowRight")
    lab.order = ranked[1]
    shows(page, lab)
    expect(bars.get_by_role("option", selected=True)).to_have_attribute("data-order", str(ranked[1]))
    page.locator(f"[data-order='{ranked[-1]}']").click()
    lab.order = ranked[-1]
    shows(page, lab)
    page.get_by_role("button", name="Draw others").click()
    lab.seed, lab.order = 1, 0
    shows(page, lab)
    for _ in range(7):
        page.get_by_role("button", name="Draw others").click()
    lab.seed = 0  # a page holds eight draws, and begins again
    shows(page, lab)


def test_cells_are_read_in_the_order_that_is_shown(page: object, lab: ShuffleLab):
    order, cost = lab.orders[0].tolist(), lab._matrix
    matrix = page.get_by_role("application", name="Wrong order:")
    matrix.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    found = page.get_by_label("Wrong order", exact=True).locator(".ts-words")
    expect(found).to_contain_text(f"sentence 1, clip {order[2]}")
    expect(found).to_contain_text(f"cost {cost[1, order[2]].item():.3f}")
    assert page.locator("ol bdi").all_inner_texts() == SENTENCES
