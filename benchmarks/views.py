"""Speed and size of views, in headless Chromium and in the Python kernel.

    python benchmarks/views.py [--sentences 200] [--clips 2000] [--repeats 9] [--out runs/bench]

Writes views.json and views.md, and prints the table. It shows the median and the maximum over repeats:

    open     from the start of loading the saved page until its alignment is on screen
    brush    from a key press in the list of sentences, or a drag over half of the clips, until the result is on screen
    gamma    from a move of the slider until the new alignment, computed in the page, is on screen
    kernel   the computation of the Python kernel for the same move, without transfer to the browser
    size     of the saved page, with one picture per clip
"""

import argparse
import json
import os
import platform
import shutil
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright
from tempclr_widgets import AlignmentExplorer

ALIGNMENTS = ("dtw", "otam", "drop_dtw", "subsequence_dtw")
TARGETS = {"brush": 0.1, "gamma": 0.5}  # seconds

SHOWN = "kind => document.querySelector(`[data-kind=${kind}]`)?.textContent.length > 1"
# from an event until the frame after an element was redrawn or its text changed
UNTIL_SHOWN = """async ([act, selector]) => {
  const drawn = () => {
    const found = document.querySelector(selector);
    return found.firstElementChild ?? found.textContent;
  };
  const before = drawn(), start = performance.now();
  (0, eval)(act);
  const frame = () => new Promise(requestAnimationFrame);
  while (drawn() === before) {
    await frame();
    if (performance.now() - start > 10000) throw new Error(`nothing was drawn in ${selector}`);
  }
  await frame();
  return (performance.now() - start) / 1000;
}"""
KEY = "document.querySelector('.tl').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown', bubbles: true}))"
DRAG = """{
  const strip = document.querySelector('.tf-strip'), box = strip.getBoundingClientRect();
  strip.setPointerCapture = () => {};
  const place = (x) => ({clientX: box.x + x * box.width, clientY: box.y + 9, button: 0, pointerId: 1, bubbles: true});
  const send = (type, x) => strip.dispatchEvent(new PointerEvent(type, place(x)));
  send('pointerdown', 0.2 + 0.1 * Math.random());
  send('pointermove', 0.7 + 0.1 * Math.random());
  send('pointerup', 0.7);
}"""
SLIDE = """{
  const slider = document.querySelector('input[aria-label^=gamma]');
  slider.value = slider.value > -1 ? -2 + 0.9 * Math.random() : -0.9 + 0.9 * Math.random();
  slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""


def explorer(sentences: int, clips: int, alignment: str) -> AlignmentExplorer:
    """A view of random costs with a cheap staircase path, and of smooth pictures."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.rand(sentences, clips, generator=generator)
    cost[torch.arange(clips) * sentences // clips, torch.arange(clips)] *= 0.2
    down, across = np.mgrid[0:36, 0:48]
    waves = [np.sin(down / 9 + k / 40) + np.cos(across / 7 - k / 25) for k in range(clips)]
    frames = (np.stack([np.stack([w, w[::-1], -w], -1) for w in waves]) * 60 + 128).clip(0, 255).astype(np.uint8)
    texts = [f"sentence {i} describes this step" for i in range(sentences)]
    return AlignmentExplorer(cost, sentences=texts, frames=frames, alignments=[alignment])


def seconds_in_page(page: Page, act: str, selector: str, repeats: int) -> list[float]:
    """Seconds from an action until its result is on screen; the first run does not count."""
    return [page.evaluate(UNTIL_SHOWN, [act, selector]) for _ in range(repeats + 1)][1:]


def seconds(act: Callable[[], object], repeats: int) -> list[float]:
    """Seconds that an action takes; the first run does not count."""
    found = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        act()
        found.append(time.perf_counter() - start)
    return found[1:]


def measure(options: argparse.Namespace) -> list[dict]:
    """Return one row per measurement."""
    rows = []

    def add(what: str, kind: str, found: list[float]) -> None:
        limit = TARGETS.get(what.split(":")[0])
        times = {"median": statistics.median(found), "maximum": max(found)}
        rows.append({"what": what, "alignment": kind, **times, "limit": limit})

    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder) / "view.html"
        flags = ["--disable-gpu", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        for kind in ALIGNMENTS:
            view = explorer(options.sentences, options.clips, kind)
            view.save(path)
            page = browser.new_page(viewport={"width": 1280, "height": 900})

            def opened(page: Page = page, kind: str = kind) -> None:
                page.goto(path.as_uri())
                page.wait_for_function(SHOWN, arg=kind)

            add("open", kind, seconds(opened, 2))
            add("brush: a sentence", kind, seconds_in_page(page, KEY, ".tl ul", options.repeats))
            add("brush: half of the clips", kind, seconds_in_page(page, DRAG, ".tl ul", options.repeats))
            add("gamma: in the page", kind, seconds_in_page(page, SLIDE, f"[data-kind={kind}]", options.repeats))
            add("kernel", kind, seconds(lambda view=view, kind=kind: view._align([kind]), 1))
            page.close()
        rows.append({"what": "size", "alignment": "all", "megabytes": path.stat().st_size / 1e6, "limit": 5})
        rows[-1]["browser"] = browser.version
        browser.close()
    return rows


def as_text(rows: list[dict], options: argparse.Namespace) -> str:
    """Return a Markdown table below a description of the machine."""
    lines = ["| what | alignment | median | maximum | limit |", "| --- | --- | ---: | ---: | ---: |"]
    for row in rows:
        limit = "" if row["limit"] is None else row["limit"]
        if "megabytes" in row:
            lines.append(f"| size | page | {row['megabytes']:.2f} MB | | {limit} MB |")
        else:
            limit = f"{1000 * limit:.0f} ms" if limit else ""
            times = " | ".join(f"{1000 * row[each]:.0f} ms" for each in ("median", "maximum"))
            lines.append(f"| {row['what']} | {row['alignment']} | {times} | {limit} |")
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} CPUs, Chromium {rows[-1]['browser']}"
    return "\n".join([f"{options.sentences} x {options.clips} cells; {machine}", "", *lines])


def main() -> None:
    """Run all measurements, print the results and write them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--out", type=Path, default=Path("runs/bench"))
    options = parser.parse_args()
    rows = measure(options)
    text = as_text(rows, options)
    print(text)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "views.json").write_text(json.dumps(rows, indent=2) + "\n")
    (options.out / "views.md").write_text(text + "\n")


if __name__ == "__main__":
    main()
