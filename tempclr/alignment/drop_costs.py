"""Drop costs that follow from the costs of a pair, or are learnt, in place of a number; see `drop_dtw`."""

import math
from collections.abc import Callable
from numbers import Real

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from tempclr.alignment._inputs import check_cost
from tempclr.sequences import pair_mask

# cost [*batch, n, m] and lengths [*batch, 2] or None -> the drop cost of each pair [*batch]
DropCost = Callable[[Tensor, Tensor | None], Tensor]


def percentile(
    cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None, *, share: float = 0.3
) -> Float[Tensor, "*batch"]:
    """Return the value below which a share of the finite costs of each pair lies, interpolated linearly.

    It is a threshold: no gradient passes through it. A larger share drops fewer steps.

    Args:
        cost: As for `drop_dtw`.
        lengths: As for `drop_dtw`; what lies beyond is not counted.
        share: From 0 (the least cost) to 1 (the largest); published: 0.3.

    Returns:
        One drop cost per pair, the same for all orders of its steps; +inf if no cost is finite.

    Raises:
        ValueError: If the share is not from 0 to 1.

    Example:
        >>> percentile(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), share=0.5)
        tensor(2.5000)

    Source:
        Dvornik, Hadji, Derpanis, Garg & Jepson, "Drop-DTW", NeurIPS 2021, section 3.4: percentile drop costs.
    """
    check_cost(cost)
    if not isinstance(share, Real) or not 0 <= share <= 1:
        raise ValueError(f"expected a share from 0 to 1, got {share}")
    counted = cost.detach().isfinite()
    if lengths is not None:
        counted &= pair_mask(lengths, *cost.shape[-2:])
    ordered = cost.detach().masked_fill(~counted, torch.inf).flatten(-2).sort(-1).values
    last = counted.flatten(-2).sum(-1, keepdim=True).clamp(min=1) - 1
    place = share * last.to(torch.promote_types(cost.dtype, torch.float32))
    low, high = (ordered.gather(-1, each.long()) for each in (place.floor(), place.ceil()))
    return torch.where(low == high, low, low + (high - low) * (place - place.floor()).to(cost.dtype))[..., 0]


class LearntDropCost(nn.Module):
    """A drop cost that is trained with the model, by the gradient of the distances; it stays above 0.

    Args:
        start: Value before training, > 0, in the unit of the cost.

    Raises:
        ValueError: Unless `start` is finite and > 0.

    Source:
        Dvornik et al., "Drop-DTW", NeurIPS 2021, section 3.4, which learns a function of the mean embedding of the
        other sequence; here it is one number.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        if not 0 < start < math.inf:
            raise ValueError(f"expected a finite start > 0, got {start}")
        self.logarithm = nn.Parameter(torch.tensor(math.log(start)))

    def forward(
        self, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
    ) -> Float[Tensor, "*batch"]:
        """Return the current drop cost, the same for every pair."""
        return self.logarithm.exp().to(cost.dtype).expand(cost.shape[:-2])
