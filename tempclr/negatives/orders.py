"""Drawing wrong orders: propose more than are wanted, and keep those that are wrong and different."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Generator, Tensor
from torch.nn.functional import pad

from tempclr.negatives.layout import Layout, lay_out
from tempclr.negatives.shuffles import Shuffle, permute_segments

ROWS = 16  # proposed at least
# proposed again for the sequences that still lack orders: at least, and for each that was asked for; one of as many
# orders, all equally likely, is then missed once in 10 ** 5 draws
MORE, MORE_EACH = 256, 16
APART = -7046029254386353131  # 2 ** 64 / golden ratio, odd: numbers of steps times it meet no number of captions


@dataclass(frozen=True)
class Orders:
    """Wrong orders of the sequences of a batch, all different."""

    values: Int[Tensor, "batch count steps"]  # permutations; background and padding stay in their place
    found: Bool[Tensor, "batch count"]  # False, with the true order, behind the last one that a sequence has

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

    No order gives the true sequence, and no two give the same: of captions, segment by segment, if
    only segments change places; of steps otherwise.

    Args:
        segments: The sentence that each step belongs to; a segment is a run of equal numbers. A
            negative number is background or padding, which keeps its place between the segments.
        count: How many orders, at least 1.
        shuffle: Which orders are wrong, such as `permute_segments`, or a `mixture`.
        captions: What is said of each step: exchanging segments of equal numbers makes no other order. Without
            them all segments differ.
        contents: What each step holds, as from `contents_of`: steps of equal numbers are the same. Without them
            all steps differ.
        generator: Source of randomness; the orders are made on its device.

    Returns:
        As many orders as were asked for, or as exist if fewer do; none of a sequence that is too short. Of few orders
        that the shuffle proposes equally often, one is missed with a chance below 10 ** -4; those that it proposes
        seldom, as the rare part of a mixture, are missed more often.

    Raises:
        ValueError: If `count` is not positive, or shapes differ; if there is no step, or a segment is no whole number.

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
        raise ValueError(f"expected whole numbers of at least one step, got {tuple(segments.shape)} {segments.dtype}")
    device = generator.device
    layout = lay_out(segments.to(device))
    steps = torch.arange(segments.shape[1], device=device).expand_as(segments)
    spoken = layout.of_runs(layout.run if captions is None else captions.to(device))
    shown = steps if contents is None else contents.to(device)
    factors = _factors(segments.shape[1], generator)
    drawn = _draw(shuffle, layout, spoken, shown, factors, ROWS + 2 * count, generator)
    positions, found = _chosen(drawn, count)
    few = (~found.all(1) & layout.can_move).nonzero()[:, 0]
    if len(few):
        rows = max(MORE, MORE_EACH * count)
        more = _draw(shuffle, layout[few], spoken[few], shown[few], factors, rows, generator)
        both = [torch.cat([first[few], second], 1) for first, second in zip(drawn, more, strict=True)]
        positions[few], found[few] = _chosen(both, count)
    each = steps[:, None].expand_as(positions)
    return Orders(torch.where(found[..., None], torch.empty_like(each).scatter_(2, positions, each), each), found)


def shuffled_orders(steps: int, count: int, *, generator: Generator) -> Int[Tensor, "orders {steps}"]:
    """Return wrong orders of one sequence, each of whose steps is a segment of its own.

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
        raise ValueError(f"expected at least 2 steps, got {steps}, which have no wrong order")
    return wrong_orders(torch.arange(steps, device=generator.device)[None], count, generator=generator)[0]


def contents_of(values: Shaped[Tensor, "batch steps *features"]) -> Int[Tensor, "batch steps"]:
    """Return a number for each step, equal where steps are equal in every bit, and practically nowhere else."""
    flat = values.detach().reshape(*values.shape[:2], -1).contiguous().view(torch.uint8)
    rest = -flat.shape[2] % 8
    words = (pad(flat, (0, rest)) if rest else flat).view(torch.int64)
    factors = torch.arange(1, words.shape[2] + 1, device=values.device) * APART
    return ((words ^ (words >> 29) ^ factors) * (factors | 1)).sum(2)


def _draw(
    shuffle: Shuffle, layout: Layout, spoken: Tensor, shown: Tensor, factors: Tensor, rows: int, generator: Generator
) -> list[Tensor]:
    """Proposed orders: where each step goes; two numbers of what it gives, of steps and as it counts; if it is true."""
    proposed = shuffle(layout, rows, generator)
    positions = layout.positions(proposed.slots, proposed.places)
    heard, seen = _sums(factors, proposed.slots, spoken[:, None]), _sums(factors, positions, shown[:, None])
    slot, step = (torch.arange(each.shape[1], device=each.device).expand_as(each) for each in (spoken, shown))
    true = (seen == _sums(factors, step, shown)[:, None]) | (
        proposed.moves & (heard == _sums(factors, slot, spoken)[:, None])
    )
    return [positions, seen, torch.where(proposed.inside, seen * APART, heard), true]


def _chosen(drawn: list[Tensor], count: int) -> tuple[Tensor, Tensor]:
    """Where each step goes in the first orders that are wrong and different, and how many there are of them."""
    positions, seen, told, true = drawn
    refused = true | _repeated(torch.stack((seen, told))).any(0)
    chosen = refused.byte().argsort(dim=1, stable=True)[:, :count]
    return positions.gather(1, chosen[..., None].expand(-1, -1, positions.shape[2])), ~refused.gather(1, chosen)


def _factors(steps: int, generator: Generator) -> Int[Tensor, " {steps}"]:
    """A random 64-bit number for each position."""
    return torch.randint(-(2**63), 2**63 - 1, (steps,), generator=generator, device=generator.device)


def _sums(factors: Tensor, positions: Tensor, numbers: Tensor) -> Tensor:
    """A number of a sequence: the sum, modulo 2 ** 64, of what it holds times the factor of each position.

    Equal sequences have equal numbers; that others do has a chance of about 2 ** -64, and would cost one order.
    """
    return (factors[positions] * numbers).sum(-1)


def _repeated(sums: Int[Tensor, "*batch rows"]) -> Bool[Tensor, "*batch rows"]:
    """Where an earlier row of the same sequence has the same sum."""
    ordered, index = sums.sort(stable=True)
    again = pad(ordered[..., 1:] == ordered[..., :-1], (1, 0))
    return torch.empty_like(again).scatter_(-1, index, again)
