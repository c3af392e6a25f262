"""SIGTERM and SIGINT (Ctrl-C), passed on to the processes that work for this one.

The first signal asks them to end cleanly; a later one ends them at once. Signals less than a second apart count as
one: when a system signals all processes of a group, each of them would otherwise receive a second signal from another.
Only the main thread handles signals. Nothing changes in other threads, or for signals that the process ignores.
"""

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from tempclr._util.optional import import_optional
from tempclr.training.interruption import SAME_SIGNAL


@contextmanager
def passed_to_kernel() -> Iterator[type]:
    """Yield a kernel manager class, and pass signals that arrive within the block on to the kernel that it starts.

    The first signal is passed on as SIGTERM, a later one as SIGKILL.

    Raises:
        KeyboardInterrupt: If the block fails after a signal; the error is taken to be its effect.
    """
    manager = import_optional("jupyter_client.manager", "notebooks").AsyncKernelManager
    kernels: list[Any] = []
    sent: list[int] = []

    class Kernel(manager):  # type: ignore[misc, valid-type]
        async def start_kernel(self, *args: object, **options: object) -> None:
            kernels.append(self)
            await super().start_kernel(*args, **options)
            if sent:  # a signal came before there was a process
                self.send(sent[-1])

        def send(self, number: int) -> None:
            if self.has_kernel:
                self.provisioner.process.send_signal(number)  # not to its group: the kernel ends what it started

    def pass_on() -> None:
        log.disabled = True  # do not report that the kernel died, as it was asked to
        sent.append(signal.SIGKILL if sent else signal.SIGTERM)
        for kernel in kernels:
            kernel.send(sent[-1])

    log = logging.getLogger("papermill")
    silent = log.disabled
    try:
        with _on_signal(pass_on):
            yield Kernel
    except Exception as error:
        if not sent:
            raise
        raise KeyboardInterrupt from error
    finally:
        log.disabled = silent


@contextmanager
def received() -> Iterator[Connection]:
    """Yield a connection that receives one message per signal within the block; the signal has no other effect."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver, sender, _on_signal(lambda: sender.send(None)):
        yield receiver


@contextmanager
def sigint_ignored() -> Iterator[None]:
    """Ignore SIGINT within the block; processes started in it ignore it for good."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end_with_parent() -> None:
    """Send this process, started by `multiprocessing`, a SIGTERM once its parent process has ended."""
    parent: Any = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _on_signal(act: Callable[[], None]) -> Iterator[None]:
    """Call a function on each signal within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -SAME_SIGNAL

    def handle(*_: object) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > SAME_SIGNAL:
            last = now
            act()

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in before:
            signal.signal(number, handle)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
