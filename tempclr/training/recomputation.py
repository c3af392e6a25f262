"""Gradient checkpointing: activations are computed again in the backward pass instead of being stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint


@contextmanager
def recomputed(model: nn.Module) -> Iterator[list[str]]:
    """Recompute the stacked layers of a model in the backward pass, within the block.

    A stack is an `nn.ModuleList`, such as the layers of a transformer; of nested stacks, the outermost counts. A child
    of the model without a stack is recomputed as a whole. Losses and gradients do not change, dropout included.

    Yields:
        Names of the modules that are recomputed.

    Source:
        Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016.
    """
    layers = [layer for child, part in model.named_children() for layer in _layers(child, part)]
    modules = {module: name for name, module in reversed(layers)}  # a module that two encoders share counts once
    before = {module: vars(module).get("forward") for module in modules}
    for module in modules:
        module.forward = partial(checkpoint, module.forward, use_reentrant=False)
    try:
        yield [name for name, module in layers if modules[module] == name]
    finally:
        for module, forward in before.items():
            del module.forward  # uncovers the method of its class
            if forward is not None:
                module.forward = forward


def _layers(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Names and modules of the outermost stacked layers in a module, or of the module itself if there are none."""
    stacks = [path for path, part in module.named_modules() if isinstance(part, nn.ModuleList)]
    inner = {path for path in stacks for other in stacks if path != other and f"{path}.".startswith(f"{other}.")}
    layers = [
        (".".join(filter(None, (name, path, number))), layer)
        for path in stacks
        if path not in inner
        for number, layer in module.get_submodule(path).named_children()
    ]
    return layers or [(name, module)]
