"""The batches of other processes, as further negatives."""

from typing import Protocol

from jaxtyping import Shaped
from torch import Tensor


class Gather(Protocol):
    """Joins what every process holds, so that the mean loss of them all is that of one with the joined batch.

    Every process passes a tensor of the same shape and kind, floating-point or integer, as often as the others.
    The gradient of a joined tensor goes back to the process that an item came from, summed over all processes
    (`torch.distributed.nn.functional.all_gather` does both); gradients of weights are then averaged over
    processes, as `DistributedDataParallel` does.
    """

    rank: int  # of this process, from 0; its items are that part of what is joined

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "all_items *rest"]:
        """Return the items of all processes, in the order of their ranks."""


class Alone:
    """One process, which has nobody to join with."""

    rank = 0

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "items *rest"]:
        """Return the items themselves."""
        return items
