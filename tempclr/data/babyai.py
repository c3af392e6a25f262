"""Procedures in a simulated room: video seen by an agent, a sentence per step, exact step bounds.

The BabyAI bot of the minigrid package carries out instructions such as "go to the green key",
one after the other; the frames are what the agent sees. Nothing is downloaded. How hard
the data are is set by the number of procedures, the steps of each, the jitter of step bounds,
steps that are executed but not described (background), and by galleries that hold the same
steps in other orders.

Source:
    Chevalier-Boisvert et al., "BabyAI", ICLR 2019; Chevalier-Boisvert et al., "Minigrid &
    Miniworld", NeurIPS 2023 (Apache-2.0).
"""

import contextlib
import io
import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Shaped, UInt8
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr._util.files import cached
from tempclr._util.optional import import_optional, version
from tempclr.sequences import Pair

VERSION = 1  # of what this file renders; part of the cache's key
FIRST_SEED = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
MOST_ACTIONS = 100  # per step; the bot needs about 6


@dataclass(frozen=True)
class Procedure:
    """One video of steps carried out in a row."""

    name: str  # split, room, and which order of its steps, as "test-17/0"
    frames: UInt8[np.ndarray, "frames height width 3"]
    instructions: tuple[str, ...]  # what was done
    bounds: tuple[tuple[int, int], ...]  # first frame of each, and the frame after its last
    described: tuple[bool, ...]  # False where an instruction is background


def check_procedures(rooms: int, *, steps: int, hidden: int, orders: int) -> None:
    """Raise `ValueError` unless there are procedures such as these; see `procedures`."""
    if rooms < 1 or steps < 1 or hidden < 0 or steps + hidden > 6:
        raise ValueError(f"expected rooms, steps >= 1 and steps + hidden <= 6, got {rooms}, {steps} and {hidden}")
    total = math.factorial(steps)
    if not 1 <= orders <= total:
        raise ValueError(f"expected 1 to {total} orders of {steps} steps, got {orders}")


def procedures(split: str, rooms: int, *, steps: int = 5, hidden: int = 0, orders: int = 1) -> list[Procedure]:
    """Return rendered procedures, from the cache when they were rendered before.

    Args:
        split: "train", "validation" or "test"; their rooms never coincide.
        rooms: How many different rooms, at least 1.
        steps: Described steps per procedure, 1 to 6. Rooms with fewer kinds of objects are passed over.
        hidden: Steps per procedure that are executed but not described, at random places;
            `steps + hidden` is at most 6.
        orders: How often the same steps are carried out in each room, in different orders.

    Returns:
        `rooms * orders` procedures, those of one room next to each other.

    Raises:
        ValueError: If an argument is out of range, or the `demo` extra is not installed.
    """
    if split not in FIRST_SEED:
        raise ValueError(f"expected split to be one of {', '.join(FIRST_SEED)}, got {split!r}")
    check_procedures(rooms, steps=steps, hidden=hidden, orders=orders)
    key = {
        "version": VERSION,
        "minigrid": version("minigrid", "demo"),
        "split": split,
        "rooms": rooms,
        "steps": steps,
        "hidden": hidden,
        "orders": orders,
    }
    arrays = cached("babyai", key, lambda: as_arrays(_render(split, rooms, steps, hidden, orders)))
    return from_arrays(arrays)


def pairs(
    videos: Sequence[Procedure],
    embed: Callable[[Sequence[str]], Shaped[Tensor, "texts features"]],
    *,
    clips_per_step: int = 2,
    frames_per_clip: int = 2,
    jitter: int = 0,
    background: bool = False,
    generator: Generator,
) -> list[Pair]:
    """Return procedures as pairs: clips of frames, and embedded sentences.

    Args:
        videos: From `procedures`.
        embed: Sentences to features.
        clips_per_step: Clips that each step is cut into, of equal duration.
        frames_per_clip: Frames taken evenly from each clip; short clips repeat frames.
        jitter: Most frames by which each bound of a step is moved, as annotators would.
        background: Whether clips of hidden steps are kept (as segment -1) or removed.
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
        clips, segments, captions = [], [], []
        for text, bounds, described in zip(video.instructions, video.bounds, video.described, strict=True):
            if not described and not background:
                continue
            start, stop = _jittered(bounds, len(video.frames), jitter, generator)
            picks = np.linspace(start, stop, clips_per_step * frames_per_clip, endpoint=False) + 0.5 * (
                (stop - start) / (clips_per_step * frames_per_clip)
            )
            clips.append(
                video.frames[picks.astype(int)].reshape(clips_per_step, frames_per_clip, *video.frames.shape[1:])
            )
            segments += [len(captions) if described else -1] * clips_per_step
            captions += [text] if described else []
        result.append(
            Pair(
                video.name,
                torch.stack([features[text] for text in captions]),
                torch.from_numpy(np.concatenate(clips)),
                torch.tensor(segments),
                tuple(captions),
            )
        )
    return result


def _jittered(bounds: tuple[int, int], frames: int, jitter: int, generator: Generator) -> tuple[int, int]:
    """Bounds moved by up to `jitter` frames each, inside the video and not empty."""
    start, stop = (bound + int(torch.randint(-jitter, jitter + 1, (), generator=generator)) for bound in bounds)
    start = min(max(start, 0), frames - 1)
    return start, min(max(stop, start + 1), frames)


def _render(split: str, rooms: int, steps: int, hidden: int, orders: int) -> list[Procedure]:
    """Procedures of the first `rooms` seeds of the split that have enough different objects."""
    found: list[Procedure] = []
    with tqdm(total=rooms, desc=f"rendering {split} procedures", unit="room") as bar:
        for seed in itertools.count(FIRST_SEED[split]):
            room = list(_room(f"{split}-{len(found) // orders}", seed, steps, hidden, orders))
            if len(room) == orders:
                found += room
                bar.update()
            if len(found) == rooms * orders:
                return found
    raise AssertionError("unreachable")


def _room(name: str, seed: int, steps: int, hidden: int, orders: int) -> Iterator[Procedure]:
    """The same steps in one room, in different orders; nothing where objects are too few or the bot fails."""
    generator = np.random.default_rng(seed)
    things = objects(seed)
    if len(things) < steps + hidden:
        return
    chosen = [things[index] for index in generator.permutation(len(things))[: steps + hidden]]
    slots = np.sort(generator.permutation(steps + hidden)[:hidden])  # places of the hidden steps
    for number, order in enumerate(_orders(steps, orders, generator)):
        described = [index not in slots for index in range(steps + hidden)]
        plan = iter([chosen[index] for index in order])
        unseen = iter(chosen[steps:])
        targets = [next(plan) if seen else next(unseen) for seen in described]
        performed = perform(seed, targets)
        if performed is None:
            return
        frames, bounds = performed
        texts = tuple(map(sentence, targets))
        yield Procedure(f"{name}/{number}", frames, texts, tuple(bounds), tuple(described))


def _orders(steps: int, count: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """The order as drawn first, then different ones."""
    chosen = [tuple(range(steps))]
    while len(chosen) < count:
        order = tuple(int(index) for index in generator.permutation(steps))
        if order not in chosen:
            chosen.append(order)
    return chosen


def _environment(seed: int):
    """A room, reset; the simulator's own messages are swallowed."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # rendering needs no screen
    gymnasium = import_optional("gymnasium", "demo")
    wrappers = import_optional("minigrid.wrappers", "demo")
    room = wrappers.RGBImgPartialObsWrapper(gymnasium.make("BabyAI-GoToLocal-v0"), tile_size=8)
    with contextlib.redirect_stdout(io.StringIO()):
        room.reset(seed=seed)
    return room


def objects(seed: int) -> list[tuple[str, str]]:
    """Return kind and colour of the things in a room that are there once, so that a sentence names exactly one."""
    grid = _environment(seed).unwrapped.grid.grid
    things = [(thing.type, thing.color) for thing in grid if thing is not None and thing.type in ("ball", "key", "box")]
    return sorted(thing for thing in set(things) if things.count(thing) == 1)


def sentence(target: tuple[str, str]) -> str:
    """Return what is said of going to a target."""
    kind, colour = target
    return f"go to the {colour} {kind}"


def perform(seed: int, targets: list[tuple[str, str]]) -> tuple[np.ndarray, list[tuple[int, int]]] | None:
    """Return frames and bounds of the bot going to each target in turn; None where it does not get there."""
    verifier = import_optional("minigrid.envs.babyai.core.verifier", "demo")
    bots = import_optional("minigrid.utils.baby_ai_bot", "demo")
    environment = _environment(seed)
    world = environment.unwrapped
    frames: list[np.ndarray] = []
    bounds = []
    for kind, colour in targets:
        start = len(frames)
        world.instrs = verifier.GoToInstr(verifier.ObjDesc(kind, colour))
        world.instrs.reset_verifier(world)
        world.max_steps = MOST_ACTIONS * (len(targets) + 1)
        bot, action, done = bots.BabyAIBot(environment), None, False
        while not done:
            if len(frames) - start == MOST_ACTIONS:
                return None
            try:
                action = bot.replan(action)
            except AssertionError:  # the bot's own way of saying that it is stuck
                return None
            observation, _, done, _, _ = environment.step(action)
            frames.append(observation["image"])
        bounds.append((start, len(frames)))
    return np.stack(frames), bounds


def as_arrays(videos: list[Procedure]) -> dict[str, np.ndarray]:
    """Return procedures as plain arrays, for the cache."""
    return {
        "names": np.array([video.name for video in videos]),
        "frames": np.concatenate([video.frames for video in videos]),
        "durations": np.array([len(video.frames) for video in videos]),
        "instructions": np.array([video.instructions for video in videos]),
        "bounds": np.array([video.bounds for video in videos]),
        "described": np.array([video.described for video in videos]),
    }


def from_arrays(arrays: dict[str, np.ndarray]) -> list[Procedure]:
    """Return procedures from what `as_arrays` made of them."""
    frames = np.split(arrays["frames"], np.cumsum(arrays["durations"])[:-1])
    return [
        Procedure(
            str(arrays["names"][index]),
            frames[index],
            tuple(str(text) for text in arrays["instructions"][index]),
            tuple((int(start), int(stop)) for start, stop in arrays["bounds"][index]),
            tuple(bool(seen) for seen in arrays["described"][index]),
        )
        for index in range(len(frames))
    ]
