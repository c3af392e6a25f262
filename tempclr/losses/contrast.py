"""Contrasts: the loss of a sequence from its distances to the right candidate and to wrong ones."""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import cross_entropy

# distances [batch, candidates], which of them count [batch, candidates], temperature -> losses [batch]; see `info_nce`
Contrast = Callable[[Tensor, Tensor, float | Tensor], Tensor]


def info_nce(
    distances: Float[Tensor, "batch candidates"],
    counted: Bool[Tensor, "batch candidates"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, " batch"]:
    """Return the InfoNCE loss of each sequence: -log softmax(-distances / temperature) at the first candidate.

    Args:
        distances: To each candidate; the first is the right one.
        counted: Which candidates take part; the first always does.
        temperature: > 0, in the unit of the distances.

    Returns:
        Nats; 0 if no other candidate takes part.

    Source:
        van den Oord, Li & Vinyals, "Representation Learning with Contrastive Predictive Coding", 2018, equation 4.
    """
    scores = (-distances / temperature).masked_fill(~counted, -torch.inf)
    return cross_entropy(scores, torch.zeros_like(scores[:, 0], dtype=torch.int64), reduction="none")
