"""Where the segments of a batch of sequences lie, and where their steps go when segments change places."""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tempclr.sequences import BACKGROUND, UNKNOWN


@dataclass(frozen=True)
class Layout:
    """Sequences cut into runs of equal segment numbers, from 0; runs of background or padding do not move."""

    run: Int[Tensor, "batch steps"]  # the run of each step
    place: Int[Tensor, "batch steps"]  # of each step within its run
    moving: Bool[Tensor, "batch steps"]  # whether the run of each step may move
    size: Int[Tensor, "batch runs"]  # steps of each run; 0 where a sequence has fewer runs
    order: Int[Tensor, "batch runs"]  # runs that may move, in order, then the others
    free: Int[Tensor, " batch"]  # number of runs that may move

    def __getitem__(self, index: Int[Tensor, " some"]) -> "Layout":
        """Return the layout of some of the sequences."""
        return Layout(*(getattr(self, field.name)[index] for field in fields(self)))

    @property
    def can_move(self) -> Bool[Tensor, " batch"]:
        """Whether a sequence has two runs that may change places, or two steps within one."""
        return (self.free > 1) | (self.moving & (self.place > 0)).any(1)

    @property
    def runs(self) -> int:
        """The largest number of runs in a sequence."""
        return self.size.shape[1]

    def of_runs(self, numbers: Int[Tensor, "batch steps"]) -> Int[Tensor, "batch runs"]:
        """Return a number for each run: the number of its last step."""
        return torch.zeros_like(self.size).scatter(1, self.run, numbers)

    def free_first(self, keys: Float[Tensor, "batch rows runs"]) -> Float[Tensor, "batch rows runs"]:
        """Return sort keys: those given, from 0 to 1, for runs that may move; the others come after them, in order."""
        index = torch.arange(self.runs, device=keys.device)
        return torch.where((index < self.free[:, None])[:, None], keys, index.double() + 1)

    def slots(self, index: Int[Tensor, "batch rows runs"]) -> Int[Tensor, "batch rows runs"]:
        """Return where each run goes if, of those that may move, number k takes the place of number index[k]."""
        order = self.order[:, None].expand_as(index)
        return torch.empty_like(index).scatter_(2, order, order.gather(2, index))

    def places_by(self, keys: Float[Tensor, "batch rows steps"]) -> Int[Tensor, "batch rows steps"]:
        """Return the place of each step in its run, with the steps of runs that may move sorted by keys from 0 to 1."""
        true = self.place.double() / self.place.shape[1]
        keys = self.run[:, None] + torch.where(self.moving[:, None], keys, true[:, None])
        index = torch.arange(keys.shape[2], device=keys.device).expand(keys.shape)
        rank = torch.empty_like(index).scatter_(2, keys.argsort(2), index)
        return rank - (index - self.place[:, None])[:, :1]

    def positions(
        self, slots: Int[Tensor, "batch rows runs"], places: Int[Tensor, "batch rows steps"]
    ) -> Int[Tensor, "batch rows steps"]:
        """Return where each step goes."""
        sizes = torch.empty_like(slots).scatter_(2, slots, self.size[:, None].expand_as(slots))
        starts = (sizes.cumsum(2) - sizes).gather(2, slots)
        return starts.gather(2, self.run[:, None].expand_as(places)) + places


def lay_out(segments: Int[Tensor, "batch steps"]) -> Layout:
    """Return where the segments lie; `BACKGROUND` also stands for padding.

    Raises:
        ValueError: If a step is `UNKNOWN`, since its segment cannot be moved as a whole, nor left in its place.
    """
    if not segments.is_meta and (segments == UNKNOWN).any():
        raise ValueError(
            "expected the sentence of every clip, or background, got unknown clips, which belong to no segment; "
            "shuffle the sentences instead, or give these clips segments first, such as `losses.even_split`"
        )
    starts = torch.nn.functional.pad(segments[:, 1:] != segments[:, :-1], (1, 0), value=True)
    run = starts.cumsum(1) - 1
    index = torch.arange(segments.shape[1], device=segments.device).expand_as(run)
    first = torch.where(starts, index, 0).cummax(1).values
    runs = int(run.max()) + 1
    size = torch.zeros(len(run), runs, dtype=run.dtype, device=run.device).scatter_add(1, run, torch.ones_like(run))
    moving = segments >= 0
    stays = torch.ones_like(size, dtype=torch.bool).scatter(1, run, ~moving)
    return Layout(run, index - first, moving, size, stays.byte().argsort(dim=1, stable=True), (~stays).sum(1))


def even_segments(lengths: Int[Tensor, " batch"], steps: int, size: int) -> Int[Tensor, "batch {steps}"]:
    """Return segments of `size` steps each, for sequences without segments; the last of each may be shorter.

    Example:
        >>> even_segments(torch.tensor([5, 2]), 5, 2)
        tensor([[ 0,  0,  1,  1,  2],
                [ 0,  0, -1, -1, -1]])
    """
    if size < 1:
        raise ValueError(f"expected segments of at least 1 step, got {size}")
    index = torch.arange(steps, device=lengths.device)
    return torch.where(index < lengths[:, None], index // size, BACKGROUND)
