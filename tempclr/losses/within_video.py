"""The unit term of supervised fine-tuning: every clip, background included, against the sentences of its own video."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from tempclr.losses._gather import Gather, mean_over_processes
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.losses.units import similarities
from tempclr.sequences import UNKNOWN, Batch, Sequences, pair_mask

StepLoss = Callable[..., Tensor]  # (sentences, clips, shown, real, *, temperature) -> loss, as `step_loss`


def step_loss(
    sentences: Float[Tensor, "batch n dim"],
    clips: Float[Tensor, "batch m dim"],
    shown: Bool[Tensor, "batch n m"],
    real: Bool[Tensor, "batch n m"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    cosine: bool = False,
) -> Float[Tensor, ""]:
    """Return the binary cross-entropy of deciding for every clip which sentences of its video it shows.

    With s the similarity over the temperature, it is the mean over all cells of log(1 + exp(-s)) where the clip shows
    the sentence, and of log(1 + exp(s)) where it does not.

    Args:
        sentences: The sentences of each video, such as the task steps of its list.
        clips: All clips, or frames, of each video; background shows no sentence.
        shown: Whether a clip shows a sentence.
        real: Cells that are not padding; by default, all.
        temperature: > 0; published: 1.
        cosine: Whether to compare by cosine; otherwise by the dot product, as published.

    Returns:
        Nats per cell; log 2 if all similarities are 0.

    Raises:
        ValueError: If the shapes do not match, no cell is real, or the temperature is not positive.

    Example:
        >>> step_loss(torch.zeros(1, 2, 4), torch.zeros(1, 3, 4), torch.ones(1, 2, 3, dtype=torch.bool))
        tensor(0.6931)

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 5.2, and its published configuration for CrossTask.
    """
    check_temperature(temperature)
    real = torch.ones_like(shown) if real is None else real
    shape = (*sentences.shape[:2], clips.shape[1]) if sentences.ndim == clips.ndim == 3 else None
    if shown.shape != shape or real.shape != shape or sentences.shape[::2] != clips.shape[::2]:
        raise ValueError(
            f"expected sentences [batch, n, dim], clips [batch, m, dim] and cells [batch, n, m], got "
            f"{tuple(sentences.shape)}, {tuple(clips.shape)}, {tuple(shown.shape)} and {tuple(real.shape)}"
        )
    if not (real.is_meta or real.any()):
        raise ValueError("expected at least one cell that is not padding, got none")
    scores = similarities(sentences, clips, cosine) / temperature
    return binary_cross_entropy_with_logits(scores[real], shown[real].to(scores.dtype))


@dataclass(frozen=True, repr=False)
class WithinVideoTerm:
    """The unit term of supervised fine-tuning, in place of `UnitTerm`: contrasts units only within each video.

    Raises:
        ValueError: If the temperature is not positive.
    """

    loss: StepLoss = step_loss  # or another function with this signature
    temperature: float | Temperature = 1.0  # > 0, or learnt

    def __post_init__(self) -> None:
        check_temperature(self.temperature)

    def __repr__(self) -> str:
        return stable_repr(self)

    def __call__(
        self, sentences: Sequences, clips: Sequences, batch: Batch, gather: Gather, *, progress: float | None = None
    ) -> tuple[Float[Tensor, ""], int]:
        """Return the loss of an embedded batch, and the number of videos skipped: those whose clips are all unknown.

        A clip shows all sentences with its caption. Unknown clips take no part.
        """
        captions = batch.captions.gather(1, batch.segments.clamp(min=0)).masked_fill(batch.segments < 0, -1)
        known = batch.segments != UNKNOWN
        lengths = torch.stack((sentences.lengths, clips.lengths), 1)
        real = pair_mask(lengths, batch.captions.shape[1], captions.shape[1]) & known[:, None]
        shown = (batch.captions[:, :, None] == captions[:, None]) & (captions >= 0)[:, None]
        if real.any():
            mean = self.loss(sentences.values, clips.values, shown, real, temperature=current(self.temperature))
        else:
            mean = (sentences.values.sum() + clips.values.sum()) * 0  # all weights get a gradient, on every process
        skipped = int((~real.any(2).any(1)).sum())
        return mean_over_processes(gather, mean * real.sum(), real), skipped
