"""Features to embeddings, one step at a time.

An encoder is any module that takes steps [steps, *features] to embeddings [steps, dim]. These
encode each step by itself, as the paper's pre-training does. One that looks across steps must
declare `contextual = True`, and takes padded sequences [batch, steps, *features] and their lengths.
"""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from tempclr.sequences import Sequences


class Projection(nn.Module):
    """A linear map of frozen features, such as sentence embeddings, to the shared space."""

    contextual = False

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.features = features
        self.norm = nn.LayerNorm(features)
        self.linear = nn.Linear(features, dim)

    def forward(self, steps: Float[Tensor, "steps features"]) -> Float[Tensor, "steps dim"]:
        """Return one embedding per step."""
        if steps.ndim != 2 or steps.shape[1] != self.features:
            raise ValueError(f"expected features [steps, {self.features}], got {tuple(steps.shape)}")
        return self.linear(self.norm(steps))


class FrameEncoder(nn.Module):
    """A small convolutional network on the patches of a square frame; sizes are in pixels."""

    def __init__(self, dim: int, *, size: int = 56, patch: int = 8, width: int = 32) -> None:
        super().__init__()
        self.size = size
        self.patches = nn.Sequential(
            nn.Conv2d(3, width, patch, patch), nn.GELU(), nn.Conv2d(width, width, 1), nn.GELU()
        )
        self.where = nn.Linear(width * (size // patch) ** 2, dim)  # keeps where in the frame a thing is seen

    def forward(self, frames: UInt8[Tensor, "frames height width 3"]) -> Float[Tensor, "frames dim"]:
        """Return one embedding per frame."""
        if frames.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"expected frames [frames, {self.size}, {self.size}, 3], got {tuple(frames.shape)}")
        pixels = frames.permute(0, 3, 1, 2).to(self.where.weight.dtype) / 255 - 0.5
        return self.where(self.patches(pixels).flatten(1))


class ClipEncoder(nn.Module):
    """A clip of a fixed number of frames: each encoded, marked with its place in the clip, and averaged."""

    contextual = False

    def __init__(self, dim: int, *, frames: int, size: int = 56, patch: int = 8) -> None:
        super().__init__()
        self.frame = FrameEncoder(dim, size=size, patch=patch)
        self.place = nn.Parameter(torch.zeros(frames, dim))
        self.mix = nn.Sequential(nn.LayerNorm(dim), nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, clips: UInt8[Tensor, "clips frames height width 3"]) -> Float[Tensor, "clips dim"]:
        """Return one embedding per clip."""
        if clips.ndim != 5 or clips.shape[1] != len(self.place) or clips.shape[-1] != 3:
            raise ValueError(
                f"expected clips [clips, {len(self.place)}, height, width, 3] of 8-bit colour, got {tuple(clips.shape)}"
            )
        frames = self.frame(clips.flatten(0, 1)).unflatten(0, clips.shape[:2])
        return self.mix(frames + self.place).mean(1)


def encode(encoder: nn.Module, sequences: Sequences) -> Sequences:
    """Return embeddings of the steps of padded sequences; padding changes nothing and becomes 0.

    What an encoder that looks across steps returns depends on their order: to shuffle a sequence,
    shuffle its steps first and encode them then.
    """
    if getattr(encoder, "contextual", False):
        embeddings = encoder(sequences.values, sequences.lengths)
        return Sequences(embeddings.masked_fill(~sequences.mask[..., None], 0), sequences.lengths)
    embeddings = encoder(sequences.values[sequences.mask])
    padded = embeddings.new_zeros((*sequences.mask.shape, embeddings.shape[-1]))
    padded[sequences.mask] = embeddings
    return Sequences(padded, sequences.lengths)
