"""Shuffles beyond the paper's: reversed, nearly right, with a segment or a block moved, or a mixture of several."""

from functools import partial

import torch
from torch import Generator, Tensor

from tempclr.negatives.layout import Layout
from tempclr.negatives.shuffles import Proposal, Shuffle, proposal_of, segments_moved


def reverse(layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose the reversed order, clip by clip; background keeps its place between the segments."""
    index = torch.arange(layout.runs, device=layout.run.device)
    backwards = torch.where(index < layout.free[:, None], layout.free[:, None] - 1 - index, index)
    slots = layout.slots(backwards[:, None].expand(-1, rows, -1))
    places = torch.where(layout.moving, layout.size.gather(1, layout.run) - 1 - layout.place, layout.place)
    return proposal_of(layout, slots, places[:, None].expand(-1, rows, -1), moves=False, inside=True)


def swap_neighbours(layout: Layout, rows: int, generator: Generator, *, swaps: int = 1) -> Proposal:
    """Propose orders that are a few swaps of neighbouring segments away from the true one: the hardest negatives."""
    if swaps < 1:
        raise ValueError(f"expected at least 1 swap, got {swaps}")
    index = torch.arange(layout.runs, device=layout.run.device).expand(len(layout.run), rows, -1)
    for _ in range(swaps):
        first = _below(layout.free - 1, (rows, 1), generator)
        index = torch.where(index == first, first + 1, torch.where(index == first + 1, first, index))
    return segments_moved(layout, index)


def move_one(layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose orders in which one segment moves elsewhere, and the others close the gap."""
    source, to = _below(layout.free, (rows, 1), generator), _below(layout.free - 1, (rows, 1), generator)
    index = torch.arange(layout.runs, device=layout.run.device).expand(len(layout.run), rows, -1)
    to = to + (to >= source)  # any place but its own
    others = index - (index > source).long()  # their places without the segment that moves
    return segments_moved(layout, torch.where(index == source, to, others + (others >= to)))


def move_blocks(layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose orders in which a block of neighbouring segments moves elsewhere, and the others close the gap."""
    begin, middle, end = _below(layout.free + 1, (rows, 3), generator).sort(2).values[..., None].unbind(2)
    index = torch.arange(layout.runs, device=layout.run.device)
    forth = index + (end - middle) * ((begin <= index) & (index < middle))
    return segments_moved(layout, forth - (middle - begin) * ((middle <= index) & (index < end)))


def mixture(*parts: tuple[Shuffle, float]) -> Shuffle:
    """Return a shuffle that proposes each order by one of several shuffles, chosen with the given probabilities.

    Raises:
        ValueError: If there is no shuffle, a probability is not positive, or the probabilities do not sum to 1.

    Example:
        On average, nine in ten orders are random and one is hard:

        >>> from tempclr.negatives import permute_segments
        >>> shuffle = mixture((permute_segments, 0.9), (swap_neighbours, 0.1))
    """
    shares = torch.tensor([share for _, share in parts], dtype=torch.float64)
    if not parts or not (shares > 0).all() or not (shares.sum() - 1).abs() < 1e-6:
        raise ValueError(f"expected probabilities > 0 that sum to 1, got {shares.tolist()}")
    return partial(_mixed, tuple(shuffle for shuffle, _ in parts), shares)


def _below(limits: Tensor, shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Random integers [batch, *shape] from 0 to below each limit; 0 where the limit is 0."""
    drawn = torch.rand((len(limits), *shape), dtype=torch.float64, generator=generator, device=limits.device)
    return (drawn * limits.reshape(-1, *[1] * len(shape))).long().clamp(min=0)


def _mixed(shuffles: tuple[Shuffle, ...], shares: Tensor, layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose each row by one of the shuffles."""
    parts = [shuffle(layout, rows, generator) for shuffle in shuffles]
    drawn = torch.rand(parts[0].moves.shape, dtype=torch.float64, generator=generator, device=generator.device)
    which = torch.bucketize(drawn, shares.cumsum(0)[:-1].to(generator.device), right=True)
    chosen = [(which == number) for number in range(len(parts))]
    fields = {}
    for name in ("slots", "places", "moves", "inside"):
        values = [getattr(part, name) for part in parts]
        fields[name] = values[0]
        for value, here in zip(values[1:], chosen[1:], strict=True):
            fields[name] = torch.where(here if value.ndim == 2 else here[..., None], value, fields[name])
    return Proposal(**fields)
