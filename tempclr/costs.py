"""Embeddings in, cost matrices out: the only place that compares two sequences step by step."""

import torch
from jaxtyping import Float
from torch import Tensor


def cosine_cost(x: Float[Tensor, "*batch n dim"], y: Float[Tensor, "*batch m dim"]) -> Float[Tensor, "*batch n m"]:
    """Return one minus the cosine similarity of every step of x with every step of y.

    Args:
        x: Embeddings of one sequence, or of a batch of them. An all-zero step has no
            direction; its cost with every step is 1.
        y: Embeddings of the other sequence, with the same batch axes and dimension.

    Returns:
        Costs from 0 (same direction) to 2 (opposite), up to rounding.

    Raises:
        ValueError: If dimensions or batch axes differ.

    Example:
        >>> cosine_cost(torch.tensor([[1.0, 0.0]]), torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
        tensor([[0., 1.]])
    """
    _check_pair(x, y)
    return 1 - _unit(x) @ _unit(y).transpose(-1, -2)


def squared_cost(x: Float[Tensor, "*batch n dim"], y: Float[Tensor, "*batch m dim"]) -> Float[Tensor, "*batch n m"]:
    """Return the squared Euclidean distance between every step of x and every step of y.

    Args:
        x: One sequence, or a batch of them, in any unit.
        y: The other, in the same unit, with the same batch axes and dimension.

    Returns:
        Costs >= 0 in the square of that unit. Differences are taken before they are squared,
        so equal steps cost exactly 0.

    Raises:
        ValueError: If dimensions or batch axes differ.

    Example:
        >>> squared_cost(torch.tensor([[0.0], [3.0]]), torch.tensor([[1.0]]))
        tensor([[1.],
                [4.]])
    """
    _check_pair(x, y)
    traced = torch.is_grad_enabled() and (x.requires_grad or y.requires_grad)
    if traced or x.dtype != y.dtype or x.dtype not in (torch.float32, torch.float64):
        return (x[..., :, None, :] - y[..., None, :, :]).square().sum(-1)
    # also by differences, but without storing them
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist").square_()


def all_pairs(x: Float[Tensor, "queries n dim"], y: Float[Tensor, "items m dim"]) -> Float[Tensor, "queries items n m"]:
    """Return the cosine cost matrices of every x with every y, with one matrix product.

    Raises:
        ValueError: If the dimensions differ.

    Example:
        >>> all_pairs(torch.ones(2, 3, 8), torch.ones(5, 4, 8)).shape
        torch.Size([2, 5, 3, 4])
    """
    if x.shape[-1] != y.shape[-1]:
        raise ValueError(f"expected x and y of the same dimension, got {x.shape[-1]} and {y.shape[-1]}")
    similarity = _unit(x).flatten(0, 1) @ _unit(y).flatten(0, 1).T
    return 1 - similarity.unflatten(1, y.shape[:2]).unflatten(0, x.shape[:2]).transpose(1, 2)


def _unit(x: Tensor) -> Tensor:
    """Steps scaled to length 1."""
    return torch.nn.functional.normalize(x, dim=-1)


def _check_pair(x: Tensor, y: Tensor) -> None:
    """Raise `ValueError` unless the steps of two sequences can be compared."""
    if x.ndim < 2 or y.ndim < 2 or x.shape[-1] != y.shape[-1] or x.shape[:-2] != y.shape[:-2]:
        raise ValueError(
            f"expected x [*batch, n, dim] and y [*batch, m, dim], got {tuple(x.shape)} and {tuple(y.shape)}"
        )
