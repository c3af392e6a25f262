"""The unit loss: match single units, such as each clip with its sentence, among those of all videos."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from tempclr._util.precision import as_single, in_single
from tempclr.losses._gather import Gather, mean_over_processes, own_items
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.assignment import Assignment, evenly
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.sequences import Batch, Sequences

UnitLoss = Callable[..., Tensor]  # (x, y, groups, *, temperature, own) -> loss, as `unit_loss`


def unit_loss(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "units dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    cosine: bool = True,
    own: Bool[Tensor, " units"] | None = None,
) -> Float[Tensor, ""]:
    """Return the symmetric InfoNCE loss of matching unit i of x with unit i of y among all units.

    It is the mean over i of -log softmax_j(cos(x_i, y_j) / temperature) at j = i, plus the same with x and y exchanged.

    Args:
        x: Embeddings of one side, such as the sentence of each clip.
        y: Embeddings of the other, such as the clips.
        groups: Units with equal numbers mean the same (equal captions) and are not negatives of each other.
        temperature: > 0; the smaller it is, the more the closest negatives count.
        cosine: Whether to compare by cosine; otherwise by the dot product, as published (at temperature 1).
        own: Units over which the mean is taken, each compared with all units; 0 if there are none. By default, all.

    Returns:
        The sum of both directions, in nats; 0 if no unit has a negative.

    Raises:
        ValueError: If shapes differ, there is no unit, or the temperature is not positive.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, equation 1.
    """
    check_units(x, y, temperature)
    index = torch.arange(len(x), device=x.device)
    rows = index if own is None else index[own]
    twins = None if groups is None else (groups[rows, None] == groups) & (rows[:, None] != index)
    total = x.new_zeros(())
    for one, other in ((x, y), (y, x)):
        scores = similarities(one[rows], other, cosine) / temperature
        if twins is not None:
            scores = scores.masked_fill(twins, -torch.inf)
        total = total + cross_entropy(scores, rows, reduction="sum")
    return total / max(1, len(rows))


@dataclass(frozen=True, repr=False)
class UnitTerm:
    """The unit term of the objective: match every described clip with its sentence, among the units of all videos.

    An assignment decides which sentence an unknown clip shows; no gradient passes through it.

    Raises:
        ValueError: If the temperature is not positive.
    """

    loss: UnitLoss = unit_loss  # or `mil_nce`, or another function with this signature
    temperature: float | Temperature = 0.1  # > 0, or learnt
    assignment: Assignment = evenly  # the sentences of unknown clips; see `losses.assignment`

    def __post_init__(self) -> None:
        check_temperature(self.temperature)

    def __repr__(self) -> str:
        return stable_repr(self)

    def __call__(
        self, sentences: Sequences, clips: Sequences, batch: Batch, gather: Gather, *, progress: float | None = None
    ) -> tuple[Float[Tensor, ""], int]:
        """Return the loss of an embedded batch, and the number of videos skipped: those without a negative."""
        with torch.no_grad():
            shown = self.assignment(sentences, clips, batch, progress).mT > 0
        video, clip, sentence = shown.nonzero(as_tuple=True)
        x, y = (gather(each) for each in (sentences.values[video, sentence], clips.values[video, clip]))
        if len(x) == 0:
            return (x.sum() + y.sum()) * 0, len(batch.segments)
        groups = gather(batch.captions[video, sentence])
        own = own_items(gather, video)
        mean = self.loss(x, y, groups, temperature=current(self.temperature), own=own)
        contrasted = int(shown.any((1, 2)).sum()) if (groups != groups[0]).any() else 0
        return mean_over_processes(gather, mean * own.sum(), torch.ones_like(video)), len(batch.segments) - contrasted


def similarities(x: Tensor, y: Tensor, cosine: bool) -> Tensor:
    """Return the similarity of every x with every y, in single precision or better."""
    with in_single(x.device):
        x, y = as_single(x), as_single(y)
        return normalize(x, dim=-1) @ normalize(y, dim=-1).mT if cosine else x @ y.mT


def check_units(x: Tensor, y: Tensor, temperature: float | Tensor) -> None:
    """Raise `ValueError` unless x and y are pairs of units and the temperature is positive."""
    if x.shape != y.shape or x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"expected x and y of one shape [units, dim] with at least one unit, "
            f"got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    check_temperature(temperature)
