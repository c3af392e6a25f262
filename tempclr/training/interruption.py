"""A clean end on SIGTERM, which clusters send before they take a machine back."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SAME_SIGNAL = 1.0  # seconds within which two signals count as one


@dataclass
class Termination:
    """Whether the process was asked to end."""

    asked: bool = False
    handled: bool = False  # set by the block if the caller knows of it and will act on it
    left: bool = False  # whether the block has ended


@contextmanager
def termination() -> Iterator[Termination]:
    """Record a SIGTERM within the block instead of ending the process, and restore the previous handler afterwards.

    No signal is lost: one that was not handled is sent again when the block ends, and a second one has its usual effect
    at once. Signals within a second count as one, because a cluster may signal both this process and the command that
    started it, which passes the signal on. In threads other than the main one, SIGTERM keeps its usual effect.
    """
    noted = Termination()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return

    first = 0.0

    def ask(*_: object) -> None:
        nonlocal first
        if noted.left or (noted.asked and time.monotonic() - first > SAME_SIGNAL):
            noted.handled = True
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
        if signal.getsignal(signal.SIGTERM) is ask:  # otherwise a block that began later is still open
            signal.signal(signal.SIGTERM, before)
        if noted.asked and not noted.handled:
            signal.raise_signal(signal.SIGTERM)
