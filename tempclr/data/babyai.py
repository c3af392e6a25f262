"""Simulated rooms as a data source: videos seen by an agent, one sentence per step, exact bounds of steps.

How hard the data are depends on the number of rooms, the steps of each video, the jitter of their bounds, the steps
that are carried out but not described, and the number of videos that show the same steps in other orders.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Generator

from tempclr.data.simulator import Procedure, procedures
from tempclr.data.source import Embed
from tempclr.sequences import Pair


@dataclass(frozen=True)
class Rooms:
    """Procedures in simulated rooms; the parameters are those of `procedures` and `procedure_pairs`."""

    train_rooms: int
    validation_rooms: int
    test_rooms: int
    steps_per_video: int = 5
    hidden_steps: int = 0
    orders_per_room: int = 4  # of validation and test; a training room has one video
    clips_per_step: int = 2
    frames_per_clip: int = 2
    jitter: int = 1
    background: bool = False
    seed: int = 0  # of the jitter

    def procedures(self, split: str) -> list[Procedure]:
        """Return the rendered procedures of a split."""
        rooms = {"train": self.train_rooms, "validation": self.validation_rooms, "test": self.test_rooms}
        return procedures(
            split,
            rooms.get(split, 0),
            steps_per_video=self.steps_per_video,
            hidden_steps=self.hidden_steps,
            orders_per_room=1 if split == "train" else self.orders_per_room,
        )

    def pairs(self, split: str, embed: Embed) -> list[Pair]:
        """Return the procedures of a split as pairs, those of one room next to each other."""
        return procedure_pairs(
            self.procedures(split),
            embed,
            clips_per_step=self.clips_per_step,
            frames_per_clip=self.frames_per_clip,
            jitter=self.jitter,
            background=self.background,
            generator=torch.Generator().manual_seed(self.seed),
        )


def procedure_pairs(
    videos: Sequence[Procedure],
    embed: Embed,
    *,
    clips_per_step: int = 2,
    frames_per_clip: int = 2,
    jitter: int = 0,
    background: bool = False,
    generator: Generator,
) -> list[Pair]:
    """Return procedures as pairs of embedded sentences and clips of frames.

    Args:
        videos: From `procedures`.
        embed: Sentences to features.
        clips_per_step: Clips of equal duration into which each step is cut.
        frames_per_clip: Frames taken evenly from each clip; short clips repeat frames.
        jitter: Largest number of frames by which a bound of a step is moved, as between annotators.
        background: Whether clips of hidden steps are kept (with segment -1) or dropped.
        generator: Source of the jitter.

    Raises:
        ValueError: If a count is not positive or the jitter is negative.
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
        clips, segments = [], []
        captions: list[str] = []
        for text, bounds, described in zip(video.instructions, video.bounds, video.described, strict=True):
            if not described and not background:
                continue
            start, stop = _jittered(bounds, len(video.frames), jitter, generator)
            clips.append(_clips(video.frames, start, stop, clips_per_step, frames_per_clip))
            segments += [len(captions) if described else -1] * clips_per_step
            captions += [text] if described else []
        sentences = torch.stack([features[text] for text in captions])
        pixels = torch.from_numpy(np.concatenate(clips))
        result.append(Pair(video.name, sentences, pixels, torch.tensor(segments), tuple(captions)))
    return result


def _clips(
    frames: UInt8[np.ndarray, "frames height width 3"], start: int, stop: int, count: int, frames_per_clip: int
) -> UInt8[np.ndarray, "count frames_per_clip height width 3"]:
    """Clips of one step, of frames taken evenly from its duration."""
    wanted = count * frames_per_clip
    picks = np.linspace(start, stop, wanted, endpoint=False) + 0.5 * ((stop - start) / wanted)
    return frames[picks.astype(int)].reshape(count, frames_per_clip, *frames.shape[1:])


def _jittered(bounds: tuple[int, int], frames: int, jitter: int, generator: Generator) -> tuple[int, int]:
    """Bounds, each moved by up to `jitter` frames; they stay inside the video and apart."""
    start, stop = (bound + int(torch.randint(-jitter, jitter + 1, (), generator=generator)) for bound in bounds)
    start = min(max(start, 0), frames - 1)
    return start, min(max(stop, start + 1), frames)
