"""MIL-NCE: a unit loss for captions that only roughly match their clips."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tempclr.losses.units import check_units, log_weights, similarities


def mil_nce(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "others dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    cosine: bool = True,
    own: Bool[Tensor, " units"] | None = None,
    weights: Float[Tensor, "units others"] | None = None,
) -> Float[Tensor, ""]:
    """Return the MIL-NCE loss, which is low as soon as one unit of the right group matches.

    With P the group of i (equal captions) and s the similarity over the temperature, it is the mean over i of

        -log sum_{j in P} exp s(x_i, y_j) / (sum_j exp s(x_i, y_j) + sum_{j in P, k not in P} exp s(x_k, y_j))

    Args:
        x: As for `unit_loss`, such as the sentence of each clip.
        y: As for `unit_loss`, such as the clips.
        groups: Units with equal numbers form one bag. By default, every unit is a bag of its own.
        temperature: As for `unit_loss`; published: 1.
        cosine: As for `unit_loss`; published: dot products.
        own: As for `unit_loss`.
        weights: As for `unit_loss`; a y is in each bag, and each x is compared, as often as expected.

    Returns:
        Nats; 0 if all units form one bag.

    Raises:
        ValueError: As `unit_loss`.

    Source:
        Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos",
        CVPR 2020, equation 1.
    """
    check_units(x, y, temperature, weights)
    groups = torch.arange(len(x), device=x.device) if groups is None else groups
    same = groups[:, None] == groups
    scores = similarities(x, y, cosine) / temperature
    if weights is not None:
        return _expected(scores, same, torch.ones_like(same[0]) if own is None else own, weights)
    never = torch.finfo(scores.dtype).min  # its exp is 0; unlike -inf, a row of nothing else has no NaN gradient
    right = scores.masked_fill(~same, never).logsumexp(1)
    others = scores.masked_fill(same, never).logsumexp(0)  # per y, over every x of another group
    others = others.expand_as(scores).masked_fill(~same, never).logsumexp(1)
    each = torch.logaddexp(scores.logsumexp(1), others) - right
    each = each if own is None else each[own]
    return each.sum() / max(1, len(each))


def _expected(
    scores: Float[Tensor, "units others"],
    same: Bool[Tensor, "units units"],
    own: Bool[Tensor, " units"],
    weights: Float[Tensor, "units others"],
) -> Float[Tensor, ""]:
    """The weighted mean of the loss over own units."""
    weights = weights.to(scores.dtype)
    i, j = weights.nonzero(as_tuple=True)
    never = torch.finfo(scores.dtype).min
    right = (scores + log_weights(same.to(weights.dtype) @ weights)).logsumexp(1)
    every = (scores + log_weights(weights.sum(0))).logsumexp(1)
    others = (scores + log_weights(weights.sum(1, keepdim=True)))[:, j].masked_fill(same[:, i], never).logsumexp(0)
    others = (others + weights[i, j].log()).expand(len(same), -1).masked_fill(~same[:, i], never).logsumexp(1)
    count = weights.sum(1) * own
    return (count * (torch.logaddexp(every, others) - right)).sum() / count.sum().clamp(
        min=torch.finfo(count.dtype).tiny
    )
