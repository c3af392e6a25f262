"""The soft-DTW divergence: soft-DTW without its bias, so that a sequence has distance 0 to itself."""

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment.soft_dtw import soft_dtw


def soft_dtw_divergence(
    cost: Float[Tensor, "*batch n m"],
    cost_x: Float[Tensor, "*batch n n"],
    cost_y: Float[Tensor, "*batch m m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the soft-DTW cost of two sequences, minus the mean of their costs with themselves.

        soft_dtw(x, y) - (soft_dtw(x, x) + soft_dtw(y, y)) / 2

    Args:
        cost: Costs of x with y, as for `soft_dtw`.
        cost_x: Costs of x with itself.
        cost_y: Costs of y with itself.
        lengths: Of x and y, as for `soft_dtw`.
        gamma: As for `soft_dtw`.
        band: As for `soft_dtw`.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`. It is 0 when y equals x, whereas soft-DTW is then negative;
        it is not 0 for a warped copy. It is proven to be >= 0 for some costs (the source states the
        conditions), but not for the cosine cost.

    Raises:
        ValueError: As `soft_dtw`.

    Example:
        >>> from tempclr import squared_cost
        >>> cost = squared_cost(torch.eye(3), torch.eye(3))
        >>> soft_dtw_divergence(cost, cost, cost, gamma=1.0)
        tensor(0.)

    Source:
        Blondel, Mensch & Vert, "Differentiable Divergences Between Time Series", AISTATS 2021, equation 10.
    """
    options: dict[str, Any] = {"gamma": gamma, "band": band, "kernel": kernel}
    own = [None, None] if lengths is None else [lengths[..., [side, side]] for side in (0, 1)]
    return soft_dtw(cost, lengths, **options) - 0.5 * (
        soft_dtw(cost_x, own[0], **options) + soft_dtw(cost_y, own[1], **options)
    )
