"""A contextual encoder: a transformer over the steps of a sequence."""

from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from tempclr.encoders.encode import encode, is_contextual
from tempclr.encoders.rotary import rotate
from tempclr.sequences import Sequences, step_mask

Positions = Literal["rotary", "learnt", "none"]


class ContextEncoder(nn.Module):
    """A transformer over the embeddings of a sequence's steps: each step attends to all steps, but not to padding.

    The embedding of a step depends on its position, so sequences are shuffled before they are encoded.

    Args:
        step: A per-step encoder to `dim`, such as `Projection(512, dim)`.
        dim: Of the embeddings; a multiple of the heads, or of twice the heads for rotary positions.
        layers: Blocks of attention and MLP, each after a LayerNorm.
        heads: Attention heads.
        positions: "rotary" encodes how far apart steps are, "learnt" the index of each step, "none" neither.
        most: Longest sequence for learnt positions, in steps.
        dropout: Dropout rate of attention weights and of updates in training, 0 to 1.

    Raises:
        ValueError: If `dim` is not such a multiple, the positions are unknown or `step` is contextual.

    Source:
        Vaswani et al., "Attention Is All You Need", NeurIPS 2017; with LayerNorm first, as in
        Xiong et al., "On Layer Normalization in the Transformer Architecture", ICML 2020.
    """

    def __init__(
        self,
        step: nn.Module,
        dim: int,
        *,
        layers: int = 2,
        heads: int = 4,
        positions: Positions = "rotary",
        most: int = 512,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if positions not in get_args(Positions):
            raise ValueError(f"expected positions rotary, learnt or none, got {positions!r}")
        unit = 2 * heads if positions == "rotary" else heads
        if layers < 1 or heads < 1 or dim < 1 or dim % unit:
            raise ValueError(
                f"expected layers and heads >= 1 and a dim that is a multiple of {unit} for {heads} heads and "
                f"positions {positions}, got {layers} layers and dim {dim}"
            )
        if is_contextual(step):
            raise ValueError(f"expected a per-step encoder for `step`, got {type(step).__name__}")
        self.step = step
        self.dim = dim
        self.places = nn.Parameter(torch.randn(most, dim) * 0.02) if positions == "learnt" else None
        self.blocks = nn.ModuleList(Block(dim, heads, positions == "rotary", dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, values: Shaped[Tensor, "batch steps *features"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch steps dim"]:
        """Return one embedding per step of padded sequences; those at padding mean nothing."""
        return self.embed_in_context(encode(self.step, Sequences(values, lengths)).values, lengths)

    def embed_steps(self, steps: Shaped[Tensor, "steps *features"]) -> Float[Tensor, "steps features"]:
        """Return the embeddings of single steps, by `step`."""
        return self.step(steps)

    def embed_in_context(
        self, x: Float[Tensor, "batch steps features"], lengths: Int[Tensor, " batch"]
    ) -> Float[Tensor, "batch steps dim"]:
        """Return one embedding per step, given padded sequences of what `embed_steps` returned."""
        mask = step_mask(lengths, x.shape[1])
        if x.shape[-1] != self.dim:
            raise ValueError(f"expected {type(self.step).__name__} to return dim {self.dim}, got {x.shape[-1]}")
        steps = x.shape[1]
        if self.places is not None:
            if steps > len(self.places):
                raise ValueError(f"expected at most {len(self.places)} steps, got {steps}; raise `most`")
            x = x + self.places[:steps]
        places = torch.arange(steps, device=x.device)
        for block in self.blocks:
            x = block(x, mask, places)
        return self.norm(x)


class Block(nn.Module):
    """Attention among the real steps, then an MLP on each, both as residual updates."""

    def __init__(self, dim: int, heads: int, rotary: bool, dropout: float) -> None:
        super().__init__()
        self.heads, self.rotary = heads, rotary
        self.before_attention = nn.LayerNorm(dim)
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), nn.Dropout(dropout)
        )
        self.dropout = nn.Dropout(dropout)

    def extra_repr(self) -> str:
        """Return the settings that no submodule shows."""
        return f"heads={self.heads}, rotary={self.rotary}"

    def forward(
        self,
        x: Float[Tensor, "batch steps dim"],
        mask: Bool[Tensor, "batch steps"],
        places: Int[Tensor, " steps"],
    ) -> Float[Tensor, "batch steps dim"]:
        """Return the updated steps; only steps where the mask is True are attended to."""
        parts = self.query_key_value(self.before_attention(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        if self.rotary:
            query, key = rotate(query, places), rotate(key, places)
        dropped = self.dropout.p if self.training else 0.0
        seen = scaled_dot_product_attention(query, key, value, mask[:, None, None, :], dropped)
        x = x + self.dropout(self.out(seen.transpose(1, 2).flatten(2)))
        return x + self.perceptron(x)
