"""What a data source is: an object that returns the pairs, or the labelled videos, of a split.

To add a source, write a dataclass with one of these methods in a file of its own here, and add its name to
`experiments.choices`. A source whose clips are not frames but can be shown has a method `pictures`, too. A field
with the name of an experiment's parameter is set to its value. `location` is what follows the name and a colon in
the parameter `data`.
"""

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped, UInt8
from torch import Tensor

from tempclr.data.labelled import Video
from tempclr.sequences import Pair

Embed = Callable[[Sequence[str]], Shaped[Tensor, "texts features"]]  # sentences -> what the text encoder takes


@runtime_checkable
class PairSource(Protocol):
    """Videos with the sentences that describe them."""

    def pairs(self, split: str, embed: Embed) -> Sequence[Pair]:
        """Return the pairs of "train", "validation" or "test".

        Args:
            split: Which videos. No video is in two splits.
            embed: Turns sentences into the features of a pair's `sentences`.

        Returns:
            Pairs with captions. Their clips are features [clips, dim], tokens [clips, tokens, dim], or frames
            [clips, frames, height, width, 3] of type uint8, which views then show. The name of a pair is that of
            its group, such as a room or a task, a slash, and its own; pairs of a group stand next to each other.
        """


@runtime_checkable
class PictureSource(PairSource, Protocol):
    """Videos whose clips can be shown although they are not frames."""

    def pictures(self, pair: Pair) -> UInt8[np.ndarray, "clips frames height width 3"] | None:
        """Return the frames of a pair's clips, to be shown, or None if they cannot be."""


@runtime_checkable
class VideoSource(Protocol):
    """Videos with a class each."""

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, each with the same number of clips. No class is in two splits."""
