"""Numbers of a group of settings, refused before anything is computed with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Range:
    """Where a number has to lie; above `least` itself if that is out, and below `most` if that is."""

    least: int | float = -math.inf
    most: int | float = math.inf
    least_out: bool = False
    most_out: bool = False

    def __contains__(self, value: int | float) -> bool:
        above = self.least < value if self.least_out else self.least <= value
        return above and (value < self.most if self.most_out else value <= self.most)

    def __str__(self) -> str:
        if math.isinf(self.most):
            return f"{'>' if self.least_out else '>='} {self.least}"
        return f"from {self.least} to {'less than ' if self.most_out else ''}{self.most}"


POSITIVE = Range(0, least_out=True)
COUNT = Range(1)  # of what there must be one
NUMBER = Range(0)  # of what there may be none
SHARE = Range(0, 1)


def check_fields(settings: object, ranges: Mapping[str, Range]) -> None:
    """Raise `ValueError` unless the numbers of a dataclass are of their field's type, finite and in their range.

    Example:
        >>> @dataclass
        ... class Settings:
        ...     steps: int
        >>> check_fields(Settings(steps=0), {"steps": COUNT})
        Traceback (most recent call last):
        ...
        ValueError: expected steps >= 1, got 0
    """
    for field in fields(settings):
        value, kind = getattr(settings, field.name), field.type
        if kind not in (int, float):
            continue
        if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
            raise ValueError(f"expected {field.name} to be of type {kind.__name__}, got {value!r}")
        if not math.isfinite(value):
            raise ValueError(f"expected {field.name} to be finite, got {value}")
        if field.name in ranges and value not in ranges[field.name]:
            raise ValueError(f"expected {field.name} {ranges[field.name]}, got {value}")
