"""Where half precision ends: costs, alignments and softmaxes are computed in single precision or better."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def in_single(device: torch.device) -> AbstractContextManager:
    """Return a context in which automatic mixed precision, if it is on, leaves tensors as they are.

    Example:
        >>> with torch.autocast("cpu", torch.bfloat16), in_single(torch.device("cpu")):
        ...     (torch.ones(2, 2) @ torch.ones(2, 2)).dtype
        torch.float32
    """
    kind = device.type
    return torch.autocast(kind, enabled=False) if torch.amp.is_autocast_available(kind) else nullcontext()


def as_single(values: Tensor) -> Tensor:
    """Return half precision as single, and all else as it is."""
    return values.float() if values.dtype.itemsize < 4 else values
