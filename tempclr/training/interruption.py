"""Ending in order when the system asks to, as clusters do before they take a machine back."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Termination:
    """Whether the process was asked to end."""

    asked = False

    def ask(self, *_: object) -> None:
        """Remember it."""
        self.asked = True


@contextmanager
def termination() -> Iterator[Termination]:
    """Note a SIGTERM within the block instead of dying of it; what handled it before does so again after.

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
