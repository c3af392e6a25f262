"""Build the site: `make docs`, or `python docs/build.py --notebooks smoke`.

`docs/` is copied into the output folder, and the pages of the reference and of the notebooks are added. Sphinx turns
the copy into `html/`, a folder of static pages that need neither a server nor a network. Warnings are errors.
"""

import argparse
import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))

# files outside docs/ that pages may link to; the copy has them under the same paths
BESIDE = (
    "LICENSE",
    "CITATION.cff",
    "notebooks/*",
    "examples/*.py",
    "tempclr/**/*.py",
    "widgets/**/*.*s",
    "widgets/**/*.py",
)
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
LINK = re.compile(r"(\]\()([^)#\s:]+)([)#])")


def build(out: Path, *, notebooks: str = "none", keep: bool = False) -> Path:
    """Build the site and return the folder of its pages.

    Args:
        out: Folder of the copy and of the pages.
        notebooks: "defaults" executes them as they are, "smoke" at tiny sizes; "none" shows them without outputs.
        keep: Reuse finished runs of notebooks, even those of other code.

    Raises:
        SystemExit: If Sphinx warns or fails.
    """
    import figures
    import notebook_pages
    import reference
    from sphinx.cmd.build import main as sphinx

    source, html = out / "source" / "docs", out / "html"
    _copy(source)
    figures.write(source / "figures")
    reference.write(source / "reference")
    if notebooks == "none":
        notebook_pages.write_unexecuted(ROOT / "notebooks", source / "notebooks")
    else:
        smoke = notebooks == "smoke"
        runs = ROOT / "runs" / ("docs-smoke" if smoke else "docs")
        for run in notebook_pages.execute(ROOT / "notebooks", runs, smoke=smoke, keep=keep):
            notebook_pages.write(run, source / "notebooks", smoke=smoke)
    shutil.rmtree(html, ignore_errors=True)
    options = ["--builder", "html", "--fail-on-warning", "--keep-going", "--quiet", "--fresh-env"]
    failed = sphinx([*options, "--doctree-dir", str(out / "doctrees"), str(source), str(html)])
    if failed:
        raise SystemExit(failed)
    return html


def _copy(source: Path) -> None:
    """Copy the pages and the files that they link to, and adapt the links to the site."""
    shutil.rmtree(source.parent, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("__pycache__", "build.py"))
    for pattern in BESIDE:
        for path in ROOT.glob(pattern):
            copy = source.parent / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
    for name, page in PAGES.items():
        if not (source / page).exists():
            (source / page).write_text(_relinked((ROOT / name).read_text(encoding="utf-8"), Path(name), Path(page)))
    for path in source.rglob("*.md"):
        page = path.relative_to(source)
        if page.as_posix() not in PAGES.values() or (ROOT / "docs" / page).exists():
            path.write_text(_relinked(path.read_text(encoding="utf-8"), "docs" / page, page))


def _relinked(text: str, origin: Path, page: Path) -> str:
    """The text of a file of the repository, with its links adapted to its place on the site."""

    def moved(match: re.Match) -> str:
        target = os.path.normpath(origin.parent / match[2])
        if target in PAGES:
            target = PAGES[target]
        elif target.startswith("docs/"):
            target = target.removeprefix("docs/")
        elif not re.fullmatch(r"notebooks/\w+\.ipynb", target):
            target = f"../{target}"  # beside the pages
        return f"{match[1]}{os.path.relpath(target, page.parent)}{match[3]}"

    return LINK.sub(moved, text)


def main() -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs", help="folder (build/docs)")
    parser.add_argument("--notebooks", choices=("defaults", "smoke", "none"), default="defaults", help="how to execute")
    parser.add_argument("--keep", action="store_true", help="reuse finished runs, even those of other code")
    given = parser.parse_args()
    html = build(given.out.resolve(), notebooks=given.notebooks, keep=given.keep)
    print(f"\nThe site is at {html / 'index.html'}")


if __name__ == "__main__":
    main()
