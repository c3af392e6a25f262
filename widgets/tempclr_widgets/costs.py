"""Costs that a view can draw."""

import torch
from torch import Tensor


def checked_cost(cost: object, most: int) -> Tensor:
    """Return a cost matrix as float64, rounded to the float32 numbers that a browser is sent.

    Raises:
        ValueError: If it is no matrix of finite or +inf costs with at least one and at most that many cells.
    """
    matrix = torch.as_tensor(cost).detach().cpu()
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"expected a cost matrix [n, m] with n, m >= 1, got shape {tuple(matrix.shape)}")
    if matrix.is_complex() or matrix.dtype == torch.bool:
        raise ValueError(f"expected a cost matrix of real numbers, got {matrix.dtype}")
    if matrix.numel() > most:
        raise ValueError(f"expected at most {most:,} cells, got {matrix.numel():,}; show a part, as cost[:500, :2000]")
    if matrix.isnan().any() or (matrix == -torch.inf).any():
        raise ValueError("expected costs that are finite or +inf, got NaN or -inf")
    return matrix.float().double()
