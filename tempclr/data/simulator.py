"""A simulated agent that carries out instructions in a room: its video, and when it followed which instruction.

The BabyAI bot of the minigrid package follows instructions such as "go to the green key" one after the other. The
frames are what the agent sees, as pixels or as symbols: what the simulator knows of each cell of the agent's view.
Symbols need no rendering, and `draw` makes the same pixels of them. Nothing is downloaded, and no torch is loaded.

Source:
    Chevalier-Boisvert et al., "BabyAI", ICLR 2019; Chevalier-Boisvert et al., "Minigrid &
    Miniworld", NeurIPS 2023 (Apache-2.0).
"""

import contextlib
import io
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import get_args

import numpy as np
from jaxtyping import UInt8
from tqdm.auto import tqdm

from tempclr._util.files import cached
from tempclr._util.optional import import_optional, version
from tempclr.data.ranges import ROOM_SETS, Observation, check_procedures

log = logging.getLogger(__name__)

VERSION = 1  # of the rendering; part of the cache key
FIRST_SEED = {"train": 0, "validation": 1_000_000, "test": 2_000_000}
VIEW = 7  # cells on each side of what the agent sees
_TILE = 8  # pixels on each side of a cell
_SEEDS = 1_000_000 // ROOM_SETS  # of a set of rooms
_MAX_ACTIONS = 100  # per step; the bot needs about 6
_MAX_SEARCHES = 1000  # breadth-first searches of the bot per step; 66 were the most in the first 865 rooms


@dataclass(frozen=True)
class Procedure:
    """One video of an agent that carries out instructions one after the other."""

    name: str  # split, room and number of the order, such as "test-17/0"
    frames: UInt8[np.ndarray, "frames height width 3"]  # pixels, or symbols: kind, colour and state of each cell
    instructions: tuple[str, ...]  # in the order in which they were carried out
    bounds: tuple[tuple[int, int], ...]  # of each instruction: its first frame, and the frame after its last
    described: tuple[bool, ...]  # False for hidden steps, which are background

    @property
    def symbols(self) -> bool:
        """Whether the frames are symbols rather than pixels."""
        return self.frames.shape[1:3] == (VIEW, VIEW)


def procedures(
    split: str,
    rooms: int,
    *,
    steps_per_video: int = 5,
    hidden_steps: int = 0,
    orders_per_room: int = 1,
    room_set: int = 0,
    observation: Observation = "pixels",
) -> list[Procedure]:
    """Return procedures, from the cache if they were performed before.

    Args:
        split: "train", "validation" or "test". No room is in two splits.
        rooms: Number of different rooms, at least 1.
        steps_per_video: Described steps of each procedure, 1 to 6. Rooms with too few objects are skipped.
        hidden_steps: Steps of each procedure that are carried out but not described, at random places;
            `steps_per_video + hidden_steps` is at most 6.
        orders_per_room: Procedures in each room: the same steps in different orders.
        room_set: Which rooms of the split, 0 to 99. No room is in two sets.
        observation: "pixels" or "symbols"; what happens is the same in both.

    Returns:
        `rooms * orders_per_room` procedures, those of one room next to each other.

    Raises:
        ValueError: If an argument is out of range, the set has fewer such rooms, or the `demo` extra is not
            installed.
    """
    if split not in FIRST_SEED:
        raise ValueError(f"expected split to be one of {', '.join(FIRST_SEED)}, got {split!r}")
    if observation not in get_args(Observation):
        raise ValueError(f"expected observation to be one of {', '.join(get_args(Observation))}, got {observation!r}")
    if not 0 <= room_set < ROOM_SETS:
        raise ValueError(f"expected room_set from 0 to {ROOM_SETS - 1}, got {room_set}")
    check_procedures(rooms, steps_per_video=steps_per_video, hidden_steps=hidden_steps, orders_per_room=orders_per_room)
    key = {
        "version": VERSION,
        "minigrid": version("minigrid", "demo"),
        "split": split,
        "rooms": rooms,
        "steps": steps_per_video,
        "hidden": hidden_steps,
        "orders": orders_per_room,
    }
    key |= {"set": room_set} if room_set else {}
    key |= {"observation": observation} if observation != "pixels" else {}
    seeds = range(FIRST_SEED[split] + room_set * _SEEDS, FIRST_SEED[split] + (room_set + 1) * _SEEDS)
    perform = partial(_perform_rooms, split, rooms, seeds, steps_per_video, hidden_steps, orders_per_room, observation)
    return from_arrays(cached("babyai", key, lambda: as_arrays(perform())))


def _perform_rooms(
    split: str, rooms: int, seeds: range, steps: int, hidden: int, orders: int, observation: Observation
) -> list[Procedure]:
    """Procedures in the first `rooms` rooms that have enough different objects."""
    found: list[Procedure] = []
    endless = 0
    with tqdm(total=rooms, desc=f"performing {split} procedures", unit="room") as bar:
        for seed in seeds:
            try:
                name = f"{split}-{len(found) // orders}"
                room = list(_room(name, seed, steps, hidden, orders, observation))
            except TimeoutError:
                endless += 1
                continue
            if len(room) == orders:
                found += room
                bar.update()
            if len(found) == rooms * orders:
                break
        else:
            raise ValueError(f"expected {rooms} rooms in each set, found only {len(found) // orders}; ask for fewer")
    if endless:
        tried = seed + 1 - seeds.start
        log.warning("%d of %d rooms are passed over, since the bot searches in them without end", endless, tried)
    return found


def _room(name: str, seed: int, steps: int, hidden: int, orders: int, observation: Observation) -> Iterator[Procedure]:
    """The same steps in one room in different orders; none if it has too few objects or the bot fails."""
    generator = np.random.default_rng(seed)
    things = objects(seed)
    if len(things) < steps + hidden:
        return
    chosen = [things[index] for index in generator.permutation(len(things))[: steps + hidden]]
    slots = np.sort(generator.permutation(steps + hidden)[:hidden])  # positions of the hidden steps
    for number, order in enumerate(_orders(steps, orders, generator)):
        described = [index not in slots for index in range(steps + hidden)]
        plan = iter([chosen[index] for index in order])
        unseen = iter(chosen[steps:])
        targets = [next(plan) if seen else next(unseen) for seen in described]
        performed = perform(seed, targets, observation)
        if performed is None:
            return
        frames, bounds = performed
        texts = tuple(map(sentence, targets))
        yield Procedure(f"{name}/{number}", frames, texts, tuple(bounds), tuple(described))


def _orders(steps: int, count: int, generator: np.random.Generator) -> list[tuple[int, ...]]:
    """The original order first, then different ones."""
    chosen = [tuple(range(steps))]
    while len(chosen) < count:
        order = tuple(int(index) for index in generator.permutation(steps))
        if order not in chosen:
            chosen.append(order)
    return chosen


def _environment(seed: int, observation: Observation = "symbols"):
    """A room at its start; the messages that the simulator prints are suppressed."""
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # rendering needs no screen
    gymnasium = import_optional("gymnasium", "demo")
    wrappers = import_optional("minigrid.wrappers", "demo")  # registers the rooms, too
    room = gymnasium.make("BabyAI-GoToLocal-v0")
    if observation == "pixels":
        room = wrappers.RGBImgPartialObsWrapper(room, tile_size=_TILE)
    with contextlib.redirect_stdout(io.StringIO()):
        room.reset(seed=seed)
    return room


def objects(seed: int) -> list[tuple[str, str]]:
    """Return kind and colour of the objects that exist only once in a room, so that a sentence names exactly one."""
    grid = _environment(seed).unwrapped.grid.grid
    things = [(thing.type, thing.color) for thing in grid if thing is not None and thing.type in ("ball", "key", "box")]
    return sorted(thing for thing in set(things) if things.count(thing) == 1)


def sentence(target: tuple[str, str]) -> str:
    """Return the instruction to go to a target."""
    kind, colour = target
    return f"go to the {colour} {kind}"


def perform(
    seed: int, targets: list[tuple[str, str]], observation: Observation = "pixels"
) -> tuple[np.ndarray, list[tuple[int, int]]] | None:
    """Return frames and bounds of the bot visiting each target in turn, or None if it does not reach one.

    Raises:
        TimeoutError: If the bot searches for a way without end.
    """
    verifier = import_optional("minigrid.envs.babyai.core.verifier", "demo")
    environment = _environment(seed, observation)
    world = environment.unwrapped
    frames: list[np.ndarray] = []
    bounds = []
    for kind, colour in targets:
        start = len(frames)
        world.instrs = verifier.GoToInstr(verifier.ObjDesc(kind, colour))
        world.instrs.reset_verifier(world)
        world.max_steps = _MAX_ACTIONS * (len(targets) + 1)
        bot, action, done = _bot(environment), None, False
        while not done:
            if len(frames) - start == _MAX_ACTIONS:
                return None
            try:
                action = bot.replan(action)
            except AssertionError:  # how the bot reports that it is stuck
                return None
            observed, _, done, _, _ = environment.step(action)
            frames.append(observed["image"])
        bounds.append((start, len(frames)))
    return np.stack(frames), bounds


def _bot(environment):
    """A bot that gives up a search without end: its plans are made in a loop that may never reach an action."""
    bot = import_optional("minigrid.utils.baby_ai_bot", "demo").BabyAIBot(environment)
    search = bot._breadth_first_search

    def limited(*arguments, **named):
        if bot.bfs_counter == _MAX_SEARCHES:
            raise TimeoutError
        return search(*arguments, **named)

    bot._breadth_first_search = limited
    return bot


def draw(symbols: UInt8[np.ndarray, "frames 7 7 3"]) -> UInt8[np.ndarray, "frames 56 56 3"]:
    """Return the pixels of frames that are given as symbols, as they would have been rendered."""
    grids = import_optional("minigrid.core.grid", "demo")
    agent = (VIEW // 2, VIEW - 1)  # the middle of the lowest row, looking up
    drawn = []
    for each in symbols:
        grid, visible = grids.Grid.decode(each)
        drawn.append(grid.render(_TILE, agent_pos=agent, agent_dir=3, highlight_mask=visible))
    return np.stack(drawn)


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
    """Return procedures from the arrays of `as_arrays`."""
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
