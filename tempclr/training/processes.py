"""The items of all processes that train together, with gradients that flow back to where they came from.

Processes average their gradients (as `DistributedDataParallel` does). So that several processes
compute exactly the gradient of one with the joined batch, an objective keeps one rule: **the mean
over processes of what it returns is the loss of the joined batch**. Either every process computes the
whole loss from what it gathered, or each computes its share, times the number of processes.
"""

import torch
import torch.distributed as distributed
from jaxtyping import Shaped
from torch import Tensor


class AllProcesses:
    """Joins the items of all processes; what `TempCLR(gather=...)` takes.

    Without a process group there is one process, and nothing happens.
    """

    @property
    def rank(self) -> int:
        """Number of this process, from 0."""
        return distributed.get_rank() if _several() else 0

    @property
    def count(self) -> int:
        """Number of processes."""
        return distributed.get_world_size() if _several() else 1

    def __call__(self, items: Shaped[Tensor, "items *rest"]) -> Shaped[Tensor, "all_items *all_rest"]:
        """Return the items of all processes, in the order of their ranks.

        The gradient of an item is the sum of what all processes make of it, and returns to the process
        that the item came from. Every process must call this as often as the others, in the same
        order, and use the result in what it differentiates.

        Args:
            items: On the device of its process. Numbers of items may differ, also be 0; where other axes
                differ between processes, they are padded at the end with 0 to the longest.

        Example:
            >>> AllProcesses()(torch.tensor([[1.0, 2.0]]))
            tensor([[1., 2.]])
        """
        if not _several():
            return items
        shapes = _stacked(torch.tensor(items.shape, device=items.device)).tolist()
        most = [max(sizes) for sizes in zip(*shapes, strict=True)]
        padding = [pad for size, largest in zip(items.shape, most, strict=True) for pad in (largest - size, 0)]
        padded = torch.nn.functional.pad(items, padding[::-1])
        joined = _Gather.apply(padded) if padded.is_floating_point() else _stacked(padded)
        return torch.cat([part[: shape[0]] for part, shape in zip(joined, shapes, strict=True)])


class _Gather(torch.autograd.Function):
    """The tensors of all processes; backward, the sum over processes of this one's gradients."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, tensor: Tensor) -> Tensor:
        return _stacked(tensor)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        distributed.all_reduce(gradient)
        return gradient[distributed.get_rank()]


def _several() -> bool:
    """Whether there is more than one process."""
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1


def _stacked(tensor: Tensor) -> Tensor:
    """Tensors of one shape from all processes, on a new first axis."""
    count = distributed.get_world_size()
    parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(count)]
    distributed.all_gather(parts, tensor.contiguous())
    return torch.stack(parts)
