"""Every sequence of one set against every sequence of another, in chunks that fit."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from tempclr.costs import all_pairs
from tempclr.sequences import Sequences

CHUNK = 4_000_000  # cells of cost matrices at a time: 16 MB in float32


def distances(
    x: Sequences, y: Sequences, align: Callable[[Tensor, Tensor], Tensor], *, chunk: int = CHUNK
) -> Float[Tensor, "queries items"]:
    """Return what `align` makes of the cosine cost matrix of every x with every y.

    Args:
        x: Embedded sequences.
        y: Embedded sequences of the same dimension.
        align: Takes costs [queries, items, n, m] and lengths [queries, items, 2] to one value
            per pair, such as `tempclr.soft_dtw`.
        chunk: Most cells of cost matrices at a time; at least the items of one query are taken.

    Raises:
        ValueError: If the dimensions differ, or `align` refuses its input.
    """
    cells = len(y) * x.values.shape[1] * y.values.shape[1]
    rows = max(1, chunk // cells)
    parts = []
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        lengths = torch.stack(torch.broadcast_tensors(x.lengths[part, None], y.lengths), -1)
        parts.append(align(all_pairs(x.values[part], y.values), lengths))
    return torch.cat(parts)
