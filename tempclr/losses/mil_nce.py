"""MIL-NCE: a unit loss for captions that only roughly match their clips."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tempclr.losses.units import check_units, similarities


def mil_nce(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "units dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
    cosine: bool = True,
    own: Bool[Tensor, " units"] | None = None,
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

    Returns:
        Nats; 0 if all units form one bag.

    Raises:
        ValueError: As `unit_loss`.

    Source:
        Miech et al., "End-to-End Learning of Visual Representations from Uncurated Instructional Videos",
        CVPR 2020, equation 1.
    """
    check_units(x, y, temperature)
    groups = torch.arange(len(x), device=x.device) if groups is None else groups
    same = groups[:, None] == groups
    scores = similarities(x, y, cosine) / temperature
    never = torch.finfo(scores.dtype).min  # its exp is 0; unlike -inf, a row of nothing else has no NaN gradient
    right = scores.masked_fill(~same, never).logsumexp(1)
    others = scores.masked_fill(same, never).logsumexp(0)  # per y, over every x of another group
    others = others.expand_as(scores).masked_fill(~same, never).logsumexp(1)
    each = torch.logaddexp(scores.logsumexp(1), others) - right
    each = each if own is None else each[own]
    return each.sum() / max(1, len(each))
