"""Ending in order when the system asks to, as clusters do before they take a machine back."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SAME = 1.0  # seconds within which two signals are one


@dataclass
class Termination:
    """Whether the process was asked to end."""

    asked: bool = False
    heeded: bool = False  # whether whoever called was told, and so will see to it
    left: bool = False  # whether it is none of this block's business any more


@contextmanager
def termination() -> Iterator[Termination]:
    """Note a SIGTERM within the block instead of dying of it; what handled it before does so again after.

    None is lost: one that was not heeded is sent again when the block is left, and a second one acts as ever; those
    within a second are one, as a cluster may signal this process itself and also the command that passes it on.
    Only the main thread of a process can do so; in another one, SIGTERM acts as ever.
    """
    noted = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    first = 0.0

    def ask(*_: object) -> None:
        nonlocal first
        if noted.left or (noted.asked and time.monotonic() - first > SAME):
            noted.heeded = True
            signal.signal(signal.SIGTERM, before)
            signal.raise_signal(signal.SIGTERM)
        elif not noted.asked:
            first = time.monotonic()
        noted.asked = True

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield noted
    finally:
        noted.left = True
        if signal.getsignal(signal.SIGTERM) is ask:  # else another block that began later is not left yet
            signal.signal(signal.SIGTERM, before)
        if noted.asked and not noted.heeded:
            signal.raise_signal(signal.SIGTERM)
