"""Several jobs at a time, in worker processes: notebooks to execute, or training runs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as connection_wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from tqdm.auto import tqdm

from tempclr.launcher import signals
from tempclr.launcher.folder import is_complete
from tempclr.launcher.html import SavedPage


@runtime_checkable
class Job(Protocol):
    """Something to do whose result is a folder, such as `launcher.execute.NotebookRun`; it must be picklable."""

    @property
    def out(self) -> Path:
        """The folder."""

    @property
    def id(self) -> str:
        """Hash of all that determines the result; see `launcher.folder.run_id`."""

    def execute(self, saved_page: SavedPage | None = None) -> None:
        """Do it in this process. A SIGTERM ends it cleanly, with a `KeyboardInterrupt`."""


def is_done(job: Job) -> bool:
    """Return whether a job's folder exists and is its result.

    Raises:
        ValueError: If the folder exists but is the result of something else.
    """
    return is_complete(job.out, job.id)


def run_all(jobs: Sequence[Job], *, processes: int, description: str, saved_page: SavedPage | None = None) -> None:
    """Do the jobs that are not done, several at a time, in processes that take one job after another.

    These processes end with the call, or with the calling process, however it ends.

    Args:
        jobs: What to do.
        processes: Jobs at a time, each on one thread.
        description: Label of the progress bar.
        saved_page: As for `execute.run`; sent to the processes, so it must be picklable, as module-level functions are.

    Raises:
        ValueError: If a job is refused or fails; the other jobs are finished first. Also if there is no process.
        KeyboardInterrupt: On SIGTERM or SIGINT, once all processes have ended, as for `execute.run`. The same call
            continues.
    """
    if processes < 1:
        raise ValueError(f"expected at least one process, got {processes}")
    waiting = [job for job in jobs if not is_done(job)]
    idle: list[tuple[Connection, SpawnProcess]] = []
    running: dict[Connection, tuple[Job, SpawnProcess]] = {}
    failed = []
    bar = tqdm(total=len(jobs), initial=len(jobs) - len(waiting), desc=description, unit="run")
    with bar, signals.received() as asked:
        try:
            while waiting or running:
                while waiting and len(running) < processes:
                    connection, process = idle.pop() if idle else _start(saved_page)
                    running[connection] = waiting.pop(0), process
                    with suppress(OSError):  # of a process that has died; it is noticed below
                        connection.send(running[connection][0])
                ready: list[Any] = connection_wait([asked, *running])
                if asked in ready:
                    asked.recv()
                    raise KeyboardInterrupt
                for connection in ready:
                    job, process = running.pop(connection)
                    try:
                        error = connection.recv()
                        idle.append((connection, process))
                    except (EOFError, ConnectionResetError):
                        error = "the process died"
                        process.join()
                    if error:
                        failed.append(f"{job}: {error}")
                    bar.update()
            if asked.poll():  # a signal that came after the last job had ended
                raise KeyboardInterrupt
        finally:  # after an interrupt no job goes on; the same call continues them
            for connection, _ in idle:
                connection.close()  # without a connection, a worker ends by itself
            _end([process for _, process in running.values()], [process for _, process in idle], asked)
    if failed:
        raise ValueError("\n".join(failed))


def _start(saved_page: SavedPage | None) -> tuple[Connection, SpawnProcess]:
    """Start a worker process; return the connection that takes jobs and reports how each ended, and the process."""
    context = get_context("spawn")
    connection, other = context.Pipe()
    process = context.Process(target=_work, args=(other, saved_page))
    with signals.sigint_ignored(), _one_thread():  # Ctrl-C reaches all processes; this one ends the others
        process.start()
    other.close()  # only the process holds it now, so its death closes the connection
    return connection, process


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let processes that are started within the block compute on one thread each, so that they share the cores.

    A process reads this when it imports torch, which it may do before it takes its first job.
    """
    before = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end(running: Sequence[SpawnProcess], idle: Sequence[SpawnProcess], asked: Connection) -> None:
    """Terminate running processes and wait until all have ended; pass on every signal that arrives meanwhile."""
    living = {process.sentinel: process for process in (*running, *idle)}
    for process in running:
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


def _work(jobs: Connection, saved_page: SavedPage | None) -> None:
    """Do jobs as they come; report errors as text."""
    signals.end_with_parent()
    while True:
        try:
            job = jobs.recv()
            job.execute(saved_page)
            jobs.send("")
        except EOFError:
            return
        except Exception as error:
            jobs.send(f"{type(error).__name__}: {error}")
        except KeyboardInterrupt:
            raise SystemExit(130) from None
