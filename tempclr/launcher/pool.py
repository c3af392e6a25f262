"""Several notebooks executed at a time, each in its own process."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as connection_wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from tempclr.launcher import signals
from tempclr.launcher.execute import run, run_id
from tempclr.launcher.html import SavedPage
from tempclr.launcher.parameters import notebook_path, resolve


@dataclass(frozen=True)
class Job:
    """A notebook to execute, its parameters and its folder."""

    notebook: str  # path, or name of one that ships with the package
    parameters: Mapping[str, object]
    out: Path  # as for `execute.run`


def is_done(job: Job) -> bool:
    """Return whether a job's folder exists and is the result of the same notebook, parameters and code.

    Raises:
        ValueError: If the folder exists but is the result of something else.
    """
    if not job.out.exists():
        return False
    stored = job.out / "env.json"
    path = notebook_path(job.notebook)
    identity = run_id(path, resolve(path, job.parameters))
    if not stored.is_file() or json.loads(stored.read_text()).get("id") != identity:
        raise ValueError(
            f"{job.out} holds the result of other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    return True


def run_all(jobs: Sequence[Job], *, processes: int, description: str, saved_page: SavedPage | None = None) -> None:
    """Execute the jobs that are not done, several at a time, each in its own process.

    These processes end with the call, or with the calling process, however it ends.

    Args:
        jobs: What to execute.
        processes: Jobs at a time.
        description: Label of the progress bar.
        saved_page: As for `execute.run`; sent to the processes, so it must be picklable, as module-level functions are.

    Raises:
        ValueError: If a job is refused or a notebook fails; the other jobs are finished first.
        KeyboardInterrupt: On SIGTERM or SIGINT, once all processes have ended, as for `execute.run`. The same call
            continues.
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
                    outcome, process = _start(job, saved_page)
                    running[outcome] = job, process
                ready: list[Any] = connection_wait([asked, *running])
                if asked in ready:
                    asked.recv()
                    raise KeyboardInterrupt
                for outcome in ready:
                    job, process = running.pop(outcome)
                    if error := _error(outcome, process):
                        failed.append(f"{job.notebook} into {job.out}: {error}")
                    bar.update()
            if asked.poll():  # a signal that came after the last job had ended
                raise KeyboardInterrupt
        finally:  # after an interrupt no job goes on; the same call continues them
            _end([process for _, process in running.values()], asked)
    if failed:
        raise ValueError("\n".join(failed))


def _start(job: Job, saved_page: SavedPage | None) -> tuple[Connection, SpawnProcess]:
    """Start a process that executes one job; return it and the connection that reports when and how it ended."""
    context = get_context("spawn")
    outcome, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run_job, args=(job, saved_page, sender))
    with signals.sigint_ignored():  # Ctrl-C reaches all processes of a terminal; this one ends the others
        process.start()
    sender.close()  # only the process holds it now, so its death closes the connection
    return outcome, process


def _end(processes: Sequence[SpawnProcess], asked: Connection) -> None:
    """Terminate processes and wait until they end; pass on every signal that arrives meanwhile."""
    living = {process.sentinel: process for process in processes}
    for process in processes:
        process.terminate()
    while living:
        ready: Any
        for ready in connection_wait([asked, *living]):
            if ready is asked:
                asked.recv()
                for process in living.values():
                    process.terminate()
            else:
                living.pop(ready).join()


def _error(outcome: Connection, process: SpawnProcess) -> str:
    """Why a process failed; empty if it did not."""
    try:
        error = outcome.recv()
    except EOFError:
        error = "the process died"
    process.join()
    return error


def _run_job(job: Job, saved_page: SavedPage | None, sender: Connection) -> None:
    """Execute one job on one thread, so that jobs do not compete for cores; send its error as text, or nothing."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = "1"
    signals.end_with_parent()
    try:
        run(job.notebook, job.parameters, job.out, saved_page=saved_page, progress=False)
        sender.send("")
    except Exception as error:
        sender.send(f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
