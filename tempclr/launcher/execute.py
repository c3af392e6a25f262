"""Notebooks executed headlessly, each into its own folder; see `launcher.folder` for what a folder guarantees."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tempclr._util.files import write_text
from tempclr._util.optional import import_optional
from tempclr.launcher import signals
from tempclr.launcher.folder import complete_folder, run_id
from tempclr.launcher.html import SavedPage, as_html
from tempclr.launcher.parameters import notebook_path, read_cells, resolve


@dataclass(frozen=True)
class NotebookRun:
    """A notebook to execute, its parameters and its folder: a job of `launcher.pool`."""

    notebook: str  # path, or name of one that ships with the package
    parameters: Mapping[str, object]
    out: Path  # as for `run`

    def __str__(self) -> str:
        return f"{self.notebook} into {self.out}"

    @property
    def id(self) -> str:
        """Hash of the notebook, its parameters and the code."""
        path = notebook_path(self.notebook)
        return _identity(path, resolve(path, self.parameters))

    def execute(self, saved_page: SavedPage | None = None) -> None:
        """Execute the notebook without a progress bar."""
        run(self.notebook, self.parameters, self.out, saved_page=saved_page, progress=False)


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
    import_optional("papermill", "notebooks")  # if it is missing, refuse before anything is written
    settings = {name: value for name, value in resolved.items() if name != "run_dir"}
    env = {"id": _identity(path, resolved), "notebook": path.name, "parameters": settings}
    with complete_folder(out, env) as partial:
        _execute(path, {**resolved, "run_dir": str(partial)}, partial, progress)
        write_text(partial / "report.html", as_html(partial / "notebook.ipynb", saved_page))
    return out


def _identity(path: Path, resolved: Mapping[str, object]) -> str:
    """The hash of what determines the result: the notebook's cells, the parameters and the package's source."""
    cells = [cell["source"] for cell in read_cells(path)]
    return run_id([path.name, cells, {name: value for name, value in resolved.items() if name != "run_dir"}])


def _execute(path: Path, resolved: Mapping[str, object], partial: Path, progress: bool) -> None:
    """Run the notebook."""
    papermill = import_optional("papermill", "notebooks")
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
