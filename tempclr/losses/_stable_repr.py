"""Settings as text that is the same in every process; it identifies the objective of a checkpoint."""

import inspect
import re
from dataclasses import fields, is_dataclass
from functools import partial

from torch import Tensor, nn


def stable_repr(value: object) -> str:
    """Return text for a value: a function's name and bound arguments, a dataclass's fields, or a module's class.

    Anything else appears as its repr or its attributes, without memory addresses. The text shows neither the body of a
    function nor what it refers to.

    Example:
        >>> from tempclr import otam
        >>> from tempclr.losses import both_ways
        >>> stable_repr(both_ways(partial(otam, gamma=0.2)))
        'both_ways(otam(gamma=0.2))'
    """
    if isinstance(value, partial):
        return _call(stable_repr(value.func), *value.args, **value.keywords)
    if isinstance(value, nn.Module):
        return type(value).__name__
    if is_dataclass(value) and not isinstance(value, type):
        return _call(type(value).__name__, **{field.name: getattr(value, field.name) for field in fields(value)})
    if isinstance(value, Tensor):
        return str(value.tolist())
    if isinstance(value, tuple | list):
        return f"({', '.join(map(stable_repr, value))})"
    if inspect.ismethod(value):
        return f"{stable_repr(value.__self__)}.{value.__name__}"
    if inspect.isroutine(value):
        return value.__qualname__.lstrip("_")
    if type(value).__repr__ is object.__repr__:
        held = getattr(value, "__dict__", {}).items()
        return f"{type(value).__name__}({', '.join(f'{name}={_without_address(each)}' for name, each in held)})"
    return _without_address(value)


def _call(name: str, *args: object, **kwargs: object) -> str:
    """A call with its arguments."""
    named = [f"{name}={stable_repr(value)}" for name, value in kwargs.items()]
    return f"{name}({', '.join([*map(stable_repr, args), *named])})"


def _without_address(value: object) -> str:
    """The repr of a value, without its memory address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
