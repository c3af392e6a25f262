"""Functions in words that are the same in every process, so that a model can say by what it is trained."""

import inspect
import re
from functools import partial

from torch import Tensor, nn


def stable_repr(value: object) -> str:
    """Return a function by name with what is bound to it, a module by its class, and anything else as it prints.

    Options are told if they are bound by `partial`, or held by an object that is called; what a function is made of,
    or refers to, is not.

    Example:
        >>> from tempclr import otam
        >>> from tempclr.losses import both_ways
        >>> stable_repr(both_ways(partial(otam, gamma=0.2)))
        'both_ways(otam(gamma=0.2))'
    """
    if isinstance(value, partial):
        named = [f"{name}={stable_repr(bound)}" for name, bound in value.keywords.items()]
        return f"{stable_repr(value.func)}({', '.join([*map(stable_repr, value.args), *named])})"
    if isinstance(value, nn.Module):
        return type(value).__name__
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
        return f"{type(value).__name__}({', '.join(f'{name}={_plain(each)}' for name, each in held)})"
    return _plain(value)


def _plain(value: object) -> str:
    """What a value prints, without where it stands in memory."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
