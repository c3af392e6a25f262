"""Distances of sequences, passed to a loss as a function of cost and lengths.

Any alignment is one, with its options bound: `soft_dtw`, `dtw`, `partial(otam, gamma=0.1)`,
`partial(drop_dtw, drop_y=0.8, gamma=0.1)` to leave out clips of background at a price. x is the text and y the
video, whichever of them is shuffled. Here is what makes another distance of one.
"""

from collections.abc import Callable
from functools import partial

from jaxtyping import Float, Int
from torch import Tensor

from tempclr.alignment import alignment_of

# cost [*batch, n, m] and lengths [*batch, 2] or None -> values [*batch]
Distance = Callable[[Tensor, Tensor | None], Tensor]


def transposed(distance: Distance) -> Distance:
    """Return the distance with x and y exchanged."""
    return partial(_transposed, distance)


def both_ways(distance: Distance) -> Distance:
    """Return the sum of a distance and its transpose, as published results use OTAM, which is not symmetric."""
    return partial(_both_ways, distance)


def per_cell(distance: Distance) -> Distance:
    """Return the distance divided by the cells that its alignment visits, so that length does not count.

    A soft alignment visits as many as expected (see `alignment_of`), at least 1. The gradient is that of the quotient,
    so that it takes second derivatives of the alignment: about three times the time.

    Example:
        A path of one cell each, whatever the length:

        >>> from tempclr import dtw
        >>> [per_cell(dtw)(1 - torch.eye(n) / 2).item() for n in (2, 5)]
        [0.5, 0.5]
    """
    return partial(_per_cell, distance)


def _transposed(
    distance: Distance, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    return distance(cost.mT, None if lengths is None else lengths.flip(-1))


def _both_ways(
    distance: Distance, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    return distance(cost, lengths) + _transposed(distance, cost, lengths)


def _per_cell(
    distance: Distance, cost: Float[Tensor, "*batch n m"], lengths: Int[Tensor, "*batch 2"] | None = None
) -> Float[Tensor, "*batch"]:
    cells = alignment_of(distance, cost, lengths).sum((-1, -2))
    return distance(cost, lengths) / cells.clamp(min=1)
