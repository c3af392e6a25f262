"""Padded sequences through an encoder, of single steps or of whole sequences."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tempclr.precision import in_single
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


def check_single_steps(encoder: nn.Module, sequences: Sequences) -> bool:
    """Make sure that an encoder which does not declare to look across steps does not do so; return whether that showed.

    The first and the last of some steps are encoded by themselves and together with the others, without dropout. An
    encoder that looks across steps has to say so, or its sequences would be shuffled too late. Nothing shows of a
    single step.

    Raises:
        ValueError: If the embedding of a step depends on the others.
    """
    if is_contextual(encoder) or torch.compiler.is_compiling() or sequences.values.is_meta:
        return True
    steps = sequences.values[sequences.mask][:FEW]
    if len(steps) < 2:
        return False
    with torch.no_grad(), in_single(steps.device), _evaluating(encoder):
        together = encoder(steps)[[0, -1]]
        alone = torch.cat((encoder(steps[:1]), encoder(steps[-1:])))
    if (together - alone).abs().max() > 0.01 * together.abs().max():  # what rounding does is far less, even in TF32
        raise ValueError(
            f"expected {type(encoder).__name__} to encode every step by itself, but what it makes of one depends on "
            "others; an encoder that looks across steps declares `contextual = True` and takes sequences with lengths"
        )
    return True


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
