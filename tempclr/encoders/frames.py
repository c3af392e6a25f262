"""From pixels of frames and clips to embeddings, by a small network that is trained from scratch."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn


class FrameEncoder(nn.Module):
    """A small convolutional network on the patches of a square frame; sizes are in pixels."""

    def __init__(self, dim: int, *, size: int = 56, patch: int = 8, width: int = 32) -> None:
        super().__init__()
        self.size = size
        self.patches = nn.Sequential(
            nn.Conv2d(3, width, patch, patch), nn.GELU(), nn.Conv2d(width, width, 1), nn.GELU()
        )
        self.where = nn.Linear(width * (size // patch) ** 2, dim)  # keeps where in the frame something is seen

    def forward(self, frames: UInt8[Tensor, "frames height width 3"]) -> Float[Tensor, "frames dim"]:
        """Return one embedding per frame."""
        if frames.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"expected frames [frames, {self.size}, {self.size}, 3], got {tuple(frames.shape)}")
        pixels = frames.permute(0, 3, 1, 2).to(self.where.weight.dtype) / 255 - 0.5
        return self.where(self.patches(pixels).flatten(1))


class ClipEncoder(nn.Module):
    """One embedding per clip of a fixed number of frames: the mean over frames, each with its position embedding."""

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
