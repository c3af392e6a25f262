"""Sakoe & Chiba's band: only cells near the line between the corners take part."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def reach(band: float, n: int, m: int) -> float:
    """Return how far from the line a cell may lie, in steps of the shorter sequence, for any lengths up to n and m."""
    return min(max(float(band), 0.5), float(n + m))


def band_mask(lengths: Int[Tensor, "pairs 2"], n: int, m: int, band: float) -> Bool[Tensor, "pairs n m"]:
    """Return which cells lie in a band around the line between the corners of each pair.

    For each step of the longer sequence, these are the steps of the shorter within max(band, 1/2) of the line. The
    band therefore always contains a path, even when the sequences differ in length.

    Example:
        >>> band_mask(torch.tensor([[2, 4]]), 2, 4, 0.0)[0].int()
        tensor([[1, 1, 0, 0],
                [0, 0, 1, 1]], dtype=torch.int32)
    """
    last = (lengths - 1).double()[:, :, None, None]
    i = torch.arange(n, device=lengths.device)[:, None]
    j = torch.arange(m, device=lengths.device)
    last_x, last_y = last[:, 0], last[:, 1]
    off = (i * last_y - j * last_x).abs()  # distance from the line, times the longer length
    return off <= reach(band, n, m) * torch.maximum(last_x, last_y)


def within(
    cost: Float[Tensor, "pairs states n m"], lengths: Int[Tensor, "pairs 2"], band: float | None
) -> Float[Tensor, "pairs states n m"]:
    """Return the costs, set to +inf outside the band if there is one."""
    if band is None:
        return cost
    return cost.masked_fill(~band_mask(lengths, cost.shape[2], cost.shape[3], band)[:, None], torch.inf)
