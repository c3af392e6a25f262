"""Subsequence alignment: where in a long sequence a short one occurs."""

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment._inputs import align
from tempclr.alignment._kernels.recursion import Recursion


def subsequence_dtw(
    cost: Float[Tensor, "*batch n m"],
    lengths: Int[Tensor, "*batch 2"] | None = None,
    *,
    gamma: float = 0.0,
    kernel: str = "auto",
) -> Float[Tensor, "*batch"]:
    """Return the cost of aligning all of x with the part of y that fits best.

    It is the minimum of the DTW cost over all contiguous parts of y:

        min_{a <= b} dtw(cost[:, a..b])

    Args:
        cost: As for `soft_dtw`. Transpose it to find y in x.
        lengths: As for `soft_dtw`.
        gamma: Smoothing, >= 0, in the unit of `cost`, of the minimum over parts and their paths; 0 is the
            hard minimum.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no path exists. `path_of(subsequence_dtw, cost)`
        shows where the match lies; with gamma > 0, use `alignment_of`.

    Raises:
        ValueError: As `soft_dtw`, but gamma may be 0.

    Example:
        >>> subsequence_dtw(torch.tensor([[5.0, 1.0, 5.0, 5.0], [5.0, 5.0, 2.0, 5.0]]))
        tensor(3.)

    Source:
        Müller, "Information Retrieval for Music and Motion", Springer 2007, section 4.4.
    """
    return align(cost, lengths, Recursion(gamma=gamma, begin="y", end="y"), kernel=kernel)
