"""The site: built without warnings, complete, and usable without a network."""

import importlib
import inspect
import pkgutil
import re
import shutil
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import page_runs
import pytest
import yaml

from tempclr.launcher.parameters import notebook_path, resolve

ROOT = Path(__file__).parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# a block behind <!-- excerpt --> is part of a file, and not executed
BLOCK = re.compile(r"(?<!<!-- excerpt -->\n)^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
WITH_CODE = [path for path in sorted((ROOT / "docs").rglob("*.md")) if BLOCK.search(path.read_text(encoding="utf-8"))]
ASSETS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
}
pytestmark = pytest.mark.slow  # the site is built once, in about half a minute


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.names: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.names += [given[name] for name in ("id", "name") if given.get(name)]
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag == "link" and given.get("rel") not in ("canonical", "next", "prev", "index", "search"):
            self.assets.append(given["href"])
        if given.get(ASSETS.get(tag, "")):
            self.assets.append(given[ASSETS[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site with notebooks that are not executed; Sphinx refuses warnings."""
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, str(ROOT / "docs" / "build.py"), "--notebooks", "none", "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warning" not in done.stderr.lower(), done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    """Every page of the site."""
    return {path: Page(path) for path in sorted(site.rglob("*.html"))}


def public_objects() -> dict[tuple[str, str], object]:
    """Every function and class without an underscore that a public module defines, by module and name."""
    found = {}
    for package in map(importlib.import_module, ("tempclr", "tempclr_widgets")):
        names = [
            package.__name__,
            *(each.name for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")),
        ]
        for module in (importlib.import_module(name) for name in names if "._" not in name):
            for name, value in inspect.getmembers(
                module, lambda each: inspect.isfunction(each) or inspect.isclass(each)
            ):
                if not name.startswith("_") and value.__module__ == module.__name__ and value.__name__ == name:
                    found[module.__name__, name] = value
    return found


# laws


def test_the_reference_has_every_public_name_exactly_once(pages: dict[Path, Page]):
    def named(path: str) -> object:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)

    reference = [name for path, page in pages.items() if path.parent.name == "reference" for name in page.names]
    paths = [name for name in reference if re.fullmatch(r"tempclr\w*(\.\w+)+", name)]
    assert not [path for path, times in Counter(paths).items() if times > 1]
    public = public_objects()
    modules = {module for module, _ in public} | {"tempclr_widgets"}
    top = [
        path for path in paths if path.rpartition(".")[0] in modules | {module.rpartition(".")[0] for module in modules}
    ]
    documented = Counter(id(named(path)) for path in top if not inspect.ismodule(named(path)))
    assert len(public) > 150
    assert [".".join(each) for each, value in public.items() if documented[id(value)] != 1] == []
    tempclr = importlib.import_module("tempclr")
    offered = {name: getattr(tempclr, name) for name in tempclr.__all__ if not name.startswith("_")}
    assert {f"tempclr.{name}" for name, value in offered.items() if not inspect.ismodule(value)} <= set(paths)


def test_every_link_within_the_site_leads_somewhere(pages: dict[Path, Page]):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            place, fragment = urldefrag(link)
            target = (path.parent / unquote(place)).resolve() if place else path
            if not target.is_file() or (fragment and target in pages and unquote(fragment) not in pages[target].names):
                lost.append(f"{path.name}: {link}")
    assert lost == []


def test_no_page_loads_anything_from_elsewhere(site: Path, pages: dict[Path, Page]):
    for path, page in pages.items():
        for asset in page.assets:
            assert not re.match(r"(https?:)?//", asset), f"{path.name} loads {asset}"
            if not asset.startswith("data:"):
                assert (path.parent / unquote(re.split(r"[?#]", asset)[0])).is_file(), f"{path.name} lacks {asset}"
    for path in site.rglob("*.css"):
        assert not re.search(r"""(url\(|@import)\s*["']?(https?:)?//""", path.read_text(encoding="utf-8")), path.name


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.stem)
def test_the_code_of_a_page_runs_as_printed(path: Path, tmp_path: Path):
    if path.stem == "comparison":
        pytest.importorskip("dtaidistance", reason="the extra bench is not installed")
    code = "\n".join(BLOCK.findall(path.read_text(encoding="utf-8")))  # each block goes on with what those before made
    assert page_runs.run(code, tmp_path) == ""


def test_notebooks_accept_the_parameters_that_the_site_passes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    notebook_pages = importlib.import_module("notebook_pages")
    for smoke in (True, False):
        first, then = notebook_pages.jobs(ROOT / "notebooks", tmp_path, smoke=smoke)
        assert len(then) == len(list((ROOT / "notebooks").glob("*.ipynb")))
        assert len({job.id for job in (*first, *then)}) == len(first) + len(then)
        for job in then:
            resolve(notebook_path(job.notebook), job.parameters)


@pytest.mark.browser
@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine to drive")
def test_search_finds_a_function_without_a_server(site: Path):
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"])
        page, problems = browser.new_context(offline=True).new_page(), []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda sent: problems.append(sent.url) if not sent.url.startswith(site.as_uri()) else None)
        page.goto((site / "index.html").as_uri())
        page.locator("input[name=q]").first.fill("subsequence_dtw")
        page.keyboard.press("Enter")
        page.locator("#search-results a", has_text="subsequence_dtw").first.click()
        page.wait_for_url("**/reference/tempclr.alignment.html#**")
        assert page.locator("[id='tempclr.alignment.subsequence_dtw'], [id='tempclr.subsequence_dtw']").is_visible()
        browser.close()
    assert problems == []


def test_the_citation_names_one_entity_and_the_methods_authors():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    version = importlib.import_module("tempclr").__version__
    assert (citation["cff-version"], citation["version"]) == ("1.2.0", version)
    assert citation["authors"] == [{"name": "The TempCLR toolkit developers"}]
    (paper,) = citation["references"]
    assert len(paper["authors"]) == 7 and paper["url"] == "https://arxiv.org/abs/2212.13738"


# refusals


def test_an_error_in_the_code_of_a_page_is_seen(tmp_path: Path):
    assert "ZeroDivisionError" in page_runs.run("x = 0\n1 / x", tmp_path)
    assert page_runs.run("import os\nos._exit(0)", tmp_path) == "the process died"
