"""Unit losses: match single units, such as each clip with its sentence, among all units.

`step_loss` is for videos whose clips are all labelled, background too: it looks at one video at a time.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, normalize

from tempclr._util.precision import as_single, in_single
from tempclr.losses.temperature import check_temperature

UnitLoss = Callable[..., Tensor]  # (x, y, groups, *, temperature, own) -> loss, as below
StepLoss = Callable[..., Tensor]  # (sentences, clips, shown, real, *, temperature) -> loss, as `step_loss`


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

    The mean over i of -log softmax_j(cos(x_i, y_j) / temperature) at j = i, plus the same
    with x and y exchanged.

    Args:
        x: Embeddings of one side, such as the sentence of each clip.
        y: Embeddings of the other, such as the clips.
        groups: Units with equal numbers mean the same (equal captions); they are no negatives of each other.
        temperature: > 0; the smaller, the more the closest negatives count.
        cosine: Whether to compare by cosine; if not, by the dot product, as published (at temperature 1).
        own: Units over which the mean runs, all of which are compared with all; 0 if there is none.

    Returns:
        The sum of both directions, in nats; 0 when each unit has no negatives.

    Raises:
        ValueError: If shapes differ, there is no unit, or the temperature is not positive.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, equation 1.
    """
    _check(x, y, temperature)
    index = torch.arange(len(x), device=x.device)
    rows = index if own is None else index[own]
    twins = None if groups is None else (groups[rows, None] == groups) & (rows[:, None] != index)
    total = x.new_zeros(())
    for one, other in ((x, y), (y, x)):
        scores = _scores(one[rows], other, cosine) / temperature
        if twins is not None:
            scores = scores.masked_fill(twins, -torch.inf)
        total = total + cross_entropy(scores, rows, reduction="sum")
    return total / max(1, len(rows))


def mil_nce(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "units dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    cosine: bool = True,
    own: Bool[Tensor, " units"] | None = None,
) -> Float[Tensor, ""]:
    """Return the MIL-NCE loss, for which it is enough that one unit of the right group matches.

    The mean over i, with P the units of its group (equal captions) and s the similarity over the temperature, of

        -log sum_{j in P} exp s(x_i, y_j) / (sum_j exp s(x_i, y_j) + sum_{j in P, k not in P} exp s(x_k, y_j))

    Args:
        x: As for `unit_loss`; the sentence of each clip.
        y: As for `unit_loss`; the clips.
        groups: Units with equal numbers are one bag. Without, every unit is a bag of its own.
        temperature: As for `unit_loss`; 1 as published.
        cosine: As for `unit_loss`; dot products as published.
        own: As for `unit_loss`.

    Returns:
        Nats; 0 when all units are one bag.

    Raises:
        ValueError: As `unit_loss`.

    Source:
        Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos",
        CVPR 2020, equation 1.
    """
    _check(x, y, temperature)
    groups = torch.arange(len(x), device=x.device) if groups is None else groups
    same = groups[:, None] == groups
    scores = _scores(x, y, cosine) / temperature
    never = torch.finfo(scores.dtype).min  # exp of it is 0, and unlike -inf it has a gradient where all are so
    right = scores.masked_fill(~same, never).logsumexp(1)
    others = scores.masked_fill(same, never).logsumexp(0)  # of each y, over the x that are not of its group
    others = others.expand_as(scores).masked_fill(~same, never).logsumexp(1)
    each = torch.logaddexp(scores.logsumexp(1), others) - right
    each = each if own is None else each[own]
    return each.sum() / max(1, len(each))


def step_loss(
    sentences: Float[Tensor, "batch n dim"],
    clips: Float[Tensor, "batch m dim"],
    shown: Bool[Tensor, "batch n m"],
    real: Bool[Tensor, "batch n m"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 1.0,
    cosine: bool = False,
) -> Float[Tensor, ""]:
    """Return the binary cross-entropy of telling for every clip which steps of its video's list it shows.

    With s the similarity over the temperature, the mean over all cells of log(1 + exp(-s)) where the clip shows
    the step and log(1 + exp(s)) where it does not.

    Args:
        sentences: The steps of each video's list.
        clips: All clips of the video, or frames; background shows no step.
        shown: Whether a clip shows a step.
        real: Cells that are no padding; all if it is not given.
        temperature: > 0; 1 as published.
        cosine: Whether to compare by cosine; if not, by the dot product, as published.

    Returns:
        Nats per cell; log 2 where nothing is known.

    Raises:
        ValueError: If shapes do not fit, no cell is real, or the temperature is not positive.

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
        raise ValueError("expected at least one cell that is no padding, got none")
    scores = _scores(sentences, clips, cosine) / temperature
    return binary_cross_entropy_with_logits(scores[real], shown[real].to(scores.dtype))


def _scores(x: Tensor, y: Tensor, cosine: bool) -> Tensor:
    """Similarities of all x with all y, at least in single precision."""
    with in_single(x.device):
        x, y = as_single(x), as_single(y)
        return normalize(x, dim=-1) @ normalize(y, dim=-1).mT if cosine else x @ y.mT


def _check(x: Tensor, y: Tensor, temperature: float | Tensor) -> None:
    """Refuse units that cannot be matched."""
    if x.shape != y.shape or x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"expected x and y [units, dim] alike with at least one unit, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    check_temperature(temperature)
