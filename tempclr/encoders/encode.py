"""Padded sequences through an encoder, of single steps or of whole sequences."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tempclr.sequences import Sequences

FEW = 32  # steps among which it shows whether an encoder looks across them


def encode(encoder: nn.Module, sequences: Sequences) -> Sequences:
    """Return embeddings of the steps of padded sequences; padding changes nothing and becomes 0.

    What an encoder that looks across steps returns depends on their order: to shuffle a sequence,
    shuffle its steps first and encode them then.

    Raises:
        ValueError: If an encoder that looks across steps is hidden inside of one that does not say so.
    """
    if is_contextual(encoder):
        if not getattr(encoder, "contextual", False):
            raise ValueError(
                f"expected {type(encoder).__name__}, which holds an encoder that looks across steps, "
                "to declare `contextual = True` and to take the lengths; put what comes after it behind `encode`"
            )
        embeddings = encoder(sequences.values, sequences.lengths)
        return Sequences(embeddings.masked_fill(~sequences.mask[..., None], 0), sequences.lengths)
    embeddings = encoder(sequences.values[sequences.mask])
    padded = embeddings.new_zeros((*sequences.mask.shape, embeddings.shape[-1]))
    padded[sequences.mask] = embeddings
    return Sequences(padded, sequences.lengths)


def encode_steps(encoder: nn.Module, sequences: Sequences) -> Sequences:
    """Return what an encoder that looks across steps makes of single steps before, once for all orders of them.

    `encode_across` does the rest, in any order. An encoder that has no such part (`step`, and `across` for the
    rest, as `ContextEncoder`) sees the features themselves in every order.
    """
    return encode(encoder.step, sequences) if hasattr(encoder, "across") else sequences


def encode_across(encoder: nn.Module, sequences: Sequences) -> Sequences:
    """Return embeddings of what `encode_steps` returned, in its order or another; padding becomes 0."""
    if not hasattr(encoder, "across"):
        return encode(encoder, sequences)
    embeddings = encoder.across(sequences.values, sequences.lengths)
    return Sequences(embeddings.masked_fill(~sequences.mask[..., None], 0), sequences.lengths)


def is_contextual(encoder: nn.Module) -> bool:
    """Return whether an encoder, or any part of it, looks across steps: then order must be changed before it."""
    return any(getattr(module, "contextual", False) for module in encoder.modules())


def check_single_steps(encoder: nn.Module, sequences: Sequences) -> None:
    """Raise `ValueError` if an encoder looks across steps and does not say so: it would see shuffled steps too late.

    The first and the last of some steps are encoded by themselves and together with the others, without dropout.
    Nothing shows of a single step.
    """
    steps = sequences.values[sequences.mask][:FEW]
    if is_contextual(encoder) or sequences.values.is_meta or len(steps) < 2:
        return
    with torch.no_grad(), _evaluating(encoder):
        together = encoder(steps)[[0, -1]]
        alone = torch.cat((encoder(steps[:1]), encoder(steps[-1:])))
    # far more than what rounding does, also through many layers
    coarse = torch.is_autocast_enabled(steps.device.type) or any(
        weight.dtype.itemsize < 4 for weight in (together, *encoder.parameters())
    )
    if (together - alone).abs().max() > (0.1 if coarse else 0.01) * together.abs().max():
        raise ValueError(
            f"expected {type(encoder).__name__} to encode every step by itself, but what it makes of one depends on "
            "others; an encoder that looks across steps declares `contextual = True` and takes sequences with lengths"
        )


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """Put all parts of a model into evaluation for a while."""
    before = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, training in before:
            module.training = training
