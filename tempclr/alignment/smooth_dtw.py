"""SmoothDTW: soft-DTW with a softmax-weighted mean in place of the soft minimum."""

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align, check_gamma
from tempclr.alignment._kernels.recursion import Recursion


def smooth_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.1,
    band: float | None = None,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the SmoothDTW cost of aligning two sequences, which is never below their DTW cost.

    The soft minimum is replaced by the softmax-weighted mean of the three predecessors:

        min(r) = sum_k r_k exp(-r_k / gamma) / sum_k exp(-r_k / gamma)

    Args:
        cost: As for `soft_dtw`.
        lengths: As for `soft_dtw`.
        gamma: As for `soft_dtw`.
        band: As for `soft_dtw`.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`: at least the DTW cost, to which it tends as gamma goes
        to 0, so never negative if no cost is. Its gradient is not a distribution over paths: entries can be
        negative.

    Raises:
        ValueError: As `soft_dtw`.

    Example:
        >>> smooth_dtw(torch.zeros(2, 2), gamma=1.0)
        tensor(0.)

    Source:
        Hadji, Derpanis & Jepson, "Representation Learning via Global Temporal Alignment and
        Cycle-Consistency", CVPR 2021, equation 3.
    """
    check_gamma(gamma, "for the hard minimum use dtw")
    return align(cost, lengths, Recursion(gamma=gamma, smooth=True, band=band), kernel=kernel)
