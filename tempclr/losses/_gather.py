"""The batches of all processes as one, so that every video meets all videos."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from tempclr.sequences import Sequences


@runtime_checkable
class Gather(Protocol):
    """Joins what every process holds, so that the mean loss of them all is that of one with the joined batch.

    Every process calls it as often as the others. Numbers of items may differ; where other axes do, items are
    padded at the end with 0. The gradient of a joined tensor goes back to the process that an item came from, summed
    over all processes; gradients of weights are then averaged over processes, as `DistributedDataParallel` does.
    """

    rank: int  # of this process, from 0
    count: int  # of processes

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "all_items *all_rest"]:
        """Return the items of all processes, in the order of their ranks."""


class Alone:
    """One process, which has nobody to join with."""

    rank, count = 0, 1

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "items *rest"]:
        """Return the items themselves."""
        return items


@dataclass(frozen=True)
class Joined:
    """Embedded sequences of all processes."""

    sequences: Sequences
    captions: Int[Tensor, "all_videos n"]  # of their videos; -1 is padding
    own: Bool[Tensor, " all_videos"]  # whether a video is this process's


def join(gather: Gather, sequences: Sequences, captions: Int[Tensor, "videos n"]) -> Joined:
    """Return sequences with those of all other processes, which number captions alike."""
    values, lengths = gather(sequences.values), gather(sequences.lengths)
    captions = gather(captions + 1) - 1  # what `gather` pads with is 0
    return Joined(Sequences(values, lengths), captions, own_items(gather, sequences.lengths))


def own_items(gather: Gather, items: Shaped[Tensor, "items *rest"]) -> Bool[Tensor, " all_items"]:
    """Return which of the joined items are this process's."""
    return gather(torch.full((len(items),), gather.rank, device=items.device)) == gather.rank
