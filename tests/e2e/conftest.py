"""A headless browser in which every page is watched: errors in its console, and requests that leave the machine."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
FLAGS += ["--disable-component-update", "--disable-sync", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
PATIENCE = 120_000  # milliseconds until what does not come is an error, on however busy a machine


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """The browser of this machine; nothing is downloaded."""
    if BROWSER is None:
        pytest.skip("no chromium on this machine to drive")
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    sync_api.expect.set_options(timeout=PATIENCE)
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=PATIENCE)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: object) -> Iterator[Callable]:
    """Open an address in a context of its own; afterwards nothing may have gone wrong or outside."""
    problems: list[str] = []
    contexts = []

    def opened(address: str, *, origin: str = "", width: int = 1280, height: int = 900, **options: object) -> object:
        context = browser.new_context(
            viewport={"width": width, "height": height}, offline=not origin, reduced_motion="reduce", **options
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        inside = (address, "data:", "blob:") if not origin else (origin, origin.replace("http", "ws"), "data:", "blob:")
        page.on("request", lambda sent: None if sent.url.startswith(inside) else problems.append(f"sent {sent.url}"))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert problems == []


@pytest.fixture(scope="session")
def artifacts(root: Path) -> Path:
    """Folder of screenshots, kept to be looked at."""
    folder = Path(os.environ.get("TEMPCLR_ARTIFACTS", root / "runs" / "screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder
