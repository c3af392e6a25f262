"""Ranks and recalls of retrieval.

A higher score means a better fit. The positive of query i is item i.
"""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

Ties = Literal["optimistic", "expected", "pessimistic"]


def ranks(scores: Float[Tensor, "queries items"], *, ties: Ties = "expected") -> Float[Tensor, " queries"]:
    """Return the rank of each query's positive, from 0: the number of items with a higher score.

    Args:
        scores: One row per query; the positive of row i is column i.
        ties: Whether items tied with the positive all rank after it ("optimistic"), half of them before it
            ("expected"), or all before it ("pessimistic").

    Raises:
        ValueError: If a score is not finite, or there are fewer items than queries.
    """
    higher, tied = _rivals(scores)
    return higher + {"optimistic": 0.0, "expected": 0.5, "pessimistic": 1.0}[ties] * tied


def hits(scores: Float[Tensor, "queries items"], k: int, *, ties: Ties = "expected") -> Float[Tensor, " queries"]:
    """Return for each query the probability, 0 to 1, that its positive is among the first k items.

    With h items scored higher, t others tied, and ties broken at random, this is
    clip((k - h) / (t + 1), 0, 1); the other tie policies give 0 or 1.

    Raises:
        ValueError: As `ranks`, or if k is not positive.

    Example:
        With equal scores, each of the 4 items is equally likely:

        >>> hits(torch.zeros(4, 4), 1)
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    if k < 1:
        raise ValueError(f"expected k of at least 1, got {k}")
    if ties != "expected":
        return (ranks(scores, ties=ties) < k).to(scores.dtype)
    higher, tied = _rivals(scores)
    return ((k - higher) / (tied + 1)).clamp(0, 1)


def recall_at(scores: Float[Tensor, "queries items"], k: int, *, ties: Ties = "expected") -> float:
    """Return the share of queries, 0 to 1, whose positive is among the first k items."""
    return hits(scores, k, ties=ties).mean().item()


def median_rank(scores: Float[Tensor, "queries items"], *, ties: Ties = "expected") -> float:
    """Return the median rank of the positive, from 1; the mean of the middle two for an even number."""
    return ranks(scores, ties=ties).double().quantile(0.5).item() + 1


def check_finite(scores: Tensor) -> None:
    """Raise `ValueError` unless all scores are finite."""
    if not scores.isfinite().all():
        raise ValueError(f"expected finite scores, got {int((~scores.isfinite()).sum())} that are not")


def _rivals(scores: Tensor) -> tuple[Tensor, Tensor]:
    """How many items score higher than each positive, and how many others tie with it."""
    if scores.ndim != 2 or not 0 < scores.shape[0] <= scores.shape[1]:
        raise ValueError(f"expected scores [queries, items] with an item for every query, got {tuple(scores.shape)}")
    check_finite(scores)
    positive = scores.diagonal()[:, None]
    return (scores > positive).sum(1).to(scores.dtype), ((scores == positive).sum(1) - 1).to(scores.dtype)
