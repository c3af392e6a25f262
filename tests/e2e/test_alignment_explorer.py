"""The live view in a real JupyterLab, driven by keyboard and mouse in a headless browser."""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import torch

import tempclr

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to drive")

CELLS = [
    """
import numpy as np, torch, tempclr
from tempclr_widgets import AlignmentExplorer
generator = torch.Generator().manual_seed(0)
cost = torch.rand(4, 8, generator=generator)
orders = tempclr.negatives.shuffled_orders(8, 3, generator=generator)
frames = (np.arange(8 * 16 * 16 * 3).reshape(8, 16, 16, 3) * 5 % 256).astype(np.uint8)
sentences = ["crack <b>two</b> eggs", "whisk them", "heat the pan", "pour them in and wait until they set"]
""",
    """
AlignmentExplorer(cost, sentences=sentences, frames=frames, orders=orders)
""",
]

READY = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.context.ready;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  for (let steady = 0, tries = 0; steady < 5 && tries < 600; tries++) {
    const session = panel.sessionContext;
    const good = session.kernelDisplayStatus === "idle" && session.session.kernel.connectionStatus === "connected";
    steady = good ? steady + 1 : 0;
    await new Promise((done) => setTimeout(done, 100));
  }
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab of its own, on loopback and behind a token, with the notebook to open."""
    home = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    (home / "work").mkdir()
    nbformat.write(notebook, home / "work" / "view.ipynb")
    settings = home / "settings" / "@jupyterlab"
    for plugin, values in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
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
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=1) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


def test_a_reader_explores_an_alignment_by_keyboard_and_mouse(lab: str, tmp_path: Path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    artifacts = Path(os.environ.get("TEMPCLR_ARTIFACTS", tmp_path))
    artifacts.mkdir(parents=True, exist_ok=True)
    origin = lab.split("/doc")[0]
    problems: list[str] = []
    outside: list[str] = []

    with sync_api.sync_playwright() as playwright:
        flags = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
        flags += ["--disable-component-update", "--disable-sync"]
        flags += ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        page = browser.new_page(viewport={"width": 1300, "height": 1200})
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        inside = (origin, origin.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(inside) else outside.append(sent.url))
        page.goto(lab)
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        page.evaluate(READY)
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells') }")
        page.wait_for_selector(".tc-matrix", timeout=60_000)
        page.wait_for_timeout(300)
        numbers = page.locator(".tc-panel p")
        status = page.locator(".tc-status")

        generator = torch.Generator().manual_seed(0)
        cost = torch.rand(4, 8, generator=generator).double()
        orders = tempclr.negatives.shuffled_orders(8, 3, generator=generator)

        def reads(place: int, wanted: torch.Tensor) -> None:
            """Wait until a panel shows the engine's number."""
            sync_api.expect(numbers.nth(place)).to_contain_text(f"soft-DTW {wanted.item():.3f}", timeout=10_000)

        reads(0, tempclr.soft_dtw(cost, gamma=0.1))
        slider = page.get_by_label("gamma, smoothing of soft-DTW")
        for _ in range(10):  # steps of 0.05 in the exponent
            slider.press("ArrowRight")
        reads(0, tempclr.soft_dtw(cost, gamma=10**-0.5))
        assert slider.get_attribute("aria-valuetext") == "gamma 0.32"

        choice = page.get_by_label("order to compare with")
        choice.press("ArrowDown")
        reads(1, tempclr.soft_dtw(cost[:, orders[0]], gamma=10**-0.5))

        matrix = page.locator(".tc-matrix").first
        for key in ("ArrowDown", "ArrowDown", "ArrowRight"):  # the first selects the first cell
            matrix.press(key)
        sync_api.expect(status).to_contain_text(f"sentence 1, clip 1: cost {cost[1, 1].item():.3f}")

        page.get_by_role("option", name="heat the pan").click()
        sync_api.expect(page.get_by_role("option", name="heat the pan")).to_have_attribute("aria-selected", "true")
        given = [j for i, j in tempclr.dtw_path(cost).tolist() if i == 2]
        sync_api.expect(status).to_contain_text(f"clip {', '.join(map(str, given))}")
        sync_api.expect(page.get_by_role("img", name=f"frame 0 of clip {given[0]}").first).to_be_visible()
        page.keyboard.press("ArrowDown")
        sentences = page.get_by_role("listbox", name="sentences")
        assert sentences.get_by_role("option", selected=True).inner_text().startswith("pour them in")
        assert sentences.get_by_role("option").first.inner_text() == "crack <b>two</b> eggs"

        page.get_by_label("what the colours show").select_option("soft")
        sync_api.expect(page.locator(".tc-scale")).to_contain_text("probability")
        page.get_by_label("what the colours show").select_option("cost")
        page.locator(".tc").screenshot(path=artifacts / "alignment_explorer.png")
        page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})")
        page.wait_for_timeout(800)
        page.locator(".tc").screenshot(path=artifacts / "alignment_explorer_dark.png")

        counts = page.evaluate(
            "() => [...window.jupyterapp.shell.currentWidget.content.widgets]"
            ".map((cell) => cell.model.sharedModel.execution_count)"
        )
        assert all(counts), f"cells that did not run: {counts}"
        assert page.locator('[data-mime-type="application/vnd.jupyter.error"]').count() == 0
        browser.close()
    assert problems == []
    assert outside == []
