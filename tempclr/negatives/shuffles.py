"""Shuffles: each proposes random orders of one kind, for a whole batch."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Generator, Tensor

from tempclr.negatives.layout import Layout


@dataclass(frozen=True)
class Proposal:
    """Random orders, some of which may be true or occur twice."""

    slots: Int[Tensor, "batch rows runs"]  # where each run goes
    places: Int[Tensor, "batch rows steps"]  # where each step goes within its run
    moves: Bool[Tensor, "batch rows"]  # whether an order is wrong only if the captions come in another order
    inside: Bool[Tensor, "batch rows"]  # whether steps change places inside their run


Shuffle = Callable[[Layout, int, Generator], Proposal]


def permute_segments(layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose orders in which segments are permuted, and clips keep their order inside each segment.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2: coarse granularity.
    """
    return segments_moved(layout, layout.free_first(_random(layout, rows, generator)).argsort(2))


def permute_clips(layout: Layout, rows: int, generator: Generator) -> Proposal:
    """Propose orders in which clips are permuted inside their segment, and segments keep their places.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2: fine granularity.
    """
    stay = torch.arange(layout.runs, device=layout.run.device).expand(len(layout.run), rows, -1)
    keys = torch.rand(
        len(layout.run), rows, layout.run.shape[1], dtype=torch.float64, generator=generator, device=layout.run.device
    )
    return proposal_of(layout, stay, layout.places_by(keys), moves=False, inside=True)


def permute_both(layout: Layout, rows: int, generator: Generator, *, within: float = 0.5) -> Proposal:
    """Propose orders in which segments are permuted and, with probability `within`, also the clips inside each.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2.
    """
    if not 0 <= within <= 1:
        raise ValueError(f"expected a probability within from 0 to 1, got {within}")
    coarse, fine = permute_segments(layout, rows, generator), permute_clips(layout, rows, generator)
    inside = torch.rand(coarse.moves.shape, generator=generator, device=layout.run.device) < within
    places = torch.where(inside[..., None], fine.places, coarse.places)
    return Proposal(coarse.slots, places, coarse.moves, inside)


def _random(layout: Layout, rows: int, generator: Generator) -> Tensor:
    """A random number from 0 to 1 for each run."""
    shape = (len(layout.run), rows, layout.runs)
    return torch.rand(shape, dtype=torch.float64, generator=generator, device=layout.run.device)


def segments_moved(layout: Layout, index: Tensor) -> Proposal:
    """Return a proposal in which, of the runs that may move, number k takes the place of number index[k]."""
    enough = (layout.free >= 2)[:, None, None]
    index = torch.where(enough, index, torch.arange(layout.runs, device=index.device))
    return proposal_of(
        layout, layout.slots(index), layout.place[:, None].expand(-1, index.shape[1], -1), moves=True, inside=False
    )


def proposal_of(layout: Layout, slots: Tensor, places: Tensor, *, moves: bool, inside: bool) -> Proposal:
    """Return a proposal whose orders are all of one kind."""
    kind = torch.ones(slots.shape[:2], dtype=torch.bool, device=slots.device)
    return Proposal(slots, places, kind & moves, kind & inside)
