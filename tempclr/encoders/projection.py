"""From frozen features, of video or of text, to the shared space."""

from jaxtyping import Float
from torch import Tensor, nn


class Projection(nn.Module):
    """A linear map of frozen features, such as sentence embeddings, to the shared space."""

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


class MLP(nn.Module):
    """The paper's projection of video features: linear, GELU, LayerNorm, linear.

    The submodules are named as in the published checkpoints.

    Args:
        features: Width of the input; 512 for S3D.
        dim: Width of the output.
        hidden: Width of the hidden layer; None is `dim`, as published.
        dropout: Share of the hidden layer that is left out in training; 0 as published.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, section 3.2.
    """

    def __init__(self, features: int, dim: int, *, hidden: int | None = None, dropout: float = 0.0) -> None:
        super().__init__()
        hidden = dim if hidden is None else hidden
        self.features = features
        self.linear1 = nn.Linear(features, hidden)
        self.activation = nn.GELU()
        self.LayerNorm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(hidden, dim)

    def forward(self, steps: Float[Tensor, "*steps features"]) -> Float[Tensor, "*steps dim"]:
        """Return one embedding per step."""
        if steps.shape[-1] != self.features:
            raise ValueError(f"expected features [..., {self.features}], got {tuple(steps.shape)}")
        return self.linear2(self.dropout(self.LayerNorm(self.activation(self.linear1(steps)))))
