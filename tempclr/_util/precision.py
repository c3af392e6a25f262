"""Single precision or better for costs, alignments and softmaxes, even under automatic mixed precision."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def in_single(device: torch.device) -> AbstractContextManager:
    """Return a context in which automatic mixed precision is off, even where the caller turned it on.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), in_single(torch.device("cpu")):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def as_single(values: Tensor) -> Tensor:
    """Return values in half precision as float32, and all others unchanged."""
    return values.float() if values.dtype.itemsize < 4 else values
