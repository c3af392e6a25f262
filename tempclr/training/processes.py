"""Tensors gathered from all processes that train together, whose gradients flow back to their process.

Processes average their gradients (as `DistributedDataParallel` does). For several processes to compute exactly the
gradient of one process with the joined batch, an objective must follow one rule: **the mean over processes of what it
returns is the loss of the joined batch**. Either every process computes the whole loss from what it gathered, or each
computes its share times the number of processes.
"""

import torch
import torch.distributed as distributed
from jaxtyping import Shaped
from torch import Tensor


class AllProcesses:
    """Concatenates the items of all processes; for `TempCLR(gather=...)`.

    Without a process group there is one process, and items are returned as they are.
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

        The gradient of an item is the sum of its gradients in all processes, and returns to the process that the item
        came from. All processes must make the same calls in the same order, and each must differentiate something
        that depends on the result.

        Args:
            items: On the device of this process. Processes may have different numbers of items, including 0.
                Other axes of different sizes are padded with 0 at the end to the largest size.

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
    """Stack the tensors of all processes; the backward pass sums a tensor's gradients over processes."""

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
    """The tensors of all processes, all of one shape, stacked on a new first axis."""
    count = distributed.get_world_size()
    parts = [torch.empty_like(tensor, memory_format=torch.contiguous_format) for _ in range(count)]
    distributed.all_gather(parts, tensor.contiguous())
    return torch.stack(parts)
