"""Run an encoder on padded sequences: step by step, or each step in the context of the others."""

from collections.abc import Callable
from typing import Protocol, TypeGuard, runtime_checkable

from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from tempclr.sequences import Sequences


@runtime_checkable
class ContextualEncoder(Protocol):
    """An encoder that embeds each step in the context of the others, in two parts.

    A module is one if it has both methods. Any other module is a per-step encoder: called with steps
    [steps, *features], it returns embeddings [steps, dim], each from its own step alone.
    """

    def embed_steps(self, steps: Shaped[Tensor, "steps *features"]) -> Shaped[Tensor, "steps *width"]:
        """Return what is computed from each step alone, or the steps unchanged; it does not depend on their order."""

    def embed_in_context(
        self, values: Shaped[Tensor, "batch steps *width"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch steps dim"]:
        """Return one embedding per step, given padded outputs of `embed_steps`; those at padding may be anything."""


def encode(encoder: nn.Module, sequences: Sequences) -> Sequences:
    """Return embeddings of the steps of padded sequences; padding has no effect and becomes 0.

    The embeddings of a contextual encoder depend on the order of the steps: shuffle a sequence first, then encode it.

    Raises:
        ValueError: If a contextual encoder is part of a module that is not one itself.
    """
    if isinstance(encoder, ContextualEncoder):
        return encode_in_context(encoder, encode_steps(encoder, sequences))
    if is_contextual(encoder):
        raise ValueError(
            f"expected {type(encoder).__name__}, which contains a contextual encoder, to be a ContextualEncoder "
            "itself, with `embed_steps` and `embed_in_context`; or apply what follows the encoder after `encode`"
        )
    return _each_step(encoder, sequences)


def encode_steps(encoder: ContextualEncoder, sequences: Sequences) -> Sequences:
    """Return what a contextual encoder computes from each step alone; `encode_in_context` does the rest."""
    return _each_step(encoder.embed_steps, sequences)


def encode_in_context(encoder: ContextualEncoder, sequences: Sequences) -> Sequences:
    """Return embeddings of what `encode_steps` returned, in the same order or another; padding becomes 0."""
    embeddings = encoder.embed_in_context(sequences.values, sequences.lengths)
    return Sequences(embeddings.masked_fill(~sequences.mask[..., None], 0), sequences.lengths)


def is_contextual(encoder: nn.Module) -> TypeGuard[ContextualEncoder]:
    """Return whether an encoder, or any part of it, is contextual, so that shuffling comes before encoding."""
    # by class, as Python caches the answer: a check of an object takes 10 microseconds
    return any(issubclass(type(module), ContextualEncoder) for module in encoder.modules())


def _each_step(embed: Callable[[Tensor], Tensor], sequences: Sequences) -> Sequences:
    """Sequences with each real step embedded by itself, and zeros at padding."""
    embeddings = embed(sequences.values[sequences.mask])
    padded = embeddings.new_zeros((*sequences.mask.shape, *embeddings.shape[1:]))
    padded[sequences.mask] = embeddings
    return Sequences(padded, sequences.lengths)
