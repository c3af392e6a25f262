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

    The minimum of DTW over all stretches of y, each from its first to its last step:

        min_{a <= b} dtw(cost[:, a..b])

    Args:
        cost: As for `soft_dtw`. Transpose it to find y in x.
        lengths: As for `soft_dtw`.
        gamma: Smoothing, >= 0, in the unit of `cost`: the soft minimum over stretches and their
            paths; 0 is the hard minimum.
        kernel: As for `soft_dtw`.

    Returns:
        One value per pair, in the unit of `cost`; +inf where no path exists. `path_of(subsequence_dtw, cost)`
        says where the match lies, `alignment_of` says it softly.

    Raises:
        ValueError: As `soft_dtw`, but gamma may be 0.

    Example:
        >>> subsequence_dtw(torch.tensor([[5.0, 1.0, 5.0, 5.0], [5.0, 5.0, 2.0, 5.0]]))
        tensor(3.)

    Source:
        Müller, "Information Retrieval for Music and Motion", Springer 2007, section 4.4.
    """
    return align(cost, lengths, Recursion(gamma=gamma, begin="y", end="y"), kernel=kernel)
