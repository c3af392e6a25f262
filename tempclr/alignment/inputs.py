"""What every alignment function accepts, checked once and brought to one form."""

import math
from numbers import Real

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment.kernels import alignment_cost
from tempclr.alignment.recursion import Recursion
from tempclr.sequences import check_lengths, pair_mask


def align(cost: Tensor, lengths: Tensor | None, recursion: Recursion, *, kernel: str) -> Tensor:
    """Return the cost [*batch] of aligning each pair of a cost [*batch, n, m] that was not checked yet."""
    pairs, pair_lengths = as_pairs(cost, lengths)
    return alignment_cost(pairs[:, None], pair_lengths, recursion, kernel).reshape(cost.shape[:-2])


def as_pairs(cost: Tensor, lengths: Tensor | None) -> tuple[Float[Tensor, "pairs n m"], Int[Tensor, "pairs 2"]]:
    """Return costs and lengths with their batch axes joined to one; half precision becomes float32.

    Raises:
        ValueError: If the cost is not a floating [*batch, n, m] with n, m >= 1, the lengths are not
            integers [*batch, 2] on the same device from 1 to n and m, or a cost within them is NaN or -inf.
    """
    check_cost(cost)
    *batch, n, m = cost.shape
    if lengths is None:
        lengths = cost.new_empty((*batch, 2), dtype=torch.int64)
        lengths[..., 0], lengths[..., 1] = n, m
    else:
        if not isinstance(lengths, Tensor) or lengths.shape != (*batch, 2):
            got = tuple(lengths.shape) if isinstance(lengths, Tensor) else type(lengths).__name__
            raise ValueError(f"expected lengths {(*batch, 2)} for a cost {tuple(cost.shape)}, got {got}")
        if lengths.device != cost.device:
            raise ValueError(f"expected lengths on {cost.device} like the cost, got {lengths.device}")
        check_lengths(lengths[..., 0], n, "lengths of x")
        check_lengths(lengths[..., 1], m, "lengths of y")
    # one fast look at the least cost, which is NaN if any is, spares most inputs the masks
    if not cost.is_meta and cost.numel() and not cost.detach().amin() > -torch.inf:
        refused = (cost.isnan() | (cost == -torch.inf)) & pair_mask(lengths, n, m)
        if refused.any():
            where = tuple(refused.nonzero()[0].tolist())
            raise ValueError(f"expected costs that are finite or +inf, got {cost[where].item()} at {where}")
    if cost.dtype in (torch.float16, torch.bfloat16):
        cost = cost.float()
    return cost.reshape(math.prod(batch), n, m), lengths.reshape(math.prod(batch), 2).long()


def check_cost(cost: Tensor) -> None:
    """Raise `ValueError` unless a cost has rows and columns of floating-point numbers."""
    if not isinstance(cost, Tensor):
        raise ValueError(f"expected a cost tensor [*batch, n, m], got {type(cost).__name__}")
    if cost.ndim < 2 or 0 in cost.shape[-2:]:
        raise ValueError(f"expected a cost [*batch, n, m] with n, m >= 1, got shape {tuple(cost.shape)}")
    if not cost.is_floating_point():
        raise ValueError(f"expected a floating-point cost, got {cost.dtype}; convert it with .float()")


def check_gamma(gamma: float, instead: str) -> None:
    """Raise `ValueError` unless a smoothing is a positive number; `instead` says what else to use."""
    if not isinstance(gamma, Real) or not 0 < gamma < math.inf:
        raise ValueError(f"expected a finite gamma > 0, got {gamma}; {instead}")
