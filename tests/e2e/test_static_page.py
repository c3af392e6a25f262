"""The saved page of an explorer, opened from disk without a network: everything works by keyboard and by mouse."""

import base64
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from tempclr_widgets import AlignmentExplorer, RetrievalInspector, ShuffleLab

import tempclr
from tempclr.sequences import pad

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SENTENCES = ["crack <b>two</b> eggs", "whisk them</script>", "שוברים ביצים", "heat the pan", "pour them in and wait"]
N, M = len(SENTENCES), 24
LEFT, RIGHT, TOP, BOTTOM = 38, 6, 6, 24  # margins of a matrix in CSS pixels


@pytest.fixture(scope="module")
def cost() -> torch.Tensor:
    """Costs with a cheap staircase and one forbidden cell; float32, as the page holds them."""
    generator = torch.Generator().manual_seed(3)
    cost = torch.rand(N, M, generator=generator) + 0.3
    cost[torch.arange(M) * N // M, torch.arange(M)] -= 0.3
    cost[4, 0] = torch.inf
    return cost.double()


@pytest.fixture
def explorer(cost: torch.Tensor) -> AlignmentExplorer:
    shades = np.arange(M, dtype=np.uint8)[:, None, None, None] * 10
    frames = np.broadcast_to(shades, (M, 16, 20, 3)).copy()
    frames[:, :5, :5] = (200, 80, 40)
    return AlignmentExplorer(cost, sentences=SENTENCES, frames=frames, drop_cost=0.4)


@pytest.fixture
def page(explorer: AlignmentExplorer, tmp_path: Path, open_page: Callable) -> object:
    """The saved page, ready."""
    opened = open_page(explorer.save(tmp_path / "view.html").as_uri())
    expect(opened.locator("[data-kind=dtw]")).to_contain_text("hard")
    return opened


def shows(page: object, kind: str, function: Callable, cost: torch.Tensor) -> None:
    """Wait until the page shows the values of an alignment function."""
    soft, hard = function(cost).item(), partial(function, gamma=0.0)
    value = tempclr.dtw(cost, **{k: v for k, v in function.keywords.items() if k == "band"}) if kind == "dtw" else None
    wanted = value if value is not None else hard(cost)
    text = f"{soft:.3f} · hard {wanted.item():.3f}".replace("-", "−")
    expect(page.locator(f"[data-kind={kind}]")).to_have_text(text)


def press(page: object, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def at_cell(page: object, i: float, j: float, matrix: int = 0) -> tuple[float, float]:
    """Position of the middle of a cell on the screen, when all cells are shown."""
    box = page.locator(".tc-map").nth(matrix).bounding_box()
    wide, high = box["width"] - LEFT - RIGHT, box["height"] - TOP - BOTTOM
    return box["x"] + LEFT + (j + 0.5) * wide / M, box["y"] + TOP + (i + 0.5) * high / N


def drag(page: object, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*[(a + b) / 2 for a, b in zip(start, end, strict=True)])
    page.mouse.move(*end)
    page.mouse.up()


def drawn(page: object) -> None:
    """Wait until the page has drawn the current state; views draw in the next frame."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def selected(page: object) -> list[int]:
    """Indices of the brushed sentences."""
    drawn(page)
    rows = page.get_by_role("listbox").get_by_role("option", selected=True)
    return [int(each.get_attribute("aria-posinset")) - 1 for each in rows.all()]


def words_of(cost: torch.Tensor, axis: str, first: int, last: int, gamma: float = 0.1) -> str:
    """What the page should say of a brush, computed by the package."""
    own = 0 if axis == "sentences" else 1
    path = tempclr.dtw_path(cost)
    linked = path[(path[:, own] >= first) & (path[:, own] <= last)][:, 1 - own]
    soft = tempclr.expected_alignment(cost, gamma=gamma)
    part = soft[first : last + 1] if own == 0 else soft[:, first : last + 1]
    what = "clip" if own == 0 else "sentence"
    low, high = linked.min().item(), linked.max().item()
    steps = f"{what} {low}" if low == high else f"{what}s {low}–{high}"
    return f"{steps}, {100 * (part.sum() / soft.sum()).item():.1f} % of the alignment"


# known answers


def test_sentences_of_the_page_are_shown_as_text(page: object, cost: torch.Tensor):
    options = page.get_by_role("listbox").get_by_role("option")
    assert [option.locator("bdi").inner_text() for option in options.all()] == SENTENCES
    assert options.nth(2).locator("bdi").evaluate("(each) => getComputedStyle(each).direction") == "rtl"
    shows(page, "dtw", partial(tempclr.soft_dtw, gamma=0.1), cost)
    assert "in this page" in page.locator(".tx-foot").inner_text()


def test_cells_have_the_colours_of_their_costs(page: object, cost: torch.Tensor):
    drawn(page)
    import matplotlib

    finite = cost[cost.isfinite()]
    map_ = matplotlib.colormaps["cividis"](np.arange(256), bytes=True)[:, :3]
    for i, j in ((0, 20), (3, 2), (2, 5)):
        x, y = at_cell(page, i, j)
        box = page.locator(".tc-map").bounding_box()
        seen = page.locator(".tc-map canvas").first.evaluate(
            "(canvas, [x, y]) => [...canvas.getContext('2d').getImageData(x, y, 1, 1).data].slice(0, 3)",
            [x - box["x"], y - box["y"]],
        )
        share = ((cost[i, j] - finite.min()) / (finite.max() - finite.min())).item()
        assert np.abs(np.array(seen) - map_[min(255, int(256 * share))].astype(int)).max() <= 3


# laws


def test_sliders_moved_by_keyboard_show_the_values_of_the_package(page: object, cost: torch.Tensor, artifacts: Path):
    gamma = page.get_by_label("gamma: smoothing")
    gamma.focus()
    press(page, *["ArrowRight"] * 10)  # steps of 0.05 in the exponent
    shows(page, "dtw", partial(tempclr.soft_dtw, gamma=0.316), cost)
    assert gamma.get_attribute("aria-valuetext") == "gamma 0.316"
    band = page.get_by_label("band: steps")
    band.focus()
    press(page, "ArrowLeft", "ArrowLeft", "ArrowLeft", "ArrowLeft")
    assert band.get_attribute("aria-valuetext") == "band 3 steps"
    shows(page, "dtw", partial(tempclr.soft_dtw, gamma=0.316, band=3.0), cost)

    for name in ("OTAM", "Drop-DTW", "Subsequence"):
        page.get_by_role("button", name=name).focus()
        press(page, "Enter")
    shows(page, "otam", partial(tempclr.otam, gamma=0.316), cost)
    shows(page, "subsequence_dtw", partial(tempclr.alignment.subsequence_dtw, gamma=0.316), cost)
    drop = page.get_by_label("drop cost: price")
    drop.focus()
    press(page, "Home", *["PageUp"] * 2)
    price = float(drop.input_value())
    shows(page, "drop_dtw", partial(tempclr.drop_dtw, gamma=0.316, drop_y=price), cost)
    page.get_by_label("which steps may be dropped").focus()
    press(page, "ArrowDown", "ArrowDown")
    shows(page, "drop_dtw", partial(tempclr.drop_dtw, gamma=0.316, drop_x=price, drop_y=price), cost)

    page.get_by_role("button", name="Blended").focus()
    press(page, "Enter")
    expect(page.locator(".tc-map")).to_have_count(1)
    ink = page.get_by_label("what the colours show")
    ink.focus()
    press(page, *["ArrowRight"] * 8)
    assert ink.get_attribute("aria-valuetext") == "cost ↔ alignment 40 %"
    drawn(page)
    page.screenshot(path=artifacts / "explorer_blended.png", full_page=True)


def test_sliders_and_buttons_by_mouse(page: object, cost: torch.Tensor):
    gamma = page.get_by_label("gamma: smoothing")
    box = gamma.bounding_box()
    page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
    moved = 10 ** float(gamma.input_value())
    assert 0.5 < moved < 2
    shows(page, "dtw", partial(tempclr.soft_dtw, gamma=float(f"{moved:.3g}")), cost)
    page.get_by_role("button", name="OTAM").click()
    page.get_by_role("button", name="Soft-DTW").click()
    expect(page.locator(".tc-map")).to_have_count(1)
    page.get_by_role("button", name="OTAM").click()  # the last one stays
    expect(page.get_by_role("button", name="OTAM")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("[data-kind=otam]")).to_contain_text("hard")


def test_sentences_are_brushed_in_their_list(page: object, cost: torch.Tensor, artifacts: Path):
    found = page.locator(".tx-found")
    page.get_by_role("listbox").focus()
    press(page, "ArrowDown", "ArrowDown", "Shift+ArrowDown")
    assert selected(page) == [1, 2]
    expect(found).to_contain_text(words_of(cost, "sentences", 1, 2))
    expect(page.locator(".tc-hidden")).to_contain_text("sentence 1 to 2")  # said to a screen reader
    page.screenshot(path=artifacts / "explorer_light.png", full_page=True)
    press(page, "Escape")
    assert selected(page) == []
    expect(found).to_have_text("")

    rows = page.get_by_role("listbox").get_by_role("option")
    rows.nth(3).click()
    assert selected(page) == [3]
    first, last = (rows.nth(k).bounding_box() for k in (0, 4))
    drag(page, (first["x"] + 60, first["y"] + 10), (last["x"] + 60, last["y"] + 10))
    assert selected(page) == [0, 1, 2, 3, 4]
    expect(found).to_contain_text("100.0 % of the alignment")


def test_clips_are_brushed_in_the_strip(page: object, cost: torch.Tensor):
    found, strip = page.locator(".tx-found"), page.get_by_role("slider", name="clips in time")
    strip.focus()
    press(page, "ArrowRight", "ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    expect(found).to_contain_text(words_of(cost, "clips", 2, 4))
    expect(strip).to_have_attribute("aria-valuenow", "4")
    assert page.locator(".tl-share").count() >= 1
    box = strip.bounding_box()
    per = (box["width"] - LEFT - RIGHT) / M
    drag(page, (box["x"] + LEFT + 10.5 * per, box["y"] + 9), (box["x"] + LEFT + 15.5 * per, box["y"] + 9))
    expect(found).to_contain_text(words_of(cost, "clips", 10, 15))
    assert selected(page) == []


def test_rows_and_columns_are_brushed_in_the_matrix(page: object, cost: torch.Tensor):
    found = page.locator(".tx-found")
    drag(page, at_cell(page, 1, 3), at_cell(page, 2.2, 3))
    expect(found).to_contain_text(words_of(cost, "sentences", 1, 2))
    assert selected(page) == [1, 2]
    drag(page, at_cell(page, 1, 5), at_cell(page, 1.2, 9))
    expect(found).to_contain_text(words_of(cost, "clips", 5, 9))
    page.mouse.click(*at_cell(page, 3, 2))
    assert selected(page) == [3]
    soft = tempclr.expected_alignment(cost, gamma=0.1)
    expect(page.locator(".tf-facts")).to_contain_text(f"cost {cost[3, 2]:.3f} · aligned {soft[3, 2]:.3f}")
    matrix = page.locator(".tc-map")
    matrix.focus()
    press(page, "ArrowDown", "ArrowLeft", "ArrowLeft")
    expect(page.locator(".tf-facts")).to_contain_text("clip 0 · sentence 4 · cost forbidden")
    press(page, "Shift+ArrowRight")
    expect(found).to_contain_text(words_of(cost, "clips", 0, 1))


def test_the_matrix_is_zoomed_and_panned_and_the_strip_follows(page: object):
    def colours() -> str:
        drawn(page)
        return page.locator(".tc-map canvas").first.evaluate("(canvas) => canvas.toDataURL()")

    whole = colours()
    page.mouse.move(*at_cell(page, 2, 12))
    page.keyboard.down("Control")
    page.mouse.wheel(0, -300)
    page.keyboard.up("Control")
    zoomed = colours()
    assert zoomed != whole
    page.keyboard.down("Shift")
    page.mouse.wheel(0, 200)
    page.keyboard.up("Shift")
    panned = colours()
    assert panned != zoomed
    page.locator(".tc-map").focus()
    press(page, "0")
    assert colours() == whole
    press(page, "+")
    assert colours() != whole
    page.get_by_role("button", name="show all cells").click()
    assert colours() == whole
    page.get_by_role("listbox").get_by_role("option").nth(2).click()
    page.get_by_role("button", name="zoom to what is brushed").click()
    assert colours() != whole


def test_the_clips_are_scrubbed_and_played(page: object):
    slide = page.get_by_label("position: clip")
    slide.focus()
    press(page, "ArrowRight", "ArrowRight")
    facts = page.locator(".tf-facts")
    expect(facts).to_contain_text("clip 2 · sentence")
    shade = page.locator(".tf-now canvas").evaluate(
        "(canvas) => canvas.getContext('2d').getImageData(canvas.width - 2, canvas.height - 2, 1, 1).data[0]"
    )
    assert shade == 20  # the picture of clip 2
    press(page, *["End"], *["ArrowLeft"] * 2)
    play = page.get_by_role("button", name="Play")
    play.click()
    expect(facts).to_contain_text(f"clip {M - 1}")
    expect(page.get_by_role("button", name="Play")).to_be_visible()


def test_a_clip_that_is_left_out_is_on_no_sentence(tmp_path: Path, open_page: Callable):
    cost = torch.tensor([[0.0, 0.9, 0.9, 0.9], [0.9, 0.9, 0.9, 0.0]])
    view = AlignmentExplorer(cost, sentences=["first", "second"], alignments=["drop_dtw"], drop_cost=0.5)
    page = open_page(view.save(tmp_path / "view.html").as_uri())
    facts, caption = page.locator(".tf-facts"), page.locator(".tf-caption")
    page.get_by_label("position: clip").focus()
    press(page, "ArrowRight")
    expect(facts).to_have_text("clip 1 · sentence none · with sentence 0: cost 0.900 · aligned 0.018")
    expect(caption).to_be_empty()
    press(page, "End")
    expect(facts).to_contain_text("clip 3 · sentence 1 · cost 0.000")
    expect(caption).to_have_text("second")


@pytest.mark.parametrize("width", [360, 1200])
def test_long_words_stay_inside_every_view(tmp_path: Path, open_page: Callable, width: int):
    cost, texts = torch.rand(3, 6, generator=torch.Generator().manual_seed(0)), ["x" * 400, "word " * 120, "short"]
    steps = pad([torch.eye(3), torch.eye(3).flip(0)])
    views = [
        AlignmentExplorer(cost, sentences=texts),
        ShuffleLab(cost, sentences=texts, segments=[0, 0, 1, 1, 2, 2]),
        RetrievalInspector(steps, steps, sentences=[texts] * 2, names=["a/long/path_" * 9 + name for name in "xy"]),
    ]
    for number, view in enumerate(views):
        page = open_page(view.save(tmp_path / f"{number}.html").as_uri(), width=width)
        drawn(page)
        outside = page.evaluate(
            "() => [...document.querySelectorAll('.tc *')].filter((each) => each.clientWidth"
            " && each.scrollWidth > each.clientWidth + 1 && getComputedStyle(each).overflowX === 'visible')"
            ".map((each) => each.outerHTML.slice(0, 120))"
        )
        assert outside == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_every_control_is_reached_by_tab_and_has_a_name(page: object):
    names = []
    for _ in range(40):
        press(page, "Tab")
        found = page.evaluate(
            "() => { const e = document.activeElement; return e === document.body ? '' :"
            " [e.getAttribute('aria-label') || e.textContent, getComputedStyle(e).outlineStyle].join('|') }"
        )
        if not found or found in names:
            break
        names.append(found)
    assert len(names) >= 14
    assert all(name.split("|")[0].strip() and name.endswith("|solid") for name in names), names


@pytest.mark.parametrize(("width", "scheme"), [(420, "light"), (1280, "dark"), (800, "dark"), (1500, "light")])
def test_it_fits_every_width_and_scheme(
    explorer: AlignmentExplorer, tmp_path: Path, open_page: Callable, artifacts: Path, width: int, scheme: str
):
    explorer.brush = ["rows", 1, 2]
    page = open_page(explorer.save(tmp_path / "view.html").as_uri(), width=width, color_scheme=scheme)
    expect(page.locator(".tx-found")).to_contain_text("% of the alignment")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    dark = page.evaluate("() => getComputedStyle(document.querySelector('.tc')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", dark))) < 200) == (scheme == "dark")
    drawn(page)
    page.screenshot(path=artifacts / f"explorer_{width}_{scheme}.png", full_page=True)


def test_a_video_is_scrubbed_and_played_in_step(
    cost: torch.Tensor, tmp_path: Path, open_page: Callable, artifacts: Path
):
    blank = tmp_path / "blank.html"
    blank.write_text("<!doctype html><link rel=icon href=data:,>")
    recorded = open_page(blank.as_uri()).evaluate(RECORD)
    (tmp_path / "clip.webm").write_bytes(base64.b64decode(recorded))
    starts = [0.1 * j for j in range(M)]
    view = AlignmentExplorer(cost, sentences=SENTENCES, video=tmp_path / "clip.webm", starts=starts)
    page = open_page(view.save(tmp_path / "view.html").as_uri())
    video = page.locator("video")
    page.wait_for_function("() => document.querySelector('video').readyState >= 2")
    page.get_by_label("position: clip").focus()
    press(page, *["ArrowRight"] * 5)
    page.wait_for_function("() => Math.abs(document.querySelector('video').currentTime - 0.51) < 0.02")
    expect(page.locator(".tf-facts")).to_contain_text("clip 5 · 0:00.5")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('video').currentTime > 0.75")
    expect(page.locator(".tf-facts")).to_contain_text(re.compile(r"clip ([7-9]|1\d)"))
    assert video.get_attribute("aria-label") == "the video"
    page.screenshot(path=artifacts / "explorer_video.png", full_page=True)


def test_a_single_cell_is_explored(tmp_path: Path, open_page: Callable):
    view = AlignmentExplorer([[0.5]], sentences=["only"], alignments=["dtw", "otam", "drop_dtw", "subsequence_dtw"])
    page = open_page(view.save(tmp_path / "one.html").as_uri())
    expect(page.locator("[data-kind=dtw]")).to_have_text("0.500 · hard 0.500")
    page.locator(".tc-map").first.focus()
    press(page, "ArrowDown", "+", "Shift+ArrowRight", "0")
    expect(page.locator(".tx-found").first).to_contain_text("sentence 0, 100.0 %")


# refusals


def test_without_a_path_the_page_says_so(tmp_path: Path, open_page: Callable):
    blocked = torch.full((3, 4), torch.inf)
    page = open_page(AlignmentExplorer(blocked, sentences=["a", "b", "c"]).save(tmp_path / "view.html").as_uri())
    expect(page.locator("[data-kind=dtw]")).to_have_text("no path")
    page.get_by_role("listbox").focus()
    press(page, "ArrowDown")
    expect(page.locator(".tx-found")).to_contain_text("no clip on the path")


def test_the_view_says_when_the_browser_cannot_play_the_video(cost: torch.Tensor, tmp_path: Path, open_page):
    (tmp_path / "clip.mp4").write_bytes(b"no video at all")
    view = AlignmentExplorer(cost, sentences=SENTENCES, video=tmp_path / "clip.mp4", starts=1.0)
    page = open_page(view.save(tmp_path / "view.html").as_uri())
    expect(page.get_by_role("alert")).to_contain_text("cannot play this video")


# three seconds of pictures that change, recorded by the browser itself
RECORD = """async () => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [160, 120];
  const context = canvas.getContext("2d");
  const recorder = new MediaRecorder(canvas.captureStream(20), { mimeType: "video/webm" });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const stopped = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  for (let k = 0; k < 60; k++) {
    context.fillStyle = `hsl(${6 * k}, 60%, 50%)`;
    context.fillRect(0, 0, 160, 120);
    await new Promise((done) => setTimeout(done, 50));
  }
  recorder.stop();
  await stopped;
  const bytes = new Uint8Array(await new Blob(parts).arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}"""
