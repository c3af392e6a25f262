"""Check the inputs of alignment functions, and bring them to one form."""

import math
from collections.abc import Callable
from numbers import Real

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd import forward_ad

from tempclr.alignment._kernels.choose import alignment_cost
from tempclr.alignment._kernels.recursion import Recursion
from tempclr.sequences import check_lengths, pair_mask, step_mask


def align(cost: Tensor, lengths: Tensor | None, recursion: Recursion, *, kernel: str) -> Tensor:
    """Check costs [*batch, n, m] and lengths, and return the cost [*batch] of aligning each pair."""
    pairs, pair_lengths = as_pairs(cost, lengths)
    every_state = pairs[:, None].expand(-1, recursion.states, -1, -1)
    return alignment_cost(every_state, pair_lengths, recursion, kernel).reshape(cost.shape[:-2])


def as_pairs(cost: Tensor, lengths: Tensor | None) -> tuple[Float[Tensor, "pairs n m"], Int[Tensor, "pairs 2"]]:
    """Return costs and lengths with their batch axes flattened into one; half precision becomes float32.

    Raises:
        ValueError: If the cost is not a floating-point tensor [*batch, n, m] with n, m >= 1, the lengths are not
            integers [*batch, 2] from 1 to n and m on the same device, or a cost within them is NaN or -inf.
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
    lengths = checked(cost.detach(), lengths, "costs")
    if cost.dtype in (torch.float16, torch.bfloat16):
        cost = cost.float()
    return cost.reshape(math.prod(batch), n, m), lengths.reshape(math.prod(batch), 2)


def checked(values: Tensor, lengths: Tensor, name: str) -> Tensor:
    """Return lengths [*batch, axes] as int64, after checking them and the values within them.

    Raises:
        ValueError: If a length is out of its range, or a value [*batch, *steps] within them is NaN or -inf.
    """
    # a compiled graph keeps only operators with a result; elsewhere, calling an operator would cost 50 microseconds
    return (_check if torch.compiler.is_compiling() or values.is_meta else _check_values)(values, lengths, name)


def _check_values(values: Tensor, lengths: Tensor, name: str) -> Tensor:
    """Do the work of `checked`."""
    steps = values.shape[lengths.ndim - 1 :]
    for axis, count in enumerate(steps):
        check_lengths(lengths[..., axis], count, f"lengths of {'xy'[axis]}")
    # the minimum is NaN if any value is: this one fast test spares most inputs the masks
    if values.numel() and not values.amin() > -torch.inf:
        within = pair_mask(lengths, *steps) if len(steps) == 2 else step_mask(lengths[..., 0], *steps)
        refused = (values.isnan() | (values == -torch.inf)) & within
        if refused.any():
            where = tuple(refused.nonzero()[0].tolist())
            raise ValueError(f"expected {name} to be finite or +inf, got {values[where].item()} at {where}")
    return lengths.to(torch.int64, copy=True)


_check = torch.library.custom_op("tempclr::check", _check_values, mutates_args=())


@_check.register_fake
def _(values: Tensor, lengths: Tensor, name: str) -> Tensor:
    return torch.empty_like(lengths, dtype=torch.int64)


def drop_plane(
    drop: float | Tensor | Callable,
    name: str,
    cost: Tensor,
    lengths: Tensor | None,
    pairs: Tensor,
    pair_lengths: Tensor,
    *,
    axis: int,
) -> tuple[Float[Tensor, "pairs padded"], Int[Tensor, "pairs 1"]]:
    """Return the drop costs of each pair along one axis, after an added step that costs nothing, and checked lengths.

    Raises:
        ValueError: If the drop cost is not a number, one per step, or a function from costs and lengths to one per
            pair; or is NaN or -inf somewhere.
    """
    wanted = (*cost.shape[:-2], cost.shape[axis])
    if callable(drop):
        drop = drop(cost, lengths)
        if not isinstance(drop, Tensor) or drop.shape != cost.shape[:-2]:
            got = tuple(drop.shape) if isinstance(drop, Tensor) else repr(drop)
            raise ValueError(f"expected {name} to return a tensor {tuple(cost.shape[:-2])}, one per pair, got {got}")
        drop = drop[..., None].expand(wanted)
    if isinstance(drop, Tensor):
        if drop.device != cost.device or not drop.is_floating_point():
            raise ValueError(f"expected floating-point {name} on {cost.device}, got {drop.dtype} on {drop.device}")
        if drop.shape != wanted:
            raise ValueError(f"expected {name} {wanted} for a cost {tuple(cost.shape)}, got {tuple(drop.shape)}")
        drop = drop.reshape(len(pairs), wanted[-1]).to(pairs.dtype)
    elif isinstance(drop, Real):
        drop = pairs.new_full((len(pairs), wanted[-1]), drop)
    else:
        form = f"a number, a tensor {wanted} or a function of costs and lengths"
        raise ValueError(f"expected {name} to be {form}, got {drop!r}")
    return torch.nn.functional.pad(drop, (1, 0)), checked(drop.detach(), pair_lengths, name)


def check_cost(cost: Tensor) -> None:
    """Raise `ValueError` unless a cost is a matrix, or a batch of matrices, of floating-point numbers."""
    if not isinstance(cost, Tensor):
        raise ValueError(f"expected a cost tensor [*batch, n, m], got {type(cost).__name__}")
    if cost.ndim < 2 or 0 in cost.shape[-2:]:
        raise ValueError(f"expected a cost [*batch, n, m] with n, m >= 1, got shape {tuple(cost.shape)}")
    if not cost.is_floating_point():
        raise ValueError(f"expected a floating-point cost, got {cost.dtype}; convert it with .float()")
    if not torch.compiler.is_compiling() and forward_ad.unpack_dual(cost).tangent is not None:
        raise ValueError("expected a cost without a tangent: forward-mode derivatives are not computed here")


def check_gamma(gamma: float, instead: str) -> None:
    """Raise `ValueError` unless gamma is a finite number > 0; `instead` says what to use for gamma = 0."""
    if not isinstance(gamma, Real) or not 0 < gamma < math.inf:
        raise ValueError(f"expected a finite gamma > 0, got {gamma}; {instead}")
