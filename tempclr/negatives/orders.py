"""Draw wrong orders: propose more than are wanted, and keep those that are wrong and different."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Generator, Tensor
from torch.nn.functional import pad

from tempclr.negatives.layout import Layout, lay_out
from tempclr.negatives.shuffles import Shuffle, permute_segments

_ROWS = 16  # proposals per sequence, besides two for each wanted order
# proposals in the second round, for sequences that still lack orders: the minimum, and the number per wanted order. If
# just as many orders exist as are wanted, all equally likely, one of them is missed about once in 10 ** 5 draws
_MORE, _MORE_EACH = 256, 16
_APART = -7046029254386353131  # 2 ** 64 / golden ratio, odd: keeps hashes of steps apart from hashes of captions


@dataclass(frozen=True)
class Orders:
    """Wrong orders of the sequences of a batch, all different."""

    values: Int[Tensor, "batch count steps"]  # permutations; background and padding stay in their place
    found: Bool[Tensor, "batch count"]  # False, with the true order in `values`, where a sequence has fewer

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> Int[Tensor, "found steps"]:
        """Return the orders of one sequence that were found."""
        return self.values[index, self.found[index]]

    def to(self, device: torch.device | str) -> "Orders":
        """Return the same orders on another device."""
        return Orders(self.values.to(device), self.found.to(device))


def wrong_orders(
    segments: Int[Tensor, "batch steps"],
    count: int,
    shuffle: Shuffle = permute_segments,
    *,
    captions: Int[Tensor, "batch steps"] | None = None,
    contents: Int[Tensor, "batch steps"] | None = None,
    generator: Generator,
) -> Orders:
    """Return wrong orders of each sequence of a batch, drawn together on the generator's device.

    No order gives the true sequence, and no two give the same. Sequences are compared caption by caption, one per
    segment, if only segments change places; otherwise step by step.

    Args:
        segments: The sentence that each step belongs to; a segment is a run of equal numbers. `BACKGROUND`, also
            for padding, keeps its place between the segments.
        count: How many orders, at least 1.
        shuffle: Which orders are wrong, such as `permute_segments`, or a `mixture`.
        captions: A number for the caption of each step: exchanging segments with equal captions does not make
            a wrong order. By default all segments differ.
        contents: A number for the content of each step, as from `contents_of`: steps with equal numbers are the
            same. By default all steps differ.
        generator: Source of randomness; the orders are made on its device.

    Returns:
        As many orders as were asked for, or all that exist if there are fewer; none for a sequence that is too short.
        If few orders exist and the shuffle proposes them equally often, the chance of missing one is below 10 ** -4.
        Orders that it rarely proposes, such as those of the rare part of a mixture, are missed more often.

    Raises:
        ValueError: If `count` is not positive, shapes differ, there is no step, segments are not integers, or one is
            `UNKNOWN`.

    Example:
        Segments of two clips and one clip have one wrong order; a single segment has none:

        >>> orders = wrong_orders(torch.tensor([[0, 0, 1], [0, 0, -1]]), 2, generator=torch.Generator())
        >>> orders[0], orders.found
        (tensor([[2, 0, 1]]), tensor([[ True, False], [False, False]]))
    """
    if count < 1:
        raise ValueError(f"expected a count of at least 1, got {count}")
    if segments.ndim != 2 or any(each is not None and each.shape != segments.shape for each in (captions, contents)):
        raise ValueError("expected segments [batch, steps], and captions and contents of that shape")
    if 0 in segments.shape or segments.is_floating_point():
        raise ValueError(f"expected integer segments, at least one step, got {tuple(segments.shape)} {segments.dtype}")
    device = generator.device
    layout = lay_out(segments.to(device))
    steps = torch.arange(segments.shape[1], device=device).expand_as(segments)
    spoken = layout.of_runs(layout.run if captions is None else captions.to(device))
    shown = steps if contents is None else contents.to(device)
    factors = _factors(segments.shape[1], generator)
    drawn = _draw(shuffle, layout, spoken, shown, factors, _ROWS + 2 * count, generator)
    positions, found = _chosen(drawn, count)
    few = (~found.all(1) & layout.can_move).nonzero()[:, 0]
    if len(few):
        rows = max(_MORE, _MORE_EACH * count)
        more = _draw(shuffle, layout[few], spoken[few], shown[few], factors, rows, generator)
        both = [torch.cat([first[few], second], 1) for first, second in zip(drawn, more, strict=True)]
        positions[few], found[few] = _chosen(both, count)
    each = steps[:, None].expand_as(positions)
    return Orders(torch.where(found[..., None], torch.empty_like(each).scatter_(2, positions, each), each), found)


def shuffled_orders(steps: int, count: int, *, generator: Generator) -> Int[Tensor, "orders {steps}"]:
    """Return wrong orders of one sequence in which each step is a segment of its own.

    Args:
        steps: Length of the sequence, at least 2.
        count: How many orders, at least 1; fewer come back if fewer exist (there are steps! - 1).
        generator: Source of randomness; the orders are made on its device.

    Raises:
        ValueError: If the sequence is too short to have a wrong order, or `count` is not positive.

    Example:
        Two steps have one wrong order:

        >>> shuffled_orders(2, 1, generator=torch.Generator())
        tensor([[1, 0]])
    """
    if steps < 2:
        raise ValueError(f"expected at least 2 steps, got {steps}; a shorter sequence has no wrong order")
    return wrong_orders(torch.arange(steps, device=generator.device)[None], count, generator=generator)[0]


def as_orders(orders: Orders | Tensor, batch: int, steps: int, lengths: Int[Tensor, "batch 2"] | None) -> Orders:
    """Return orders for each sequence of a batch, given those of `wrong_orders` or plain permutations.

    Raises:
        ValueError: If an order is not a permutation of the steps, or moves padding.
    """
    values = orders.values if isinstance(orders, Orders) else orders
    values = values.expand(batch, -1, -1) if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[0] != batch or values.shape[1] == 0 or values.shape[2] != steps:
        raise ValueError(f"expected orders [count, {steps}] or [{batch}, count, {steps}], got {tuple(values.shape)}")
    if not values.is_meta:
        true = torch.arange(steps, device=values.device)
        if not torch.equal(values.sort(-1).values, true.expand_as(values)):
            raise ValueError(f"expected every order to be a permutation of 0 to {steps - 1}")
        if lengths is not None and not ((values == true) | (true < lengths[:, 1, None, None])).all():
            raise ValueError("expected orders that leave padding in place, got one that moves it")
    found = orders.found if isinstance(orders, Orders) else torch.ones_like(values[..., 0], dtype=torch.bool)
    return Orders(values, found)


def contents_of(values: Shaped[Tensor, "batch steps *features"]) -> Int[Tensor, "batch steps"]:
    """Return a hash of each step: equal where steps are equal in every bit, and practically nowhere else."""
    flat = values.detach().reshape(*values.shape[:2], -1).contiguous().view(torch.uint8)
    rest = -flat.shape[2] % 8
    words = (pad(flat, (0, rest)) if rest else flat).view(torch.int64)
    factors = torch.arange(1, words.shape[2] + 1, device=values.device) * _APART
    return ((words ^ (words >> 29) ^ factors) * (factors | 1)).sum(2)


def _draw(
    shuffle: Shuffle, layout: Layout, spoken: Tensor, shown: Tensor, factors: Tensor, rows: int, generator: Generator
) -> list[Tensor]:
    """Proposals: where each step goes, hashes of the steps and of what makes orders differ, and if each is true."""
    proposed = shuffle(layout, rows, generator)
    positions = layout.positions(proposed.slots, proposed.places)
    caption_hash, step_hash = (
        _hashes(factors, proposed.slots, spoken[:, None]),
        _hashes(factors, positions, shown[:, None]),
    )
    slot, step = (torch.arange(each.shape[1], device=each.device).expand_as(each) for each in (spoken, shown))
    true = (step_hash == _hashes(factors, step, shown)[:, None]) | (
        proposed.moves & (caption_hash == _hashes(factors, slot, spoken)[:, None])
    )
    return [positions, step_hash, torch.where(proposed.inside, step_hash * _APART, caption_hash), true]


def _chosen(drawn: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Where each step goes in the first orders that are wrong and different, and which of them were found."""
    positions, step_hash, hashes, true = drawn
    refused = true | _repeated(torch.stack((step_hash, hashes))).any(0)
    chosen = refused.byte().argsort(dim=1, stable=True)[:, :count]
    return positions.gather(1, chosen[..., None].expand(-1, -1, positions.shape[2])), ~refused.gather(1, chosen)


def _factors(steps: int, generator: Generator) -> Int[Tensor, " {steps}"]:
    """A random 64-bit factor for each position."""
    return torch.randint(-(2**63), 2**63 - 1, (steps,), generator=generator, device=generator.device)


def _hashes(factors: Tensor, positions: Tensor, numbers: Tensor) -> Tensor:
    """A hash of each sequence: the sum, modulo 2 ** 64, of its numbers times the factors of their positions.

    Different sequences have equal hashes with a chance of about 2 ** -64; one order would then be lost.
    """
    return (factors[positions] * numbers).sum(-1)


def _repeated(hashes: Int[Tensor, "*batch rows"]) -> Bool[Tensor, "*batch rows"]:
    """Where an earlier row of the same sequence has the same hash."""
    ordered, index = hashes.sort(stable=True)
    again = pad(ordered[..., 1:] == ordered[..., :-1], (1, 0))
    return torch.empty_like(again).scatter_(-1, index, again)
