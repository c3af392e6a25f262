"""The unit loss: match single units, such as each clip with its sentence, among those of all videos."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from tempclr._util.precision import as_single, in_single
from tempclr.losses._gather import Gather, own_items
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.assignment import Assignment, evenly
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.sequences import Batch, Sequences

_NEVER = torch.finfo(torch.float32).min  # its exp is 0; unlike -inf, a row of nothing else has no NaN gradient
UnitLoss = Callable[..., Tensor]  # (x, y, groups, *, temperature, own, weights) -> loss, as `unit_loss`


def unit_loss(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "others dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    cosine: bool = True,
    own: Bool[Tensor, " units"] | None = None,
    weights: Float[Tensor, "units others"] | None = None,
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
        weights: Where matches are uncertain: the probability that y_j shows x_i. The loss is the weighted mean over
            all pairs (i, j); a negative counts as often as it is expected to show something else. If each y_j surely
            shows one x_i, the result is that without weights, with x repeated for each of its y.

    Returns:
        The sum of both directions, in nats; 0 if no unit has a negative.

    Raises:
        ValueError: If shapes do not match, there is no unit, or the temperature is not positive.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, equation 1.
    """
    check_units(x, y, temperature, weights)
    index = torch.arange(len(x), device=x.device)
    if weights is not None:
        groups, own = index if groups is None else groups, index >= 0 if own is None else own
        return _expected(similarities(x, y, cosine) / temperature, groups, own, weights)
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
            weights = gather(self.assignment(sentences, clips, batch, progress))
        texts, shots = gather(sentences.values), gather(clips.values)
        captions = gather(batch.captions + 1) - 1  # `gather` pads with 0, captions are padded with -1
        own, shown = own_items(gather, batch.captions), weights > 0
        video, clip, sentence = shown.mT.nonzero(as_tuple=True)
        if len(video) == 0:
            return (texts[video, sentence].sum() + shots[video, clip].sum()) * 0, len(batch.segments)
        groups = captions[video, sentence]
        contrasted = int(shown[own].any((1, 2)).sum()) if (groups != groups[0]).any() else 0
        given = {"temperature": current(self.temperature)}
        if weights[shown].eq(1).all():
            mean = self.loss(texts[video, sentence], shots[video, clip], groups, own=own[video], **given)
        else:
            self._check_weighted()
            (text, sentence), (video, clip) = (shown.any(axis).nonzero(as_tuple=True) for axis in (2, 1))
            given["weights"] = weights[text[:, None], sentence[:, None], clip] * (text[:, None] == video)
            mean = self.loss(
                texts[text, sentence], shots[video, clip], captions[text, sentence], own=own[text], **given
            )
        return mean * weights[own].sum() * gather.count / weights.sum(), len(batch.segments) - contrasted

    def _check_weighted(self) -> None:
        """Refuse a loss that cannot take weights."""
        arguments = inspect.signature(self.loss).parameters
        if "weights" not in arguments and all(each.kind != each.VAR_KEYWORD for each in arguments.values()):
            raise ValueError(
                f"expected a loss with the argument weights (see unit_loss) for an assignment of shares, got "
                f"{stable_repr(self.loss)}; or give each clip one sentence, such as with a gamma of 0"
            )


def _expected(
    scores: Float[Tensor, "units others"],
    groups: Int[Tensor, " units"],
    own: Bool[Tensor, " units"],
    weights: Float[Tensor, "units others"],
) -> Float[Tensor, ""]:
    """The weighted mean of the unit loss over the pairs (i, j) of own units."""
    differ, weights = groups[:, None] != groups, weights.to(scores.dtype)
    i, j = ((weights > 0) & own[:, None]).nonzero(as_tuple=True)
    weight, matched = weights[i, j], scores[i, j]
    elsewhere = differ.to(weights.dtype) @ weights  # how far y_j shows another group than that of x_i
    from_x = (scores + log_weights(elsewhere)).logsumexp(1)[i]
    once = matched + log_weights(1 - elsewhere[i, j])  # what the pair itself lacks in `from_x`, to count once
    copies = weights.sum(1, keepdim=True) - weights  # how often x_i is expected to be shown by the other y
    from_y = (scores + log_weights(copies))[:, j].masked_fill(~differ[:, i], _NEVER).logsumexp(0)
    each = torch.logaddexp(from_x, once) + torch.logaddexp(from_y, matched) - 2 * matched
    return (weight * each).sum() / weight.sum().clamp(min=torch.finfo(weight.dtype).tiny)


def log_weights(weights: Tensor) -> Tensor:
    """Return the logarithm of weights >= 0, up to rounding, such that what weighs nothing has no part in a sum."""
    return weights.clamp(min=0).log().clamp(min=_NEVER)


def similarities(x: Tensor, y: Tensor, cosine: bool) -> Tensor:
    """Return the similarity of every x with every y, in single precision or better."""
    with in_single(x.device):
        x, y = as_single(x), as_single(y)
        return normalize(x, dim=-1) @ normalize(y, dim=-1).mT if cosine else x @ y.mT


def check_units(x: Tensor, y: Tensor, temperature: float | Tensor, weights: Tensor | None = None) -> None:
    """Raise `ValueError` unless x and y are pairs of units, or have such weights, and the temperature is positive."""
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or 0 in (len(x), len(y)):
        raise ValueError(
            f"expected x [units, dim] and y [others, dim] with at least one unit each, got {tuple(x.shape)} and "
            f"{tuple(y.shape)}"
        )
    if weights is None and len(x) != len(y):
        raise ValueError(f"expected as many units of x as of y, or weights, got {tuple(x.shape)} and {tuple(y.shape)}")
    if weights is not None:
        if weights.shape != (len(x), len(y)):
            raise ValueError(f"expected weights {(len(x), len(y))} for x and y, got {tuple(weights.shape)}")
        if not weights.is_meta and not ((weights >= 0).all() and (weights.sum(0) <= 1 + 1e-4).all()):
            raise ValueError("expected weights >= 0 that sum to at most 1 for each y")
    check_temperature(temperature)
