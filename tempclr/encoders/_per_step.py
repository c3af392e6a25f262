"""A check that a per-step encoder embeds every step by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tempclr.encoders.encode import is_contextual
from tempclr.sequences import Sequences

STEPS = 32  # checked at most; enough for an encoder that mixes steps to show it


def check_per_step(encoder: nn.Module, sequences: Sequences) -> None:
    """Raise `ValueError` if an encoder that is not a `ContextualEncoder` mixes steps.

    Its sequences would be shuffled after the steps were mixed, which is too late. The first and the last of a few
    steps are encoded alone and together with the others, without dropout; both results must agree. A single step
    cannot be checked.
    """
    steps = sequences.values[sequences.mask][:STEPS]
    if is_contextual(encoder) or sequences.values.is_meta or len(steps) < 2:
        return
    with torch.no_grad(), _in_evaluation_mode(encoder):
        together = encoder(steps)[[0, -1]]
        alone = torch.cat((encoder(steps[:1]), encoder(steps[-1:])))
    # the tolerance is far above rounding errors, even those of many layers
    half = torch.is_autocast_enabled(steps.device.type) or any(
        weight.dtype.itemsize < 4 for weight in (together, *encoder.parameters())
    )
    if (together - alone).abs().max() > (0.1 if half else 0.01) * together.abs().max():
        raise ValueError(
            f"expected {type(encoder).__name__} to encode every step by itself, got embeddings that depend on other "
            "steps; make it a ContextualEncoder, with `embed_steps` and `embed_in_context`"
        )


@contextmanager
def _in_evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Switch every part of a model to evaluation mode, and back at the end."""
    before = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training
