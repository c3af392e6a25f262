"""The saved page of a playground: curves drawn by mouse and by keyboard are aligned as in the package."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tempclr_widgets import SoftDTWPlayground

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

X, Y = [0.0, 0.2, 1.0, 0.3, 0.0, 0.1], [0.0, 0.1, 0.0, 0.9, 1.0, 0.2, 0.0]


@pytest.fixture
def playground() -> SoftDTWPlayground:
    return SoftDTWPlayground(X, Y)


@pytest.fixture
def page(playground: SoftDTWPlayground, tmp_path: Path, open_page: Callable) -> object:
    opened = open_page(playground.save(tmp_path / "curves.html").as_uri())
    shows(opened, playground)
    return opened


def written(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def shows(page: object, playground: SoftDTWPlayground) -> None:
    """Wait until the page shows the numbers of the playground."""
    expect(page.locator("[data-kind=soft]")).to_contain_text(written(playground.value))
    hard = SoftDTWPlayground(
        playground.x, playground.y, alignment=playground.alignment, gamma=0.0, band=playground.band,
        drop_cost=playground.drop_cost,
    )  # fmt: skip
    expect(page.locator("[data-kind=hard]")).to_contain_text(f"hard: {written(hard.value)}")


def test_every_control_shows_its_numbers(page: object, playground: SoftDTWPlayground, artifacts: Path):
    for alignment, name in (("otam", "OTAM"), ("subsequence_dtw", "Subsequence"), ("drop_dtw", "Drop-DTW")):
        page.get_by_role("button", name=name).click()
        playground.alignment = alignment
        shows(page, playground)
    page.get_by_role("slider", name="drop cost").focus()
    for _ in range(15):
        page.keyboard.press("ArrowRight")
    playground.drop_cost = 0.25
    shows(page, playground)
    page.get_by_label("gamma: smoothing").focus()
    page.keyboard.press("Home")
    playground.gamma = 0.0
    shows(page, playground)
    page.get_by_role("button", name="Soft-DTW").click()
    playground.alignment = "dtw"
    shows(page, playground)
    page.get_by_label("band: steps off").focus()
    page.keyboard.press("Home")
    playground.band = 0.0
    shows(page, playground)
    page.screenshot(path=artifacts / "playground.png", full_page=True)


def test_a_curve_is_drawn_by_keyboard(page: object, playground: SoftDTWPlayground):
    hold = page.get_by_role("slider", name="curve y")
    hold.focus()
    for key in ("End", "ArrowLeft", "ArrowUp", "ArrowUp", "PageUp"):
        page.keyboard.press(key)
    playground.y = [*Y[:5], round(Y[5] + 7 * 2.4 / 40, 4), Y[6]]  # the range is -1.2 to 1.2, in 40 steps
    expect(hold).to_have_attribute("aria-valuetext", f"step 5: {playground.y[5]:.2f}")
    shows(page, playground)


def test_a_curve_is_drawn_by_mouse(page: object, playground: SoftDTWPlayground):
    box = page.locator(".tp-curves canvas").bounding_box()
    place = lambda k, share: (  # noqa: E731
        box["x"] + box["width"] * (26 + k / 5 * 948) / 1000,
        box["y"] + box["height"] * (138 - share * 120) / 330,
    )
    page.mouse.move(*place(0, 0.5))
    page.mouse.down()
    page.mouse.move(*place(5, 0.5))  # a line through the middle, which is 0: every step on the way is moved
    page.mouse.up()
    hold = page.get_by_role("slider", name="curve x")
    hold.focus()
    for _ in range(6):
        value = float(hold.get_attribute("aria-valuenow"))
        assert abs(value) < 0.02
        page.keyboard.press("ArrowLeft")
    playground.x, playground.gamma = [0.0] * 6, 0.1
    found = float(page.locator("[data-kind=hard]").inner_text().split(": ")[1])
    assert found == pytest.approx(SoftDTWPlayground([0.0] * 6, Y, gamma=0.0).value, abs=0.1)


def test_examples_and_lengths_replace_the_curves(page: object):
    page.get_by_label("example curves").select_option("a part of the other")
    expect(page.get_by_role("slider", name="curve y")).to_have_attribute("aria-label", re.compile("45 steps"))
    page.get_by_role("button", name="Subsequence").click()
    expect(page.locator(".tp-left")).to_contain_text("Left out (hollow)")
    page.get_by_role("slider", name="steps of y").focus()
    page.keyboard.press("Home")
    expect(page.get_by_role("slider", name="curve y")).to_have_attribute("aria-label", re.compile("2 steps"))


def test_cells_are_read_by_keyboard(page: object, playground: SoftDTWPlayground):
    page.get_by_role("application", name="Costs and cheapest path").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    cost = playground.cost[1, 1].item()
    expect(page.locator(".tp-found")).to_contain_text(f"step 1 of x (0.20) with step 1 of y (0.10): cost {cost:.3f}")
