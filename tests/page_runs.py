"""Code of a page run in a process of its own, forked from one that has already imported what most pages import."""

import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

IMPORTED = ["torch", "accelerate", "matplotlib.pyplot", "tempclr.losses", "tempclr.experiments.video_text"]


def run(code: str, folder: Path) -> str:
    """Run code as a program in a folder; return its traceback, or an empty string if it ended well."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    errors, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(code, str(folder), sender))
    process.start()
    sender.close()
    try:
        error = errors.recv()
    except EOFError:
        error = "the process died"
    process.join()
    return error


def _run(code: str, folder: str, errors: Connection) -> None:
    """Execute the code and send what went wrong."""
    os.chdir(folder)
    try:
        exec(compile(code, "page", "exec"), {"__name__": "__main__"})
        errors.send("")
    except BaseException:
        errors.send(traceback.format_exc())
