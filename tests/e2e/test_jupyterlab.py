"""Live views in a real JupyterLab: the kernel computes alignments, and a reopened notebook shows them as they were."""

import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch

import tempclr

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CELLS = [
    """
import numpy as np, torch
from tempclr_widgets import AlignmentExplorer
generator = torch.Generator().manual_seed(0)
cost = torch.rand(4, 8, generator=generator)
frames = (np.arange(8 * 16 * 16 * 3).reshape(8, 16, 16, 3) * 5 % 256).astype(np.uint8)
sentences = ["crack <b>two</b> eggs", "whisk them", "heat the pan", "pour them in and wait until they set"]
""",
    """
view = AlignmentExplorer(cost, sentences=sentences, frames=frames)
view.live()
""",
    """
view.static(height=600)
""",
    """
import time
from tempclr_widgets import TrainingMonitor
monitor = TrainingMonitor(steps=1000, sentences=sentences)
monitor.live()
""",
]
OTHERS = """
from tempclr.sequences import pad
from tempclr_widgets import RetrievalInspector, ShuffleLab, SoftDTWPlayground
generator.manual_seed(1)
shuffles = ShuffleLab(cost, sentences=sentences, segments=[0, 0, 1, 1, 2, 2, 3, 3])
paragraphs = pad([torch.randn(4, 16, generator=generator) for _ in range(12)])
ranked = RetrievalInspector(paragraphs, paragraphs, sentences=[sentences] * 12)
curves = SoftDTWPlayground(x=[0.0, 1.0, 0.0], y=[0.0, 0.0, 1.0])
for each in (shuffles, ranked, curves):
    display(each.live())
"""
TOLD = """
print("told", shuffles.shuffle, f"{shuffles.loss:.3f}", ranked.shown, curves.x)
"""
WATCH = """
def loop():
    for step in range(1, 1001):
        time.sleep(0.05)
        yield {"step": step, "unit": 1 / step, "seconds": 0.05}
seen = [record["step"] async for record in monitor.watch(loop(), lambda: cost)]
print("ended after", len(seen), monitor.ended)
"""

READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  for (let steady = 0, tries = 0; steady < 5 && tries < 6000; tries++) {
    const session = panel.sessionContext;
    const good = session.kernelDisplayStatus === "idle" && session.session.kernel.connectionStatus === "connected";
    steady = good ? steady + 1 : 0;
    await new Promise((done) => setTimeout(done, 100));
  }
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a notebook in a JupyterLab that this fixture starts on loopback, with a token."""
    home = tmp_path_factory.mktemp("lab")
    cells = [nbformat.v4.new_code_cell(cell.strip()) for cell in (*CELLS, WATCH, OTHERS, TOLD)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    (home / "work").mkdir()
    nbformat.write(notebook, home / "work" / "view.ipynb")
    settings = home / "settings" / "@jupyterlab"
    for plugin, values in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
        "../@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
    }.items():
        path = settings / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    folders = {f"JUPYTER_{name}_DIR": str(home / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")} | {
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={home / 'work'}",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.handlers.announcements.NeverCheckForUpdate",
        "--LabApp.expose_app_in_browser=True",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ | folders, start_new_session=True)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/api/status?token={token}", home / "server.log")
        yield f"{address}/doc/workspaces/test/tree/view.ipynb?reset&token={token}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for(address: str, log: Path) -> None:
    """Return when the server answers."""
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


def opened_notebook(open_page: Callable, lab: str) -> object:
    """Open the notebook, and return its page once the kernel answers."""
    page = open_page(lab, origin=lab.split("/doc")[0], width=1300, height=1500)
    page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
    page.evaluate(READY)
    return page


def run_cells(page: object, *numbers: int) -> None:
    """Start cells, without waiting for them to finish."""
    for number in numbers:
        page.evaluate(
            "(number) => { const { content } = window.jupyterapp.shell.currentWidget;"
            "content.activeCellIndex = number; window.jupyterapp.commands.execute('notebook:run-cell') }",
            number,
        )


def drawn(page: object) -> None:
    """Wait until the page has drawn the current state; views draw in the next frame."""
    page.evaluate(
        "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def shows(page: object, kind: str, value: torch.Tensor, hard: torch.Tensor) -> None:
    """Wait until the view shows the values of an alignment function."""
    numbers = page.locator(f"[data-kind={kind}]").first
    expect(numbers).to_have_text(f"{value.item():.3f} · hard {hard.item():.3f}")


def test_a_reader_explores_an_alignment_and_finds_it_again(lab: str, open_page: Callable, artifacts: Path):
    cost = torch.rand(4, 8, generator=torch.Generator().manual_seed(0)).double()
    page = opened_notebook(open_page, lab)
    run_cells(page, 0, 1, 2)
    view = page.locator(".tc").first
    view.wait_for()
    expect(view.locator(".tx-foot")).to_contain_text("aligned by the kernel")
    shows(page, "dtw", tempclr.soft_dtw(cost, gamma=0.1), tempclr.dtw(cost))

    slider = view.get_by_label("gamma: smoothing")
    slider.focus()
    for _ in range(10):  # steps of 0.05 in the exponent
        page.keyboard.press("ArrowRight")
    shows(page, "dtw", tempclr.soft_dtw(cost, gamma=0.316), tempclr.dtw(cost))
    view.get_by_role("button", name="Drop-DTW").click()
    price = cost.median().item()
    dropping = partial(tempclr.drop_dtw, cost, drop_y=price)
    shows(page, "drop_dtw", dropping(gamma=0.316), dropping(gamma=0.0))
    expect(view.locator(".tx-foot")).to_contain_text("aligned by the kernel")

    view.get_by_role("option", name="heat the pan").click()
    clips = [j for i, j in tempclr.dtw_path(cost).tolist() if i == 2]
    expect(view.locator(".tx-found").first).to_contain_text(str(clips[0]))
    page.keyboard.press("Shift+ArrowDown")  # the keys are the view's, not the notebook's
    expect(view.locator(".tl").get_by_role("option", selected=True)).to_have_count(2)
    assert view.locator(".tl").get_by_role("option").first.locator("bdi").inner_text() == "crack <b>two</b> eggs"

    framed = page.frame_locator("iframe[title=view]")
    expect(framed.locator("[data-kind=dtw]")).to_contain_text("hard")

    view.screenshot(path=artifacts / "jupyterlab_light.png")
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    expect(view).to_have_css("color-scheme", "dark")
    drawn(page)
    view.screenshot(path=artifacts / "jupyterlab_dark.png")
    counts = page.evaluate(
        "() => [...window.jupyterapp.shell.currentWidget.content.widgets]"
        ".map((cell) => cell.model.sharedModel.execution_count)"
    )
    assert all(counts[:3]), f"cells that did not run: {counts}"
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0

    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()
    again = opened_notebook(open_page, lab)
    view = again.locator(".tc").first
    view.wait_for()
    expect(view.locator(".tx-foot")).to_contain_text("aligned in this page")
    shows(again, "dtw", tempclr.soft_dtw(cost, gamma=0.316), tempclr.dtw(cost))
    expect(view.locator(".tl").get_by_role("option", selected=True)).to_have_count(2)
    expect(view.get_by_role("button", name="Drop-DTW")).to_have_attribute("aria-pressed", "true")
    again.screenshot(path=artifacts / "jupyterlab_again.png")


def test_a_training_is_paused_and_stopped_while_its_cell_runs(lab: str, open_page: Callable, artifacts: Path):
    page = opened_notebook(open_page, lab)
    run_cells(page, 0, 3, 4)
    view = page.locator(".tm").first
    head, output = view.locator(".tm-head"), page.locator(".jp-OutputArea-output", has_text="ended after")
    expect(head).to_contain_text("Running")
    view.get_by_role("button", name="Pause").click()
    expect(head).to_contain_text("Paused")
    held = head.inner_text()
    page.wait_for_timeout(700)  # fixed, since nothing may happen: no training step, of which each takes 50 ms
    assert head.inner_text() == held
    view.screenshot(path=artifacts / "training_monitor_paused.png")
    view.get_by_role("button", name="Continue").press("Enter")
    expect(head).to_contain_text("Running")
    view.get_by_role("button", name="Stop").click()
    expect(head).to_contain_text("Ended")
    expect(output).to_contain_text("stopped")
    expect(view.locator(".tm-chart:visible")).to_have_count(1)
    expect(view.get_by_role("button", name="Stop")).to_have_count(0)


def test_orders_ranks_and_curves_pass_between_page_and_kernel(lab: str, open_page: Callable, artifacts: Path):
    page = opened_notebook(open_page, lab)
    run_cells(page, 0, 5)
    shuffles, ranked, curves = page.locator(".ts"), page.locator(".tr"), page.locator(".tp")
    curves.wait_for()

    loss = shuffles.locator("[data-fact=loss] strong")
    before = loss.inner_text()
    shuffles.get_by_role("button", name="Swaps").press("Enter")  # the kernel draws them; JupyterLab still scrolls
    expect(loss).not_to_have_text(before)
    shuffles.get_by_role("button", name="Reversed").click()
    expect(shuffles.get_by_role("button", name="Draw others")).to_be_disabled()
    expect(shuffles.locator("[data-fact='cheaper wrong orders'] strong")).to_contain_text("of 1")

    ranked.get_by_role("listbox", name="paragraphs").press("End")  # its costs are with the kernel only
    expect(ranked.locator("[data-panel=right]")).to_have_text(re.compile(r"^11 · score"))
    expect(ranked.locator(".tc-problem")).to_be_hidden()

    hard = curves.locator("[data-kind=hard]")
    drawn = hard.inner_text()
    curves.get_by_role("slider", name="curve x").press("ArrowUp")
    expect(hard).not_to_have_text(drawn)

    run_cells(page, 6)
    told = page.locator(".jp-RenderedText", has_text="told")
    expect(told).to_contain_text("reversed")
    expect(told).to_contain_text(loss.inner_text().split()[0])
    expect(told).to_contain_text("(11, ")
    assert "[0.0, 1.0, 0.0]" not in told.inner_text()
    assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
    page.screenshot(path=artifacts / "jupyterlab_others.png")
