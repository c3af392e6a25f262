"""Numbers of a group of settings, refused before anything is computed with them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real


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
AT_LEAST_ONE = Range(1)  # of what there must be one
NON_NEGATIVE = Range(0)  # of what there may be none
SHARE = Range(0, 1)
KINDS = {int: Integral, float: Real, bool: bool}


def validate(settings: object, ranges: Mapping[str, Range]) -> None:
    """Make the numbers of a dataclass plain, as NumPy's are not, and refuse those that are wrong.

    Raises:
        ValueError: If a number or a truth value is not of its field's type, is not finite or out of its range.

    Example:
        >>> @dataclass
        ... class Settings:
        ...     steps: int
        >>> validate(Settings(steps=0), {"steps": AT_LEAST_ONE})
        Traceback (most recent call last):
        ...
        ValueError: expected steps >= 1, got 0
    """
    for field in fields(settings):
        value, kind = getattr(settings, field.name), field.type
        if kind not in KINDS:
            continue
        if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"expected {field.name} to be of type {kind.__name__}, got {value!r}")
        plain = kind(value)
        if not math.isfinite(plain):
            raise ValueError(f"expected {field.name} to be finite, got {plain}")
        if field.name in ranges and plain not in ranges[field.name]:
            raise ValueError(f"expected {field.name} {ranges[field.name]}, got {plain}")
        object.__setattr__(settings, field.name, plain)  # of a frozen one, while it is made
