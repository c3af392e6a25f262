"""Notebooks executed headlessly, each into its own folder.

A notebook writes to `<out>.partial`, which is renamed to `<out>` when the notebook has finished. A folder with its
final name is therefore always complete. After an interruption, the same call continues.
"""

import hashlib
import json
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from filelock import FileLock, Timeout

import tempclr
from tempclr._util.files import digest, write_text
from tempclr._util.optional import import_optional, version
from tempclr.launcher import signals
from tempclr.launcher.html import SavedPage, as_html
from tempclr.launcher.parameters import notebook_path, read_cells, resolve


def run(
    notebook: str | Path,
    given: Mapping[str, object],
    out: Path | str,
    *,
    saved_page: SavedPage | None = None,
    progress: bool = True,
) -> Path:
    """Execute a notebook into a new folder and return it.

    Args:
        notebook: Path or name.
        given: Parameters by name, except `run_dir`, which is the folder.
        out: The folder, which must not exist. If an interrupted call with the same parameters left
            `<out>.partial`, it is continued.
        saved_page: How views become pages in `report.html`; see `launcher.html.as_html`.
        progress: Whether to show a bar of executed cells.

    Returns:
        The folder. It holds what the notebook wrote, and `notebook.ipynb`, `report.html` and `env.json`.

    Raises:
        ValueError: If the parameters are refused, the folder exists, or another process is writing it.
        papermill.PapermillExecutionError: If a cell fails; `<out>.partial` keeps the notebook up to that cell.
        KeyboardInterrupt: On SIGTERM or SIGINT. The kernel receives a SIGTERM, so that it can end cleanly (training
            writes a checkpoint); a second signal kills it. The same call continues.
    """
    path, out = notebook_path(notebook), Path(out).resolve()
    if "run_dir" in given:
        raise ValueError("expected no run_dir among the parameters, got one; give the folder as out")
    resolved = resolve(path, given)
    identity = run_id(path, resolved)
    if out.exists():
        raise ValueError(f"expected a folder that does not exist, got {out}; delete it or choose another")
    import_optional("papermill", "notebooks")  # if it is missing, refuse before anything is written
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / ".lock", timeout=0):
            settings = {name: value for name, value in resolved.items() if name != "run_dir"}
            _claim(partial, {"id": identity, "notebook": path.name, "parameters": settings})
            _execute(path, {**resolved, "run_dir": str(partial)}, partial, progress)
            write_text(partial / "report.html", as_html(partial / "notebook.ipynb", saved_page))
    except Timeout as error:
        raise ValueError(f"expected no other process to be writing {partial}, got one; wait until it ends") from error
    (partial / ".lock").unlink(missing_ok=True)
    partial.rename(out)
    return out


def run_id(path: Path, resolved: Mapping[str, object]) -> str:
    """Return a hash of what determines the result: the notebook's cells, the parameters and the package's source."""
    package = Path(tempclr.__file__).parent
    sources = {
        str(file.relative_to(package)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(package.rglob("*.py"))
    }
    cells = [cell["source"] for cell in read_cells(path)]
    settings = {name: value for name, value in resolved.items() if name != "run_dir"}
    return digest([path.name, cells, settings, sources])


def _claim(partial: Path, env: dict) -> None:
    """Mark a partial folder as belonging to this run, or check that it does."""
    stored = partial / "env.json"
    if stored.exists() and json.loads(stored.read_text())["id"] != env["id"]:
        raise ValueError(
            f"{partial} holds an interrupted run with other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    write_text(stored, json.dumps(env, indent=2))


def _execute(path: Path, resolved: Mapping[str, object], partial: Path, progress: bool) -> None:
    """Run the notebook, then record how it was executed."""
    papermill = import_optional("papermill", "notebooks")
    began = time.time()
    with signals.passed_to_kernel() as manager:
        papermill.execute_notebook(
            str(path),
            str(partial / "notebook.ipynb"),
            dict(resolved),
            kernel_name="python3",
            kernel_manager_class=manager,
            progress_bar=progress,
            log_output=False,
            extra_arguments=["--log-level=CRITICAL"],  # papermill reports errors itself
        )
    env = json.loads((partial / "env.json").read_text())
    env |= {
        "tempclr": tempclr.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": version("torch", "notebooks"),
        "seconds": round(time.time() - began, 1),
    }
    write_text(partial / "env.json", json.dumps(env, indent=2))
