"""The objective: match units with units, and whole sequences with sequences in the right order."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from tempclr.alignment import soft_dtw
from tempclr.costs import cosine_cost
from tempclr.encoders import encode
from tempclr.negatives import segment_orders
from tempclr.sequences import Batch, Sequences

Shuffle = Callable[..., Tensor]  # (segments, count, *, generator) -> orders [count, clips]


def unit_loss(
    x: Float[Tensor, "units dim"],
    y: Float[Tensor, "units dim"],
    groups: Int[Tensor, " units"] | None = None,
    *,
    temperature: float = 0.1,
) -> Float[Tensor, ""]:
    """Return the symmetric InfoNCE loss of matching unit i of x with unit i of y among all units.

    The mean over i of -log softmax_j(cos(x_i, y_j) / temperature) at j = i, plus the same
    with x and y exchanged.

    Args:
        x: Embeddings of one side, such as the sentence of each clip.
        y: Embeddings of the other, such as the clips.
        groups: Units with equal numbers mean the same (equal captions); they are no negatives of each other.
        temperature: > 0; the smaller, the more the closest negatives count.

    Returns:
        The sum of both directions, in nats; 0 when each unit has no negatives.

    Raises:
        ValueError: If shapes differ, there is no unit, or the temperature is not positive.

    Source:
        Xu et al., "VideoCLIP", EMNLP 2021, equation 1, on cosine similarities.
    """
    if x.shape != y.shape or x.ndim != 2 or len(x) == 0:
        raise ValueError(
            f"expected x and y [units, dim] alike with at least one unit, got {tuple(x.shape)} and {tuple(y.shape)}"
        )
    _check_temperature(temperature)
    scores = normalize(x, dim=-1) @ normalize(y, dim=-1).T / temperature
    if groups is not None:
        twins = (groups[:, None] == groups) & ~torch.eye(len(x), dtype=torch.bool, device=x.device)
        scores = scores.masked_fill(twins, -torch.inf)
    target = torch.arange(len(x), device=x.device)
    return cross_entropy(scores, target) + cross_entropy(scores.T, target)


def order_loss(
    anchor: Float[Tensor, "batch n dim"],
    positive: Float[Tensor, "batch m dim"],
    orders: Int[Tensor, "*rows m"],
    *,
    lengths: Int[Tensor, "batch 2"] | None = None,
    gamma: float = 0.1,
    temperature: float = 1.0,
) -> Float[Tensor, ""]:
    """Return the InfoNCE loss of telling a sequence in its true order from shuffled ones.

    With d the soft-DTW cost over cosine costs, the mean over the batch of

        -log exp(-d(anchor, positive) / temperature) / sum_o exp(-d(anchor, positive[o]) / temperature)

    where o runs over the true order and the wrong ones.

    Args:
        anchor: Embeddings of the sequence that is kept in order.
        positive: Embeddings of its aligned partner.
        orders: [count, m] for the whole batch, or [batch, count, m]: wrong orders, each a
            permutation of the steps of the positive. Padding must stay in its place.
        lengths: True steps of anchor and positive.
        gamma: Smoothing of soft-DTW, > 0, in the unit of the cosine cost.
        temperature: > 0, in the unit of the summed cost.

    Returns:
        Nats; log(1 + count) when order makes no difference.

    Raises:
        ValueError: If an order is not a permutation, moves padding, or a shape or range is off.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2.
    """
    _check_temperature(temperature)
    orders = _checked_orders(orders, positive, lengths)
    count = orders.shape[1]
    true = torch.arange(positive.shape[1], device=orders.device).expand(len(orders), 1, -1)
    orders = torch.cat((true, orders), 1)
    cost = cosine_cost(anchor, positive)[:, None].expand(-1, 1 + count, -1, -1)
    shuffled = cost.gather(3, orders[:, :, None, :].expand(-1, -1, cost.shape[2], -1))
    each = None if lengths is None else lengths[:, None].expand(-1, 1 + count, -1)
    distance = soft_dtw(shuffled, each, gamma=gamma)
    return cross_entropy(-distance / temperature, torch.zeros(len(orders), dtype=torch.int64, device=orders.device))


@dataclass(frozen=True)
class Losses:
    """What one batch costs."""

    total: Float[Tensor, ""]
    unit: Float[Tensor, ""]
    order: Float[Tensor, ""]
    skipped: int  # videos of the batch that are too short for a wrong order


class TempCLR(nn.Module):
    """Two encoders and the loss that trains them: (1 - weight) * unit loss + weight * order loss.

    The unit loss matches every described clip with its sentence; the order loss matches the
    sentences with the clips as sequences. A video without a wrong order (fewer than two
    segments) takes part in the first only, and is counted.

    Args:
        text: Encoder of sentences, step by step.
        video: Encoder of clips, step by step, to the same dimension.
        weight: Share of the order loss, 0 to 1. At 0 it is not computed.
        negatives: Wrong orders per video and step of training.
        shuffle: Where wrong orders come from: `negatives.segment_orders`, `negatives.clip_orders`, ...
        gamma: Smoothing of soft-DTW, > 0.
        temperature: Of the order loss, > 0.
        unit_temperature: Of the unit loss, > 0.

    Raises:
        ValueError: If an argument is out of range or an encoder looks across steps, whose
            sequences would have to be shuffled before they are encoded.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3; the published weight is 0.7 with 31 negatives.
    """

    def __init__(
        self,
        text: nn.Module,
        video: nn.Module,
        *,
        weight: float = 0.7,
        negatives: int = 31,
        shuffle: Shuffle = segment_orders,
        gamma: float = 0.1,
        temperature: float = 1.0,
        unit_temperature: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= weight <= 1:
            raise ValueError(f"expected a weight from 0 to 1, got {weight}")
        if negatives < 1:
            raise ValueError(f"expected at least 1 negative, got {negatives}")
        if gamma <= 0:
            raise ValueError(f"expected a gamma > 0, got {gamma}")
        _check_temperature(temperature)
        _check_temperature(unit_temperature)
        for encoder in (text, video):
            if getattr(encoder, "contextual", False):
                raise ValueError(
                    f"expected encoders of single steps, got {type(encoder).__name__}, which looks across them"
                )
        self.text, self.video = text, video
        self.weight, self.negatives, self.shuffle = weight, negatives, shuffle
        self.gamma, self.temperature, self.unit_temperature = gamma, temperature, unit_temperature

    def forward(self, batch: Batch, *, generator: Generator) -> Losses:
        """Return the losses of a batch; wrong orders are drawn from the generator."""
        sentences, clips = encode(self.text, batch.sentences), encode(self.video, batch.clips)
        unit = self._unit_loss(sentences, clips, batch)
        order, skipped = unit.new_zeros(()), 0
        if self.weight > 0:
            order, skipped = self._order_loss(sentences, clips, batch, generator)
        return Losses((1 - self.weight) * unit + self.weight * order, unit, order, skipped)

    def _unit_loss(self, sentences: Sequences, clips: Sequences, batch: Batch) -> Tensor:
        """Every described clip against the sentences of all."""
        video, clip = (batch.segments >= 0).nonzero(as_tuple=True)
        sentence = batch.segments[video, clip]
        return unit_loss(
            sentences.values[video, sentence],
            clips.values[video, clip],
            batch.captions[video, sentence],
            temperature=self.unit_temperature,
        )

    def _order_loss(
        self, sentences: Sequences, clips: Sequences, batch: Batch, generator: Generator
    ) -> tuple[Tensor, int]:
        """True against shuffled order of the clips, and how many videos have no wrong one."""
        steps = clips.values.shape[1]
        orders, kept = [], []
        for index, length in enumerate(clips.lengths.tolist()):
            try:
                order = self.shuffle(batch.segments[index, :length], self.negatives, generator=generator)
            except ValueError:  # too short for a wrong order
                continue
            padding = torch.arange(length, steps, device=order.device).expand(len(order), -1)
            orders.append(torch.cat((order, padding), 1))
            kept.append(index)
        skipped = len(clips) - len(kept)
        if not kept:
            return sentences.values.new_zeros(()), skipped
        loss = order_loss(
            sentences.values[kept],
            clips.values[kept],
            torch.stack(orders).to(clips.values.device),
            lengths=torch.stack((sentences.lengths, clips.lengths), 1)[kept],
            gamma=self.gamma,
            temperature=self.temperature,
        )
        return loss, skipped


def _checked_orders(orders: Tensor, positive: Tensor, lengths: Tensor | None) -> Tensor:
    """Orders as [batch, count, m], refused unless each permutes the true steps and leaves padding in place."""
    batch, m = positive.shape[:2]
    if orders.ndim == 2:
        orders = orders.expand(batch, -1, -1)
    if orders.ndim != 3 or orders.shape[0] != batch or orders.shape[1] == 0 or orders.shape[2] != m:
        raise ValueError(f"expected orders [count, {m}] or [{batch}, count, {m}], got {tuple(orders.shape)}")
    if orders.is_meta:
        return orders
    steps = torch.arange(m, device=orders.device)
    if not torch.equal(orders.sort(-1).values, steps.expand_as(orders)):
        raise ValueError(f"expected every order to be a permutation of 0 to {m - 1}")
    if lengths is not None and not ((orders == steps) | (steps < lengths[:, 1, None, None])).all():
        raise ValueError("expected orders to leave padding in its place, got one that moves it")
    return orders


def _check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive."""
    if not temperature > 0:
        raise ValueError(f"expected a temperature > 0, got {temperature}")
