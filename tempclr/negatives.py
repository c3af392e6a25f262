"""Wrong orders of a sequence, as indices.

A negative is an order, not a tensor: `sequence[order]` is the shuffled sequence, and
while steps are encoded one by one, permuting the columns of a cost matrix is the same as
shuffling the sequence, so nothing is encoded twice.

Orders are drawn by rejection: uniformly, without listing all of them, never the true one,
and none twice as long as enough different ones exist. When fewer exist than are asked for, each is
used once before any is used again.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Int
from torch import Generator, Tensor


def shuffled_orders(steps: int, count: int, *, generator: Generator) -> Int[Tensor, "{count} {steps}"]:
    """Return wrong orders of a sequence of steps.

    Args:
        steps: Length of the sequence, at least 2.
        count: How many orders, at least 1. There are steps! - 1 different ones.
        generator: Source of randomness; the orders are made on its device.

    Returns:
        Permutations of 0 to steps - 1, one a row.

    Raises:
        ValueError: If the sequence is too short to have a wrong order, or `count` is not positive.

    Example:
        Two steps have one wrong order:

        >>> shuffled_orders(2, 1, generator=torch.Generator())
        tensor([[1, 0]])

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2 (sequences with one clip per sentence).
    """
    segments = torch.arange(steps, device=generator.device)
    return segment_orders(segments, count, generator=generator)


def segment_orders(
    segments: Int[Tensor, " clips"], count: int, *, within: bool = False, generator: Generator
) -> Int[Tensor, "{count} clips"]:
    """Return orders of clips in which the segments are permuted.

    Args:
        segments: The sentence that each clip belongs to; a segment is a run of equal
            numbers. A negative number is background, which keeps its place between segments.
        count: How many orders, at least 1.
        within: Whether the clips inside each segment are shuffled as well. Orders in which
            no two segments change places are not among the results either way.
        generator: Source of randomness; the orders are made on its device.

    Raises:
        ValueError: If there are fewer than two segments, or `count` is not positive.

    Example:
        >>> segment_orders(torch.tensor([0, 0, 1]), 1, generator=torch.Generator())
        tensor([[2, 0, 1]])

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2: coarse granularity, and both.
    """
    runs, sizes = _runs(segments)
    described = _first_of_runs(segments, runs) >= 0
    moving = described.nonzero()[:, 0].to(generator.device)
    runs = runs.to(generator.device)
    clips = len(segments)
    place = torch.arange(clips, device=generator.device) / clips  # keeps clips in order within a segment

    def draw(rows: int) -> Tensor:
        """Random orders: a key per run says where it goes, a fraction where in it a clip goes."""
        slots = torch.arange(len(sizes), device=generator.device).repeat(rows, 1)
        slots[:, moving] = moving[_permutations(rows, len(moving), generator)]
        key = slots[:, runs]
        kept = (key == runs).all(1)
        fraction = place.expand(rows, -1)
        if within:
            shuffled = torch.rand(rows, clips, generator=generator, device=generator.device)
            fraction = torch.where(described.to(runs.device)[runs], shuffled, place)
        return (key + fraction.double()).argsort(dim=1)[~kept]

    inside = math.prod(math.factorial(size) for size in sizes[described].tolist()) if within else 1
    wrong = (math.factorial(len(moving)) - 1) * inside
    return _distinct(draw, count, wrong, f"{len(moving)} segments have no wrong order: expected at least 2")


def clip_orders(segments: Int[Tensor, " clips"], count: int, *, generator: Generator) -> Int[Tensor, "{count} clips"]:
    """Return orders of clips in which clips move inside their segment and segments stay.

    Args:
        segments: As for `segment_orders`; background keeps its place.
        count: How many orders, at least 1.
        generator: Source of randomness; the orders are made on its device.

    Raises:
        ValueError: If no segment has two clips, or `count` is not positive.

    Example:
        >>> clip_orders(torch.tensor([0, 0, 1]), 1, generator=torch.Generator())
        tensor([[1, 0, 2]])

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2: fine granularity.
    """
    runs, sizes = _runs(segments)
    described = _first_of_runs(segments, runs) >= 0
    runs = runs.to(generator.device)
    clips = len(segments)
    true = torch.arange(clips, device=generator.device)

    def draw(rows: int) -> Tensor:
        shuffled = torch.rand(rows, clips, generator=generator, device=generator.device, dtype=torch.float64)
        orders = (runs + torch.where(described.to(runs.device)[runs], shuffled, true / clips)).argsort(dim=1)
        return orders[(orders != true).any(1)]

    wrong = math.prod(math.factorial(size) for size in sizes[described].tolist()) - 1
    return _distinct(draw, count, wrong, "no segment has two clips: expected at least one that does")


def _runs(segments: Tensor) -> tuple[Tensor, Tensor]:
    """Number of the run that each clip is in, and the size of each run."""
    _, runs, sizes = segments.unique_consecutive(return_inverse=True, return_counts=True)
    return runs, sizes


def _first_of_runs(segments: Tensor, runs: Tensor) -> Tensor:
    """Segment number of each run."""
    starts = torch.ones_like(runs, dtype=torch.bool)
    starts[1:] = runs[1:] != runs[:-1]
    return segments[starts]


def _permutations(rows: int, size: int, generator: Generator) -> Tensor:
    """Uniform random permutations, one a row."""
    keys = torch.rand(rows, size, generator=generator, device=generator.device, dtype=torch.float64)
    return keys.argsort(dim=1)


def _distinct(draw: Callable[[int], Tensor], count: int, wrong: int, too_short: str) -> Tensor:
    """Draw until `count` different orders are found, or all `wrong` ones, which are then repeated."""
    if count < 1:
        raise ValueError(f"expected a count of at least 1, got {count}")
    if wrong < 1:
        raise ValueError(too_short)
    target = min(count, wrong)
    found = draw(2 * target)
    while len(found := _first_occurrences(found)) < target:
        found = torch.cat((found, draw(2 * target)))
    return found[torch.arange(count, device=found.device) % target]


def _first_occurrences(orders: Tensor) -> Tensor:
    """Different rows in the order in which they first appear, so that which are kept stays random."""
    unique, group = orders.unique(dim=0, return_inverse=True)
    positions = torch.arange(len(orders), device=orders.device)
    first = positions.new_full((len(unique),), len(orders)).scatter_reduce(0, group, positions, "amin")
    return orders[first.sort().values]
