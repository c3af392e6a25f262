"""The minimum of a recursion, hard, soft or weighted, with its first and second derivatives."""

import torch
from jaxtyping import Float
from torch import Tensor

from tempclr.alignment._kernels.recursion import Recursion


def minimum(values: Float[Tensor, "choices *rest"], recursion: Recursion) -> tuple[Tensor, Tensor]:
    """Return the minimum over the choices, and its derivative with respect to each.

    The derivatives sum to 1, or are all 0 where every choice is +inf; that of a choice of +inf is exactly 0.
    """
    least = values.amin(0)
    floor = torch.where(least == torch.inf, 0, least)  # inf - inf would be NaN
    if recursion.gamma == 0:
        first = torch.nn.functional.one_hot(values.argmin(0), len(values)).movedim(-1, 0)
        return least, torch.where(least == torch.inf, 0, first.to(values.dtype))
    shares, total = _shares(values, floor, recursion.gamma)
    if not recursion.smooth:
        return least - recursion.gamma * torch.log(total), shares
    above = torch.where(shares > 0, values - floor, 0)
    mean = (shares * above).sum(0)
    return least + mean, shares * (1 - (above - mean) / recursion.gamma)


def curvature(
    values: Float[Tensor, "choices *rest"], slopes: Float[Tensor, "choices *rest"], recursion: Recursion
) -> tuple[Tensor, Tensor]:
    """Return how the minimum and its derivatives change when the values move along the slopes."""
    gamma = recursion.gamma
    derivatives = minimum(values, recursion)[1]
    slope = (derivatives * slopes).sum(0)
    if gamma == 0:
        return slope, torch.zeros_like(derivatives)
    if not recursion.smooth:
        return slope, derivatives * (slope - slopes) / gamma
    least = values.amin(0)
    floor = torch.where(least == torch.inf, 0, least)
    shares = _shares(values, floor, gamma)[0]
    above = torch.where(shares > 0, values - floor, 0)
    mean = (shares * above).sum(0)
    turned = shares * ((shares * slopes).sum(0) - slopes) / gamma  # how the shares change
    return slope, turned * (1 - (above - mean) / gamma) - shares * (slopes - slope) / gamma


def _shares(values: Tensor, floor: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
    """Share of each choice in the soft minimum, and their sum before normalisation (1 where nothing is finite)."""
    shares = torch.exp((floor - values) / gamma)
    total = shares.sum(0)
    total = torch.where(total > 0, total, 1)
    return shares / total, total
