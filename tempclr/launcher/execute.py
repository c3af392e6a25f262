"""Notebooks executed headlessly, each into a folder of its own.

A notebook works in `<out>.partial`, which becomes `<out>` when it has finished, so a folder with its
final name is always whole; an interrupted one is continued by the same call.
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
from tempclr.launcher.html import as_html
from tempclr.launcher.parameters import notebook_path, resolve


def run(notebook: str | Path, given: Mapping[str, object], out: Path | str, *, progress: bool = True) -> Path:
    """Execute a notebook into a new folder and return it.

    Args:
        notebook: Path or name.
        given: Parameters by name, but `run_dir`, which is the folder.
        out: The folder, which must not exist. What an interrupted call with the same parameters left
            in `<out>.partial` is continued.
        progress: Whether to show a bar of executed cells.

    Returns:
        The folder, with what the notebook wrote and `notebook.ipynb`, `report.html` and `env.json`.

    Raises:
        ValueError: If the parameters are refused, the folder exists, or it is being written by another process.
        papermill.PapermillExecutionError: If a cell fails; the notebook up to there stays in `<out>.partial`.
        KeyboardInterrupt: Upon SIGTERM or SIGINT, of which the kernel is told by SIGTERM, once it has ended in order,
            as a training does with a checkpoint. A second signal ends it at once. The same call continues.
    """
    path, out = notebook_path(notebook), Path(out).resolve()
    if "run_dir" in given:
        raise ValueError("expected no run_dir among the parameters: the folder is given as out")
    resolved = resolve(path, given)
    identity = run_id(path, resolved)
    if out.exists():
        raise ValueError(f"expected a folder that does not exist, got {out}; delete it or choose another")
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / ".lock", timeout=0):
            settings = {name: value for name, value in resolved.items() if name != "run_dir"}
            _claim(partial, {"id": identity, "notebook": path.name, "parameters": settings})
            _execute(path, {**resolved, "run_dir": str(partial)}, partial, progress)
    except Timeout as error:
        raise ValueError(f"expected no other process to write {partial}, but one does") from error
    (partial / ".lock").unlink(missing_ok=True)
    partial.rename(out)
    return out


def run_id(path: Path, resolved: Mapping[str, object]) -> str:
    """Hash of what decides the result: the code cells, the parameters and the package's source."""
    package = Path(tempclr.__file__).parent
    sources = {
        str(file.relative_to(package)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(package.rglob("*.py"))
    }
    cells = [cell["source"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    settings = {name: value for name, value in resolved.items() if name != "run_dir"}
    return digest([path.name, cells, settings, sources])


def _claim(partial: Path, env: dict) -> None:
    """Mark a partial folder as this run's, or make sure that it is."""
    stored = partial / "env.json"
    if stored.exists() and json.loads(stored.read_text())["id"] != env["id"]:
        raise ValueError(
            f"{partial} holds an interrupted run with other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    write_text(stored, json.dumps(env, indent=2))


def _execute(path: Path, resolved: Mapping[str, object], partial: Path, progress: bool) -> None:
    """Run the notebook, then write its report and how it was executed."""
    papermill = import_optional("papermill", "notebooks")
    began = time.time()
    executed = partial / "notebook.ipynb"
    with signals.passed_to_kernel() as manager:
        papermill.execute_notebook(
            str(path),
            str(executed),
            dict(resolved),
            kernel_name="python3",
            kernel_manager_class=manager,
            progress_bar=progress,
            log_output=False,
            extra_arguments=["--log-level=CRITICAL"],  # what fails is reported by papermill
        )
    write_text(partial / "report.html", as_html(executed))
    env = json.loads((partial / "env.json").read_text())
    env |= {
        "tempclr": tempclr.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "torch": version("torch", "notebooks"),
        "seconds": round(time.time() - began, 1),
    }
    write_text(partial / "env.json", json.dumps(env, indent=2))
