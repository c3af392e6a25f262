"""Batches of pairs, epoch after epoch, with a position that can be saved."""

from collections.abc import Sequence
from typing import TypeVar

import torch
from jaxtyping import Int
from torch import Generator, Tensor

from tempclr.sequences import Batch, Pair, caption_numbers, collate

Item = TypeVar("Item")


class Batches:
    """Endless batches of indices; every epoch is a new permutation. An incomplete last batch is dropped.

    With buckets, the permutation is cut into groups of `bucket` batches. Each group is sorted by length and cut into
    batches, and all batches are shuffled. Sequences of similar length share a batch, which saves padding, and no two
    epochs are alike.

    Args:
        lengths: Number of steps of each item.
        batch: Items per batch, at most the number of items.
        bucket: Batches per group; 1 does not sort.
        generator: Source of the permutations, on the CPU.

    Raises:
        ValueError: If there are fewer items than a batch takes.
    """

    def __init__(self, lengths: Int[Tensor, " items"], batch: int, *, bucket: int = 1, generator: Generator) -> None:
        if len(lengths) < batch:
            raise ValueError(f"expected at least one batch of {batch} pairs, got {len(lengths)}")
        self.lengths, self.batch, self.bucket, self.generator = lengths, batch, bucket, generator
        self.queue = torch.empty(0, batch, dtype=torch.int64)  # remaining batches of the epoch

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> list[int]:
        """Return the items of the next batch."""
        if len(self.queue) == 0:
            self.queue = self._epoch()
        chosen, self.queue = self.queue[0], self.queue[1:]
        return chosen.tolist()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the position: the remaining batches of the epoch, and the state of the generator of the next ones."""
        return {"queue": self.queue.clone(), "generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go to a saved position."""
        self.queue = state["queue"]
        self.generator.set_state(state["generator"])

    def _epoch(self) -> Int[Tensor, "batches batch"]:
        """The batches of a new epoch."""
        count = len(self.lengths) // self.batch
        items = torch.randperm(len(self.lengths), generator=self.generator)[: count * self.batch]
        if self.bucket == 1:
            return items.view(count, self.batch)
        groups = items.split(self.bucket * self.batch)
        ordered = torch.cat([group[self.lengths[group].argsort(stable=True)] for group in groups])
        return ordered.view(count, self.batch)[torch.randperm(count, generator=self.generator)]


def clip_counts(pairs: Sequence[Pair], *, bucket: int) -> Int[Tensor, " pairs"]:
    """Return the clips of each pair, by which buckets sort; without buckets, return ones and read no pair."""
    if bucket == 1:
        return torch.ones(len(pairs), dtype=torch.int64)
    return torch.tensor([len(pair.clips) for pair in pairs])


def share(chosen: Sequence[Item], process: int, processes: int) -> list[Item]:
    """Return the part of a batch that one process takes; the sizes of parts differ by at most one.

    Example:
        >>> [share([4, 1, 3, 0, 2], process, 2) for process in (0, 1)]
        [[4, 1], [3, 0, 2]]
    """
    return list(chosen[process * len(chosen) // processes : (process + 1) * len(chosen) // processes])


def batch_of(drawn: Sequence[Pair], process: int, processes: int) -> Batch:
    """Return one process's share of a batch, with captions numbered as in the whole batch."""
    return collate(share(drawn, process, processes), caption_numbers(drawn))
