"""Wrong sequences with other steps: one segment left out, or a segment of another sequence put in.

They are indices too: `leave_out` says which steps are left, and `put_in` where the steps of the other sequence go.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from tempclr.negatives.layout import lay_out


def leave_out(segments: Int[Tensor, " steps"], count: int, *, generator: Generator) -> list[Int[Tensor, " left"]]:
    """Return the steps that are left when one segment of a sequence is missing, a different one each time.

    Args:
        segments: The sentence of each step, as for `wrong_orders`. Background is never left out.
        count: How many wrong sequences, at least 1; fewer come back if there are fewer segments.
        generator: Source of randomness.

    Returns:
        Numbers of steps, in order; none for a sequence with fewer than two segments.

    Raises:
        ValueError: If `count` is not positive, or there is no step.

    Example:
        >>> leave_out(torch.tensor([0, 0, 1]), 2, generator=torch.Generator().manual_seed(0))
        [tensor([2]), tensor([0, 1])]
    """
    runs = _runs(segments, count)
    if len(runs) < 2:
        return []
    chosen = torch.randperm(len(runs), generator=generator, device=generator.device)[:count].tolist()
    index = torch.arange(len(segments), device=segments.device)
    return [index[(index < runs[number][0]) | (index >= runs[number][1])] for number in chosen]


def put_in(
    segments: Int[Tensor, " steps"], sizes: Sequence[int], *, generator: Generator
) -> list[Int[Tensor, " steps_and_more"]]:
    """Return indices of a sequence with a segment of another one put in: before or after a segment, at random.

    Args:
        segments: The sentence of each step, as for `wrong_orders`.
        sizes: How many steps the other segment has, for each wrong sequence.
        generator: Source of randomness.

    Returns:
        For each size, indices into the steps of the sequence followed by all other segments, one after another;
        none for a sequence without a segment.

    Raises:
        ValueError: If there is no step, or a size is not positive.

    Example:
        Of two steps and two other segments, of one step (2) and two steps (3, 4):

        >>> put_in(torch.tensor([0, 1]), [1, 2], generator=torch.Generator().manual_seed(0))
        [tensor([0, 1, 2]), tensor([3, 4, 0, 1])]
    """
    runs = _runs(segments, min(sizes, default=1))
    if not runs:
        return []
    gaps = sorted({bound for run in runs for bound in run})
    drawn = torch.randint(len(gaps), (len(sizes),), generator=generator, device=generator.device).tolist()
    steps, found, begin = torch.arange(len(segments), device=segments.device), [], len(segments)
    for size, gap in zip(sizes, drawn, strict=True):
        other = torch.arange(begin, begin + size, device=segments.device)
        found.append(torch.cat((steps[: gaps[gap]], other, steps[gaps[gap] :])))
        begin += size
    return found


def _runs(segments: Tensor, least: int) -> list[tuple[int, int]]:
    """First step and end of each segment, without background; refuses an empty sequence and a number below 1."""
    if len(segments) == 0 or least < 1:
        raise ValueError(f"expected at least one step and numbers of at least 1, got {len(segments)} and {least}")
    layout = lay_out(segments[None])
    ends = layout.size[0].cumsum(0)
    free = layout.order[0, : int(layout.free[0])]
    return list(zip((ends - layout.size[0])[free].tolist(), ends[free].tolist(), strict=True))
