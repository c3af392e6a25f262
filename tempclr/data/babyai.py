"""Simulated rooms as a data source: videos seen by an agent, one sentence per step, bounds of steps known or not.

How hard the data are depends on the number of rooms, the steps of each video, what is known of their bounds, the steps
that are carried out but not described, and the number of videos that show the same steps in other orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Generator, Tensor

from tempclr.data.ranges import Bounds, Observation, check_bounds
from tempclr.data.simulator import VIEW, Procedure, draw, procedures
from tempclr.data.source import Embed
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair

KINDS, COLOURS = 11, 6  # of what a cell may hold
_WALL, _FIRST_OBJECT, _GREY = 2, 4, 5  # kinds from `_FIRST_OBJECT` on come in several colours; walls are grey


@dataclass(frozen=True)
class Rooms:
    """Procedures in simulated rooms; the parameters are those of `procedures` and `procedure_pairs`."""

    train_rooms: int
    validation_rooms: int
    test_rooms: int
    room_set: int = 0  # of training; validation and test rooms are always the same
    steps_per_video: int = 5
    hidden_steps: int = 0
    orders_per_room: int = 4  # of validation and test; a training room has one video
    observation: Observation = "pixels"
    bounds: Bounds = "trimmed"  # "unknown" for training videos; those of validation and test have exact bounds then
    clips_per_step: int = 2
    frames_per_clip: int = 2
    jitter: int = 1
    background: bool = False
    seed: int = 0  # of the jitter

    def procedures(self, split: str) -> list[Procedure]:
        """Return the procedures of a split."""
        rooms = {"train": self.train_rooms, "validation": self.validation_rooms, "test": self.test_rooms}
        return procedures(
            split,
            rooms.get(split, 0),
            steps_per_video=self.steps_per_video,
            hidden_steps=self.hidden_steps,
            orders_per_room=1 if split == "train" else self.orders_per_room,
            room_set=self.room_set if split == "train" else 0,
            observation=self.observation,
        )

    def pairs(self, split: str, embed: Embed) -> list[Pair]:
        """Return the procedures of a split as pairs, those of one room next to each other."""
        check_bounds(self.bounds, hidden_steps=self.hidden_steps, background=self.background)
        return procedure_pairs(
            self.procedures(split),
            embed,
            bounds="exact" if self.bounds == "unknown" and split != "train" else self.bounds,
            clips_per_step=self.clips_per_step,
            frames_per_clip=self.frames_per_clip,
            jitter=self.jitter,
            background=self.background,
            generator=torch.Generator().manual_seed(self.seed),
        )

    def pictures(self, pair: Pair) -> UInt8[np.ndarray, "clips frames 56 56 3"] | None:
        """Return the pixels of clips that are symbols."""
        return pictures(pair.clips) if self.observation == "symbols" else None


def procedure_pairs(
    videos: Sequence[Procedure],
    embed: Embed,
    *,
    bounds: Bounds = "trimmed",
    clips_per_step: int = 2,
    frames_per_clip: int = 2,
    jitter: int = 0,
    background: bool = False,
    generator: Generator,
) -> list[Pair]:
    """Return procedures as pairs of embedded sentences and clips.

    Args:
        videos: From `procedures`.
        embed: Sentences to features.
        bounds: With "trimmed", every step is cut into clips. Otherwise the whole video is: with "exact", a clip
            belongs to the step at its middle, and a short step may have no clip; with "unknown", all clips are UNKNOWN.
        clips_per_step: Clips of equal duration into which each step is cut; of a whole video, their mean.
        frames_per_clip: Frames taken evenly from each clip; short clips repeat frames.
        jitter: Largest number of frames by which a bound of a trimmed step is moved, as between annotators.
        background: Whether clips of hidden steps are kept (as BACKGROUND) or dropped.
        generator: Source of the jitter.

    Returns:
        Pairs whose clips are frames, or the symbols of their frames, encoded by `one_hot`.

    Raises:
        ValueError: If a count is not positive, the jitter is negative, or clips of hidden steps are to be dropped
            although bounds are unknown.
    """
    if clips_per_step < 1 or frames_per_clip < 1 or jitter < 0:
        raise ValueError(
            f"expected clips_per_step, frames_per_clip >= 1 and jitter >= 0, "
            f"got {clips_per_step}, {frames_per_clip} and {jitter}"
        )
    texts = sorted({text for video in videos for text in video.instructions})
    features = dict(zip(texts, embed(texts), strict=True))
    result = []
    for video in videos:
        check_bounds(bounds, hidden_steps=video.described.count(False), background=background)
        if bounds == "trimmed":
            picks, steps = _trimmed(video, clips_per_step, frames_per_clip, jitter, background, generator)
        else:
            picks, steps = _whole(video, clips_per_step, frames_per_clip)
        sentence_of = np.where(video.described, np.cumsum(video.described) - 1, BACKGROUND)
        segments = sentence_of[steps]
        if not background:
            picks, segments = picks[segments != BACKGROUND], segments[segments != BACKGROUND]
        captions = tuple(text for text, seen in zip(video.instructions, video.described, strict=True) if seen)
        result.append(
            Pair(
                video.name,
                torch.stack([features[text] for text in captions]),
                one_hot(video.frames[picks]) if video.symbols else torch.from_numpy(video.frames[picks]),
                torch.full((len(segments),), UNKNOWN) if bounds == "unknown" else torch.from_numpy(segments),
                captions,
            )
        )
    return result


def one_hot(symbols: UInt8[np.ndarray, "clips frames 7 7 3"]) -> Float[Tensor, "clips features"]:
    """Return the symbols of clips as features: the kind of each cell, and the colour of the object in it, one-hot.

    Kinds without an object (nothing, a wall, out of sight) have no colour. The state is left out: it is that of doors,
    and the rooms have none. There are 49 * 17 features per frame.
    """
    kind, colour = symbols[..., 0], symbols[..., 1]
    coloured = (kind >= _FIRST_OBJECT)[..., None]
    features = np.concatenate([np.eye(KINDS, dtype="f4")[kind], np.eye(COLOURS, dtype="f4")[colour] * coloured], -1)
    return torch.from_numpy(features.reshape(len(symbols), -1))


def pictures(clips: Float[Tensor, "clips features"]) -> UInt8[np.ndarray, "clips frames 56 56 3"]:
    """Return the pixels of clips that are given as symbols, encoded by `one_hot`."""
    cells = clips.numpy().reshape(-1, VIEW, VIEW, KINDS + COLOURS)
    kind, colour = cells[..., :KINDS].argmax(-1), cells[..., KINDS:].argmax(-1)
    colour = np.where(kind == _WALL, _GREY, colour)
    frames = draw(np.stack([kind, colour, np.zeros_like(kind)], -1).astype(np.uint8))
    return frames.reshape(len(clips), -1, *frames.shape[1:])


def _trimmed(
    video: Procedure, count: int, frames_per_clip: int, jitter: int, background: bool, generator: Generator
) -> tuple[Int[np.ndarray, "clips frames"], Int[np.ndarray, " clips"]]:
    """Numbers of the frames of clips cut from each step, and the step of each clip."""
    steps = [k for k, described in enumerate(video.described) if described or background]
    bounds = [_jittered(video.bounds[step], len(video.frames), jitter, generator) for step in steps]
    wanted = count * frames_per_clip
    picks = [
        (np.linspace(start, stop, wanted, endpoint=False) + 0.5 * ((stop - start) / wanted)).astype(int)
        for start, stop in bounds
    ]
    return np.concatenate(picks).reshape(-1, frames_per_clip), np.repeat(steps, count)


def _whole(
    video: Procedure, clips_per_step: int, frames_per_clip: int
) -> tuple[Int[np.ndarray, "clips frames"], Int[np.ndarray, " clips"]]:
    """Numbers of the frames of clips cut from the whole video, and the step at the middle of each clip."""
    count = clips_per_step * len(video.bounds)
    picks, middles = (_middles(len(video.frames), parts) for parts in (count * frames_per_clip, count))
    starts = [start for start, _ in video.bounds]
    return picks.reshape(count, -1), np.searchsorted(starts, middles, side="right") - 1


def _middles(frames: int, parts: int) -> Int[np.ndarray, " parts"]:
    """Number of the frame at the middle of each part of equal duration."""
    return (2 * np.arange(parts) + 1) * frames // (2 * parts)


def _jittered(bounds: tuple[int, int], frames: int, jitter: int, generator: Generator) -> tuple[int, int]:
    """Bounds, each moved by up to `jitter` frames; they stay inside the video and apart."""
    start, stop = (bound + int(torch.randint(-jitter, jitter + 1, (), generator=generator)) for bound in bounds)
    start = min(max(start, 0), frames - 1)
    return start, min(max(stop, start + 1), frames)
