"""The saved page of a retrieval: lists by keyboard and mouse, and the numbers of the task."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tempclr_widgets import RetrievalInspector

import tempclr
from tempclr.sequences import pad

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SENTENCES = ["crack <b>two</b> eggs", "whisk them</script>", "שוברים ביצים", "heat the pan"]


@pytest.fixture
def view() -> RetrievalInspector:
    generator = torch.Generator().manual_seed(0)
    steps = torch.randn(4, 8, generator=generator)
    orders = [torch.randperm(4, generator=generator) for _ in range(10)]
    noisy = [steps[order].repeat_interleave(2, 0) + torch.randn(8, 8, generator=generator) for order in orders]
    return RetrievalInspector(
        pad([steps[order] for order in orders]), pad(noisy), query=0,
        sentences=[[SENTENCES[k] for k in order] for order in orders],
        names=[f"<i>video</i> {k}" for k in range(10)],
    )  # fmt: skip


@pytest.fixture
def page(view: RetrievalInspector, tmp_path: Path, open_page: Callable) -> object:
    return open_page(view.save(tmp_path / "view.html").as_uri(), width=1200)


def written(value: float) -> str:
    return f"{value:.3f}".replace("-", "−")


def shows(page: object, view: RetrievalInspector) -> None:
    """Wait until the page shows the numbers of the view."""
    for panel, video in zip(("right", "other"), view.shown, strict=True):
        score = view._found[view.score][view.query, video].item()
        wanted = f"{view.names[video]} · score {written(score)}"
        expect(page.locator(f"[data-panel={panel}]")).to_have_text(wanted)
    for name, ranks in view.ranks.items():
        rank = f"{ranks[view.query].item():g}"
        expect(page.locator(f"[data-rank='{name}']")).to_have_text(f"{name} {rank}")
    if view.score == "mean-pool":
        return
    columns = [page.locator(f"tbody td:nth-child({k})").all_inner_texts() for k in (2, 3)]
    for column, video in zip(columns, view.shown, strict=True):
        total = sum(float(text.replace("−", "-")) for text in column)
        assert total == pytest.approx(view._found[view.score][view.query, video].item(), abs=0.005)


def test_every_score_ranks_and_adds_up_as_in_the_task(page: object, view: RetrievalInspector, artifacts: Path):
    shows(page, view)
    for score in ("soft-DTW", "Cap.Avg.", "mean-pool", "DTW"):
        page.get_by_role("button", name=score, exact=True).click()
        view.score = score
        shows(page, view)
    cost = view.cost(0, 0)
    first = -sum(cost[0, j].item() for i, j in tempclr.dtw_path(cost).tolist() if i == 0) / sum(cost.shape)
    expect(page.locator("tbody td:nth-child(2)").first).to_have_text(written(first))
    page.screenshot(path=artifacts / "retrieval_inspector.png", full_page=True)


def test_paragraphs_are_chosen_by_keyboard_and_mouse(page: object, view: RetrievalInspector):
    queries = page.get_by_role("listbox", name="paragraphs")
    queries.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    view.query = 3
    shows(page, view)
    expect(queries.get_by_role("option", selected=True)).to_have_attribute("data-query", "3")
    page.locator("[data-query='7']").click()
    view.query = 7
    shows(page, view)
    assert page.locator("[data-query='7'] bdi").first.inner_text() == "<i>video</i> 7"


def test_another_video_is_compared(page: object, view: RetrievalInspector):
    ranked = page.get_by_role("listbox", name="ranked videos")
    ranked.focus()
    page.keyboard.press("End")
    scores = view._found["DTW"][0].clone()
    scores[0] = torch.inf  # the right video is not compared with itself
    view.rival = scores.topk(5).indices[-1].item()
    expect(ranked.get_by_role("option", selected=True)).to_have_attribute("data-video", str(view.rival))
    shows(page, view)
    page.keyboard.press("Home")
    view.rival = -1
    shows(page, view)


def test_the_list_is_narrowed_by_text_and_by_failure(page: object, view: RetrievalInspector):
    page.get_by_label("find paragraphs").fill("VIDEO</i> 4")
    expect(page.locator("[data-query]")).to_have_count(1)
    page.get_by_label("find paragraphs").fill("")
    page.get_by_role("button", name="mean-pool").click()
    page.get_by_label("only those that missed").check()
    wrong = (view.ranks["mean-pool"] > 1).sum().item()
    assert wrong > 0
    expect(page.locator("[data-query]")).to_have_count(wrong)
    expect(page.get_by_text(f"{wrong} of 10 paragraphs")).to_be_visible()


def test_cells_are_read_by_keyboard(page: object, view: RetrievalInspector):
    page.get_by_role("application", name="Other video").focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    cost = view.cost(*view.shown)[1, 1].item()
    expect(page.locator(".tr-found")).to_have_text(f"other video, sentence 1, clip 1: cost {cost:.3f}")
