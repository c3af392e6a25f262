"""Notebooks executed headlessly, each into a folder of its own.

Parameters are checked before a kernel starts. A notebook works in `<out>.partial`, which becomes
`<out>` when it has finished, so a folder with its final name is always whole; an interrupted
one is continued by the same call.
"""

import ast
import hashlib
import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as connection_wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm.auto import tqdm

import tempclr
from tempclr import signals
from tempclr.extras import need, version
from tempclr.files import digest, write_text
from tempclr.page import as_html

TYPES = {"int": int, "float": float, "str": str, "bool": bool, "list": list}


@dataclass(frozen=True)
class Parameter:
    """One line of a notebook's parameter cell."""

    name: str
    type: str  # "int", "float", "str", "bool" or "list"
    default: object
    help: str  # the comment behind it


@dataclass(frozen=True)
class Job:
    """A notebook to execute: what, with what, where to."""

    notebook: str  # path, or name of one that ships with the package
    parameters: Mapping[str, object]
    out: Path


def notebook_path(notebook: str | Path) -> Path:
    """Return the path of a notebook given as a path or as the name of one that ships with the package.

    Raises:
        ValueError: If there is none; the message lists those that ship.
    """
    path = Path(notebook)
    if path.suffix == ".ipynb" and path.is_file():
        return path.resolve()
    shipped = {file.stem: file for file in sorted(_notebook_folder().glob("*.ipynb"))}
    if path.name in shipped:
        return shipped[path.name].resolve()
    raise ValueError(f"expected a notebook file or one of {', '.join(shipped)}, got {str(notebook)!r}")


def parameters(notebook: str | Path) -> list[Parameter]:
    """Return the parameters of a notebook, in the order of its parameter cell.

    Raises:
        ValueError: If there is no such notebook, or a parameter is not an annotated literal.
    """
    path = notebook_path(notebook)
    papermill = need("papermill", "notebooks")
    found = []
    for name, info in papermill.inspect_notebook(str(path)).items():
        kind = str(info["inferred_type_name"])
        if kind not in TYPES:
            raise ValueError(
                f"expected parameter {name!r} of {path.name} to be annotated as one of {', '.join(TYPES)}, got {kind}"
            )
        found.append(Parameter(name, kind, ast.literal_eval(str(info["default"])), str(info["help"])))
    return found


def resolve(notebook: str | Path, given: Mapping[str, object]) -> dict[str, object]:
    """Return all parameters of a notebook, those given in place of its defaults.

    Args:
        notebook: Path or name.
        given: By name. A string stands for what it says where another type is expected, as on a command line.

    Raises:
        ValueError: If one is unknown or of another type.
    """
    known = {parameter.name: parameter for parameter in parameters(notebook)}
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(f"expected parameters among {', '.join(known)}, got {', '.join(unknown)}")
    return {
        name: _converted(parameter, given[name]) if name in given else parameter.default
        for name, parameter in known.items()
    }


def preset(notebook: str | Path, name: str) -> dict[str, object]:
    """Return parameters that were chosen together, such as those of a published recipe.

    Args:
        notebook: Path or name.
        name: Of a preset that stands beside the notebook as `<notebook>.<name>.json`, or the path of a JSON file.

    Raises:
        ValueError: If there is none, or it is no JSON object of parameters of the notebook.
    """
    path = notebook_path(notebook)
    file = Path(name) if name.endswith(".json") else path.with_suffix(f".{name}.json")
    if not file.is_file():
        prefix = f"{path.stem}."
        names = [each.stem.removeprefix(prefix) for each in sorted(path.parent.glob(f"{prefix}*.json"))]
        raise ValueError(
            f"expected a JSON file or a preset of {path.stem} ({', '.join(names) or 'none'}), got {name!r}"
        )
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"expected a JSON object in {file}: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"expected a JSON object of parameters in {file}, got {type(content).__name__}")
    resolve(path, content)
    return content


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
    identity = _identity(path, resolved)
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


def is_done(job: Job) -> bool:
    """Return whether a job's folder is there, whole, and the result of the same notebook, parameters and code.

    Raises:
        ValueError: If the folder is there but is the result of something else.
    """
    if not job.out.exists():
        return False
    stored = job.out / "env.json"
    path = notebook_path(job.notebook)
    identity = _identity(path, resolve(path, job.parameters))
    if not stored.is_file() or json.loads(stored.read_text()).get("id") != identity:
        raise ValueError(
            f"{job.out} holds the result of other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    return True


def run_all(jobs: Sequence[Job], *, processes: int, description: str) -> None:
    """Execute those jobs that are not done, several at a time, each in a process of its own.

    None of them outlives the call, nor the process that called, however that ends.

    Raises:
        ValueError: If a job is refused or a notebook fails; the others are finished first.
        KeyboardInterrupt: Upon SIGTERM or SIGINT, once all have ended, as for `run`. The same call continues.
    """
    waiting = [job for job in jobs if not is_done(job)]
    running: dict[Connection, tuple[Job, SpawnProcess]] = {}
    failed = []
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc=description, unit="notebook")
    with bar, signals.received() as asked:
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    job = waiting.pop(0)
                    outcome, process = _start(job)
                    running[outcome] = job, process
                ready = connection_wait([asked, *running])
                if asked in ready:
                    asked.recv()
                    raise KeyboardInterrupt
                for outcome in ready:
                    job, process = running.pop(outcome)
                    if error := _error(outcome, process):
                        failed.append(f"{job.notebook} into {job.out}: {error}")
                    bar.update()
            if asked.poll():  # too late for the last job
                raise KeyboardInterrupt
        finally:  # after an interrupt nothing goes on; the jobs continue when they are run again
            _end([process for _, process in running.values()], asked)
    if failed:
        raise ValueError("\n".join(failed))


def _start(job: Job) -> tuple[Connection, SpawnProcess]:
    """A process that executes one job, and the connection that tells when and how it ended."""
    context = get_context("spawn")
    outcome, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_job, args=(job, sender))
    with signals.unheard():  # Ctrl-C reaches all processes of a terminal, but it is this one that ends the others
        process.start()
    sender.close()  # the process now holds the only one, so that its death is seen here
    return outcome, process


def _end(processes: Sequence[SpawnProcess], asked: Connection) -> None:
    """Have processes end, with another signal for each that is received meanwhile, and wait until they have."""
    living = {process.sentinel: process for process in processes}
    for process in processes:
        process.terminate()
    while living:
        for ready in connection_wait([asked, *living]):
            if ready is asked:
                asked.recv()
                for process in living.values():
                    process.terminate()
            else:
                living.pop(ready).join()


def _error(outcome: Connection, process: SpawnProcess) -> str:
    """Why a process failed, or nothing if it did not."""
    try:
        error = outcome.recv()
    except EOFError:
        error = "the process died"
    process.join()
    return error


def _run_job(job: Job, sender: Connection) -> None:
    """Execute one job on one thread, so that several do not fight over the cores; errors travel as text."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    signals.end_with_parent()
    try:
        run(job.notebook, job.parameters, job.out, progress=False)
        sender.send("")
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def _notebook_folder() -> Path:
    """Where the shipped notebooks are: in the package, or beside it in a checkout."""
    package = Path(tempclr.__file__).parent
    inside = package / "notebooks"
    return inside if inside.is_dir() else package.parent / "notebooks"


def _converted(parameter: Parameter, value: object) -> object:
    """A value in the parameter's type, refused when it is of another."""
    wanted = TYPES[parameter.type]
    if isinstance(value, str) and wanted is not str:
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            raise ValueError(f"expected {parameter.name} to be of type {parameter.type}, got {value!r}") from None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise ValueError(f"expected {parameter.name} to be of type {parameter.type}, got {value!r}")
    return value


def _identity(path: Path, resolved: Mapping[str, object]) -> str:
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
    papermill = need("papermill", "notebooks")
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
