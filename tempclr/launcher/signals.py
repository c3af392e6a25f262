"""SIGTERM and SIGINT (Ctrl-C), passed on to the processes that work for this one.

The first asks to end in order, a later one to end at once. Those within a second are one: a system that
ends a group of processes signals all of them, and so they would be asked a second time by each other.
In other threads than the main one, signals act as ever; so do those that the process ignores.
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

from tempclr._util.optional import import_optional
from tempclr.training.interruption import SAME


@contextmanager
def passed_to_kernel() -> Iterator[type]:
    """Yield a class of kernel manager, and pass signals within the block on to the kernel that it starts.

    The first is passed on as SIGTERM, a later one as SIGKILL; an error of the block is taken for their effect.

    Raises:
        KeyboardInterrupt: In place of an error of the block, if there was a signal.
    """
    manager = import_optional("jupyter_client.manager", "notebooks").AsyncKernelManager
    kernels, sent = [], []

    class Kernel(manager):
        async def start_kernel(self, *args: object, **options: object) -> None:
            kernels.append(self)
            await super().start_kernel(*args, **options)
            if sent:  # before there was a process
                self.send(sent[-1])

        def send(self, number: int) -> None:
            if self.has_kernel:
                self.provisioner.process.send_signal(number)  # not its group: what it started is for it to end

    def pass_on() -> None:
        log.disabled = True  # that the kernel died is what was asked for
        sent.append(signal.SIGKILL if sent else signal.SIGTERM)
        for kernel in kernels:
            kernel.send(sent[-1])

    log = logging.getLogger("papermill")
    silent = log.disabled
    try:
        with _heard(pass_on):
            yield Kernel
    except Exception as error:
        if not sent:
            raise
        raise KeyboardInterrupt from error
    finally:
        log.disabled = silent


@contextmanager
def received() -> Iterator[Connection]:
    """Yield a connection on which a message arrives per signal within the block, instead of its effect."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    with receiver, sender, _heard(lambda: sender.send(None)):
        yield receiver


@contextmanager
def unheard() -> Iterator[None]:
    """Ignore SIGINT within the block, as do for good the processes that are started in it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def end_with_parent() -> None:
    """Send this process, one of `multiprocessing`, a SIGTERM once the process that started it is no more."""
    parent = multiprocessing.parent_process()

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _heard(act: Callable[[], None]) -> Iterator[None]:
    """Call a function upon each signal within the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last = -SAME

    def handle(*_: object) -> None:
        nonlocal last
        if (now := time.monotonic()) - last > SAME:
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
