"""Parameters held in dataclasses: filled by name, and checked before anything is computed with them."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any, TypeVar

Described = TypeVar("Described")


@dataclass(frozen=True)
class Range:
    """An interval of numbers. A bound is included unless it is open."""

    least: int | float = -math.inf
    most: int | float = math.inf
    least_open: bool = False
    most_open: bool = False

    def __contains__(self, value: int | float) -> bool:
        above = self.least < value if self.least_open else self.least <= value
        return above and (value < self.most if self.most_open else value <= self.most)

    def __str__(self) -> str:
        if math.isinf(self.most):
            return f"{'>' if self.least_open else '>='} {self.least}"
        return f"from {self.least} to {'less than ' if self.most_open else ''}{self.most}"


POSITIVE = Range(0, least_open=True)
AT_LEAST_ONE = Range(1)
NON_NEGATIVE = Range(0)
SHARE = Range(0, 1)
KINDS = {int: Integral, float: Real, bool: bool}


def from_parameters(described: type[Described], parameters: Mapping[str, object], **fixed: object) -> Described:
    """Return a dataclass whose fields are set by the parameters of the same names.

    Args:
        described: The dataclass. A field without a parameter keeps its default.
        parameters: Values by name, such as `globals()` in a notebook. Other names are ignored.
        fixed: Further fields; they take precedence over the parameters.

    Example:
        >>> from_parameters(Range, {"least": 1, "unrelated": 2}, most=3)
        Range(least=1, most=3, least_open=False, most_open=False)
    """
    names = {field.name for field in fields(described)}  # type: ignore[arg-type]
    return described(**{name: parameters[name] for name in parameters.keys() & names} | fixed)


def validate(
    settings: Any,
    ranges: Mapping[str, Range],
    choices: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> None:
    """Check the fields of a dataclass, and convert NumPy numbers to plain ones.

    Args:
        settings: The dataclass, frozen or not.
        ranges: The allowed range of each numeric field.
        choices: The allowed names of each field.

    Raises:
        ValueError: If a number or boolean is not of its field's type, is not finite or is out of its range, or
            a name is unknown.

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
        if field.name in choices and value not in tuple(choices[field.name]):
            raise ValueError(f"expected {field.name} to be one of {', '.join(choices[field.name])}, got {value!r}")
        if kind not in KINDS:
            continue
        if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind is not bool):
            raise ValueError(f"expected {field.name} to be of type {kind.__name__}, got {value!r}")
        plain = kind(value)
        if not math.isfinite(plain):
            raise ValueError(f"expected {field.name} to be finite, got {plain}")
        if field.name in ranges and plain not in ranges[field.name]:
            raise ValueError(f"expected {field.name} {ranges[field.name]}, got {plain}")
        object.__setattr__(settings, field.name, plain)  # works for a frozen dataclass, too
