"""The batches of all processes joined into one, so that every video is compared with all others."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from tempclr.sequences import Sequences


@runtime_checkable
class Gather(Protocol):
    """Joins the items of all processes, so that the mean of their losses is the loss of the joined batch.

    All processes call it equally often. The number of items may differ between processes; where other axes differ,
    items are padded at the end with 0. The gradient of an item returns to the process that the item came from, summed
    over all processes; gradients of parameters are then averaged over processes, as by `DistributedDataParallel`.
    """

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""

    @property
    def count(self) -> int:
        """Number of processes."""

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "all_items *all_rest"]:
        """Return the items of all processes, in the order of their ranks."""


class Alone:
    """A single process, which has nothing to join."""

    rank, count = 0, 1

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "items *rest"]:
        """Return the items themselves."""
        return items


@dataclass(frozen=True)
class Joined:
    """Embedded sequences of all processes."""

    sequences: Sequences
    captions: Int[Tensor, "all_videos n"]  # of their videos; -1 is padding
    own: Bool[Tensor, " all_videos"]  # whether a video belongs to this process


def join(gather: Gather, sequences: Sequences, captions: Int[Tensor, "videos n"]) -> Joined:
    """Return the sequences of all processes; equal captions must have the same number in each."""
    values, lengths = gather(sequences.values), gather(sequences.lengths)
    captions = gather(captions + 1) - 1  # `gather` pads with 0, captions are padded with -1
    return Joined(Sequences(values, lengths), captions, own_items(gather, sequences.lengths))


def own_items(gather: Gather, items: Shaped[Tensor, "items *rest"]) -> Bool[Tensor, " all_items"]:
    """Return which of the joined items belong to this process."""
    return gather(torch.full((len(items),), gather.rank, device=items.device)) == gather.rank


def mean_over_processes(gather: Gather, total: Float[Tensor, ""], counted: Shaped[Tensor, "*items"]) -> Tensor:
    """Return this process's total over the mean count per process; averaged over processes, it is the joint mean."""
    number = gather(counted.long()).sum().clamp(min=1)
    return total * gather.count / number
