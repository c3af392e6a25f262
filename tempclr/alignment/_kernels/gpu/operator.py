"""The GPU kernel as one PyTorch operator: Triton programs, with the expected alignment as the gradient.

The shorter axis of the costs lies on lanes. Up to 32 lanes, several pairs share a program; up to 4096, each pair has
its own; beyond, a pair is cut into tiles, and the tiles of one diagonal run at once. No pair is too long.

The programs have been checked in Triton's interpreter and compiled for GPUs, but not yet timed on one.
"""

import math
from contextlib import nullcontext
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._kernels import diagonals
from tempclr.alignment._kernels.band import within
from tempclr.alignment._kernels.gpu import sweeps
from tempclr.alignment._kernels.gpu.plan import Plan
from tempclr.alignment._kernels.recursion import OutOfRangeError, Recursion
from tempclr.alignment._kernels.soft_minimum import minimum


def alignment_cost(
    cost: Float[Tensor, "pairs states n m"], lengths: Int[Tensor, "pairs 2"], recursion: Recursion, _lanes: int = 0
) -> Float[Tensor, " pairs"]:
    """Return the cost of aligning each pair, as `recursion` says; the gradient is how often each cell is visited.

    Args:
        cost: float32 or float64 on the GPU, finite or +inf; padding beyond the lengths is never read.
        lengths: True steps of x and y per pair, from 1 to n and m.
        recursion: What varies between alignments.
        _lanes: Rows, a power of two, and columns of a tile; 0 chooses by the shape.

    Raises:
        OutOfRangeError: If gamma or 1 / gamma is out of range in the precision of the cost.
    """
    least = 4 * torch.finfo(cost.dtype).tiny
    if recursion.gamma and not least < recursion.gamma < 1 / least:
        raise OutOfRangeError(
            f"expected gamma from {least:.0e} to {1 / least:.0e} in {cost.dtype}, got {recursion.gamma}"
        )
    cost = within(cost, lengths, recursion.band)
    keep = cost.requires_grad and torch.is_grad_enabled()
    rules = "/".join(getattr(recursion, name) for name in _RULES)
    value, _ = _align(
        cost, lengths, float(recursion.gamma), recursion.smooth, float(recursion.skip), rules, keep, _lanes
    )
    return value


_RULES = ("begin", "end", "up", "drops")


@torch.library.custom_op("tempclr::align_on_gpu", mutates_args=())
def _align(
    cost: Tensor, lengths: Tensor, gamma: float, smooth: bool, skip: float, rules: str, keep: bool, lanes: int
) -> tuple[Tensor, Tensor]:
    """Value and, if `keep`, visits of each pair."""
    recursion = _recursion(gamma, smooth, skip, rules)
    cost = cost.contiguous()
    pairs, states = cost.shape[:2]
    plan = Plan(cost, lengths, recursion, lanes)
    lengths = (lengths.flip(1) if plan.transposed else lengths).int().contiguous()
    down, across = plan.tiles
    sizes, constants = plan.sizes(), plan.constants()
    gammas = torch.tensor([gamma, skip], dtype=cost.dtype).to(cost.device)
    wide = torch.float64
    ends = cost.new_full((pairs, plan.slots, states), math.inf, dtype=wide)
    table = torch.empty_like(cost) if keep else cost.new_empty(0)
    offsets = cost.new_zeros((pairs, down, across, sizes[7]) if keep else 0, dtype=wide)
    below = cost.new_full((pairs, down, states, plan.width) if plan.tiled else (0,), math.inf, dtype=wide)
    right = cost.new_full((pairs, across, states, plan.height) if plan.tiled else (0,), math.inf, dtype=wide)
    programs = -(-pairs // plan.pack)
    with torch.cuda.device(cost.device) if cost.is_cuda else nullcontext():
        for diagonal, first, count in plan.launches() if pairs else []:
            sweeps.forward[programs, count](
                cost,
                table,
                offsets,
                ends,
                below,
                right,
                lengths,
                gammas,
                *sizes,
                diagonal,
                first,
                KEEP=keep,
                **constants,
            )
        value, shares = minimum(ends.flatten(1).T, recursion)
        visits = torch.zeros_like(cost) if keep else cost.new_empty((0, *cost.shape[1:]))
        if keep:
            shares = shares.T.to(cost.dtype).contiguous()
            up = cost.new_zeros((pairs, down + 1, states, 2, plan.width) if plan.tiled else (0,))
            left = cost.new_zeros((pairs, across + 1, states, 2, plan.height) if plan.tiled else (0,))
            for diagonal, first, count in reversed(plan.launches() if pairs else []):
                sweeps.backward[programs, count](
                    table,
                    visits,
                    offsets,
                    shares,
                    below,
                    right,
                    up,
                    left,
                    lengths,
                    gammas,
                    *sizes,
                    diagonal,
                    first,
                    **constants,
                )
    return value.to(cost.dtype), visits


@_align.register_fake
def _(
    cost: Tensor, lengths: Tensor, gamma: float, smooth: bool, skip: float, rules: str, keep: bool, lanes: int
) -> tuple[Tensor, Tensor]:
    return cost.new_empty(len(cost)), cost.new_empty(cost.shape if keep else (0, *cost.shape[1:]))


def _recursion(gamma: float, smooth: bool, skip: float, rules: str) -> Recursion:
    """The recursion, from the arguments of the operator."""
    ends: dict[str, Any] = dict(zip(_RULES, rules.split("/"), strict=True))
    return Recursion(gamma=gamma, smooth=smooth, skip=skip, **ends)


def _save(ctx: Any, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
    """Save the visits for the backward pass, and the cost in case the gradient is differentiated again."""
    cost, lengths, gamma, smooth, skip, rules, _, _ = inputs
    ctx.recursion = _recursion(gamma, smooth, skip, rules)
    ctx.save_for_backward(cost, lengths, output[1])
    ctx.mark_non_differentiable(output[1])


def _gradient(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    """The visits times the incoming gradient; if that is differentiated again, by the diagonals kernel."""
    cost, lengths, visits = ctx.saved_tensors
    if torch.is_grad_enabled():
        again = diagonals.alignment_cost(cost, lengths, ctx.recursion)
        (gradient,) = torch.autograd.grad(again, cost, grad, create_graph=True)
    else:
        gradient = grad[:, None, None, None] * visits
    return gradient, *[None] * 7


_align.register_autograd(_gradient, setup_context=_save)
