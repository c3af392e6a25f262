"""Several notebooks executed at a time, each in a process of its own."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as connection_wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from tqdm.auto import tqdm

from tempclr.launcher import signals
from tempclr.launcher.execute import run, run_id
from tempclr.launcher.parameters import notebook_path, resolve


@dataclass(frozen=True)
class Job:
    """A notebook to execute: what, with what, where to."""

    notebook: str  # path, or name of one that ships with the package
    parameters: Mapping[str, object]
    out: Path


def is_done(job: Job) -> bool:
    """Return whether a job's folder is there, whole, and the result of the same notebook, parameters and code.

    Raises:
        ValueError: If the folder is there but is the result of something else.
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
