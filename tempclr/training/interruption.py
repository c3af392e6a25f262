"""Ending in order when the system asks to, as clusters do before they take a machine back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Termination:
    """Whether the process was asked to end."""

    asked = False
    heeded = False  # whether whoever called was told, and so will see to it

    def ask(self, *_: object) -> None:
        """Remember it."""
        self.asked = True


@contextmanager
def termination() -> Iterator[Termination]:
    """Note a SIGTERM within the block instead of dying of it; what handled it before does so again after.

    One that was noted but not heeded is sent again when the block is left, so that none is lost.
    Only the main thread of a process can do so; in another one, SIGTERM acts as ever.
    """
    noted = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.signal(signal.SIGTERM, noted.ask)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)
        if noted.asked and not noted.heeded:
            signal.raise_signal(signal.SIGTERM)
