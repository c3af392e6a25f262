"""Sequences of different lengths in one tensor.

A sequence is a list of steps in order: the sentences of a paragraph, the clips of a video.
Steps lie on one axis, called `n` for sequence x and `m` for sequence y. Shorter sequences are
padded at the end, and `lengths` says how many steps are real.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

BACKGROUND, UNKNOWN = -1, -2  # of a clip: it shows no sentence; which sentence it shows, if any, is not known


@dataclass(frozen=True)
class Sequences:
    """Sequences, padded at the end to the length of the longest."""

    values: Shaped[Tensor, "batch steps *features"]
    lengths: Int[Tensor, " batch"]  # true steps, 1 to `steps`

    def __post_init__(self) -> None:
        check_lengths(self.lengths, self.values.shape[1])

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Shaped[Tensor, "length *features"]:
        """Return one sequence without its padding."""
        return self.values[index, : int(self.lengths[index])]

    @property
    def mask(self) -> Bool[Tensor, "batch steps"]:
        """True where a step is real."""
        return step_mask(self.lengths, self.values.shape[1])

    def to(self, device: torch.device | str) -> "Sequences":
        """Return the same sequences on another device."""
        return Sequences(self.values.to(device), self.lengths.to(device))


@dataclass(frozen=True)
class Pair:
    """A video and its paragraph: two sequences, and what is known of the sentence that each clip shows."""

    name: str
    sentences: Shaped[Tensor, "n *text_features"]
    clips: Shaped[Tensor, "m *clip_features"]
    segments: Int[Tensor, " m"]  # the sentence that each clip shows, 0 to n - 1; or BACKGROUND, or UNKNOWN
    captions: tuple[str, ...]  # the n sentences as text

    def __post_init__(self) -> None:
        n, m = len(self.sentences), len(self.clips)
        if n == 0 or m == 0:
            raise ValueError(f"expected at least one sentence and one clip in {self.name}, got {n} and {m}")
        if len(self.captions) != n:
            raise ValueError(f"expected {n} captions in {self.name}, got {len(self.captions)}")
        if len(self.segments) != m or not set(self.segments.tolist()) <= {UNKNOWN, BACKGROUND, *range(n)}:
            raise ValueError(
                f"expected a segment from 0 to {n - 1}, {BACKGROUND} (background) or {UNKNOWN} (unknown) for each of "
                f"the {m} clips of {self.name}, got {self.segments.tolist()}"
            )
        known = self.segments[self.segments >= 0]
        if (self.segments == UNKNOWN).any() and (known.diff() < 0).any():
            raise ValueError(
                f"expected known segments in the order of the sentences of {self.name}, since other clips are "
                f"unknown, got {self.segments.tolist()}"
            )
        for what, values in (("sentences", self.sentences), ("clips", self.clips)):
            if values.is_floating_point() and not values.isfinite().all():
                raise ValueError(f"expected finite features, got NaN or infinity in the {what} of {self.name}")


@dataclass(frozen=True)
class Batch:
    """Several pairs, padded."""

    sentences: Sequences
    clips: Sequences
    segments: Int[Tensor, "batch m"]  # as in `Pair`; padding is BACKGROUND
    captions: Int[Tensor, "batch n"]  # equal numbers mean equal texts; -1 is padding

    def to(self, device: torch.device | str) -> "Batch":
        """Return the same batch on another device."""
        sentences, clips = self.sentences.to(device), self.clips.to(device)
        return Batch(sentences, clips, self.segments.to(device), self.captions.to(device))


def collate(pairs: Sequence[Pair], numbers: Mapping[str, int] | None = None) -> Batch:
    """Return pairs as one padded batch.

    Args:
        pairs: At least one.
        numbers: A number for each caption, so that batches can be compared with each other; by default
            those of `caption_numbers(pairs)`.

    Raises:
        ValueError: If there is no pair, or their features differ in shape.
    """
    pairs = list(pairs)  # read once, since they may come from files
    numbers = caption_numbers(pairs) if numbers is None else numbers
    captions = [torch.tensor([numbers[text] for text in pair.captions]) for pair in pairs]
    return Batch(
        pad([pair.sentences for pair in pairs]),
        pad([pair.clips for pair in pairs]),
        torch.nn.utils.rnn.pad_sequence([pair.segments for pair in pairs], True, BACKGROUND),
        torch.nn.utils.rnn.pad_sequence(captions, True, -1),
    )


def caption_numbers(pairs: Sequence[Pair]) -> dict[str, int]:
    """Return a number for each different caption, from 0 in the order in which they first appear."""
    numbers: dict[str, int] = {}
    for pair in pairs:
        for text in pair.captions:
            numbers.setdefault(text, len(numbers))
    return numbers


def pad(sequences: Sequence[Tensor]) -> Sequences:
    """Return sequences of different lengths as one padded tensor.

    Args:
        sequences: At least one, each with at least one step on its first axis. Their other
            axes agree.

    Raises:
        ValueError: If there is no sequence, one is empty, or their steps differ in shape.

    Example:
        >>> pad([torch.tensor([1, 2, 3]), torch.tensor([4])]).values
        tensor([[1, 2, 3],
                [4, 0, 0]])
    """
    if not sequences:
        raise ValueError("expected at least one sequence, got none")
    for index, sequence in enumerate(sequences):
        if sequence.ndim == 0 or len(sequence) == 0:
            raise ValueError(f"expected at least one step in every sequence, got none in number {index}")
        if sequence.shape[1:] != sequences[0].shape[1:]:
            raise ValueError(
                f"expected steps of the same shape, got {tuple(sequences[0].shape[1:])} in sequence 0 "
                f"and {tuple(sequence.shape[1:])} in sequence {index}"
            )
    lengths = torch.tensor([len(sequence) for sequence in sequences], device=sequences[0].device)
    return Sequences(torch.nn.utils.rnn.pad_sequence(list(sequences), batch_first=True), lengths)


def step_mask(lengths: Int[Tensor, "*batch"], steps: int) -> Bool[Tensor, "*batch {steps}"]:
    """Return True for real steps and False for padding.

    Example:
        >>> step_mask(torch.tensor([1, 3]), 3)
        tensor([[ True, False, False],
                [ True,  True,  True]])
    """
    return torch.arange(steps, device=lengths.device) < lengths[..., None]


def pair_mask(lengths: Int[Tensor, "*batch 2"], n: int, m: int) -> Bool[Tensor, "*batch {n} {m}"]:
    """Return True for the cells of a pair's cost matrix at which both steps are real."""
    return step_mask(lengths[..., 0], n)[..., :, None] & step_mask(lengths[..., 1], m)[..., None, :]


def check_lengths(lengths: Tensor, steps: int, name: str = "lengths") -> None:
    """Raise `ValueError` unless lengths are integers from 1 to `steps`."""
    if lengths.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8, torch.int8):
        raise ValueError(f"expected {name} of an integer type, got {lengths.dtype}")
    if lengths.is_meta or lengths.numel() == 0:
        return
    least, most = (int(value) for value in lengths.aminmax())
    if least < 1 or most > steps:
        raise ValueError(f"expected {name} from 1 to {steps}, got {least} to {most}")
