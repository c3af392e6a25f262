"""Rotary position embedding: attention depends on how far apart two steps are."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotate(
    x: Float[Tensor, "*batch steps dim"], places: Int[Tensor, " steps"], *, base: float = 10_000.0
) -> Float[Tensor, "*batch steps dim"]:
    """Return vectors with each pair of components k and k + dim / 2 rotated by place * base^(-2 k / dim).

    The dot product of two such vectors depends only on the difference of their places.

    Args:
        x: Queries or keys of attention; dim is even.
        places: Position of each step.
        base: Sets the longest wavelength, 2 pi base.

    Raises:
        ValueError: If dim is odd.

    Example:
        At place 0 nothing rotates; at place 3 the first pair rotates by 3 radians:

        >>> rotate(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 3]))
        tensor([[ 1.0000,  0.0000],
                [-0.9900,  0.1411]])

    Source:
        Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021, equation 34.
    """
    dim = x.shape[-1]
    if dim % 2:
        raise ValueError(f"expected vectors of an even dimension, got {dim}")
    precise = torch.promote_types(x.dtype, torch.float32)  # half precision cannot resolve large places
    waves = base ** (-torch.arange(0, dim, 2, device=x.device, dtype=precise) / dim)
    angles = places.to(precise)[:, None] * waves
    cos, sin = angles.cos(), angles.sin()
    first, second = x.to(precise).chunk(2, -1)
    return torch.cat((first * cos - second * sin, first * sin + second * cos), -1).to(x.dtype)
