"""How the weight of the order term changes over training."""

from collections.abc import Callable
from functools import partial

Schedule = Callable[[float], float]  # share of training that is done, 0 to 1 -> weight


def ramp(first: float, last: float, *, begin: float = 0.0, end: float = 1.0) -> Schedule:
    """Return a weight that rises or falls linearly from `first` to `last` while progress runs from `begin` to `end`.

    Raises:
        ValueError: If a weight or a progress is not from 0 to 1, or `end` is before `begin`.

    Example:
        Only the unit term at first, then more and more of the order term:

        >>> weight = ramp(0.0, 0.5, begin=0.2, end=0.6)
        >>> [round(weight(progress), 2) for progress in (0.0, 0.2, 0.4, 0.6, 1.0)]
        [0.0, 0.0, 0.25, 0.5, 0.5]
    """
    if not (0 <= min(first, last) <= max(first, last) <= 1 and 0 <= begin <= end <= 1):
        raise ValueError(f"expected weights and progress from 0 to 1, got {first} to {last} from {begin} to {end}")

    return partial(_ramp, first, last, begin, end)


def _ramp(first: float, last: float, begin: float, end: float, progress: float) -> float:
    done = 1.0 if progress >= end else max(0.0, (progress - begin) / (end - begin))
    return first + (last - first) * done
