"""Classes of procedures in simulated rooms: the same steps in the same order, carried out in several rooms.

A class is a set of things to visit, in one order. Classes of different sets differ in their steps. Those of one set
differ only in the order, and are carried out in the same rooms, so that nothing else distinguishes them.
"""

import itertools
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from tempclr._util.files import cached
from tempclr._util.optional import version
from tempclr.data import simulator
from tempclr.data.labelled import Video, even_clips
from tempclr.data.ranges import check_sets
from tempclr.data.simulator import FIRST_SEED, Procedure

VERSION = 1  # of the rendering; part of the cache key
_THINGS = tuple(itertools.product(("ball", "box", "key"), ("blue", "green", "grey", "purple", "red", "yellow")))
_MAX_ROOMS = 20_000  # searched before giving up


@dataclass(frozen=True)
class RoomClasses:
    """Labelled videos in simulated rooms; the parameters are those of `class_procedures` and `even_clips`."""

    train_sets: int
    validation_sets: int
    test_sets: int
    things: int = 3
    orders_per_set: int = 3
    videos_per_class: int = 6
    clips: int = 8
    frames_per_clip: int = 2

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split, those of one class next to each other."""
        sets = {"train": self.train_sets, "validation": self.validation_sets, "test": self.test_sets}
        found = class_procedures(
            split,
            sets.get(split, 0),
            things=self.things,
            orders_per_set=self.orders_per_set,
            videos_per_class=self.videos_per_class,
        )
        return [
            Video(each.name, even_clips(each.frames, self.clips, self.frames_per_clip), each.name.split("/")[0])
            for each in found
        ]


def class_procedures(
    split: str, sets: int, *, things: int = 3, orders_per_set: int = 2, videos_per_class: int = 6
) -> list[Procedure]:
    """Return rendered procedures of `sets * orders_per_set` classes, from the cache if they were rendered before.

    Args:
        split: "train", "validation" or "test". No set or room is in two splits.
        sets: Number of different sets of things.
        things: Things per set, 2 to 4. A video visits each once.
        orders_per_set: Different orders of each set; each is a class.
        videos_per_class: Videos of each class, each in another room. The classes of a set share their rooms.

    Returns:
        Procedures named `<class>/<number>`, those of one class next to each other.

    Raises:
        ValueError: If an argument is out of range, too few rooms have the same things, or the `demo` extra
            is not installed.
    """
    if split not in FIRST_SEED:
        raise ValueError(f"expected split to be one of {', '.join(FIRST_SEED)}, got {split!r}")
    check_sets(sets, things=things, orders_per_set=orders_per_set, videos_per_class=videos_per_class)
    key = {"version": VERSION, "minigrid": version("minigrid", "demo"), "split": split, "sets": sets, "steps": things}
    key |= {"orders": orders_per_set, "videos": videos_per_class}

    def render() -> dict[str, np.ndarray]:
        return simulator.as_arrays(_render(split, sets, things, orders_per_set, videos_per_class))

    return simulator.from_arrays(cached("babyai-classes", key, render))


def _render(split: str, sets: int, steps: int, orders: int, videos: int) -> list[Procedure]:
    """Procedures of the first sets for which enough rooms are found."""
    ways = list(itertools.permutations(range(steps)))
    chosen = np.random.default_rng(0).permutation(len(ways))[:orders]
    pool = _pool(split, steps)
    rooms: dict[tuple, list[list[Procedure]]] = defaultdict(list)
    waiting: dict[tuple, list[int]] = defaultdict(list)
    done: list[list[list[Procedure]]] = []
    for seed in range(FIRST_SEED[split], FIRST_SEED[split] + _MAX_ROOMS):
        for things in itertools.combinations(simulator.objects(seed), steps):
            if things not in pool:
                continue
            waiting[things].append(seed)
            if len(rooms[things]) + len(waiting[things]) < videos:
                continue
            found = (_room(room, [[things[k] for k in ways[way]] for way in chosen]) for room in waiting.pop(things))
            rooms[things] += [room for room in found if room]
            if len(rooms[things]) == videos:
                pool.remove(things)
                done.append(rooms.pop(things))
                if len(done) == sets:
                    return _named(split, done)
    raise ValueError(f"expected {sets} sets of {steps} things in {videos} rooms each, found {len(done)}; ask for fewer")


def _pool(split: str, steps: int) -> set[tuple]:
    """The sets of a split, a third of all."""
    every = list(itertools.combinations(_THINGS, steps))
    order = np.random.default_rng(0).permutation(len(every))
    return {every[k] for k in order[list(FIRST_SEED).index(split) :: len(FIRST_SEED)]}


def _room(seed: int, plans: list[list[tuple[str, str]]]) -> list[Procedure]:
    """One procedure for each order of things in one room; none if the bot fails in any of them."""
    found = []
    for targets in plans:
        try:
            performed = simulator.perform(seed, targets)
        except TimeoutError:
            return []
        if performed is None:
            return []
        texts = tuple(map(simulator.sentence, targets))
        found.append(Procedure("", performed[0], texts, tuple(performed[1]), (True,) * len(texts)))
    return found


def _named(split: str, sets: list[list[list[Procedure]]]) -> list[Procedure]:
    """All procedures, those of one class next to each other."""
    return [
        Procedure(f"{split}-{number}.{order}/{room}", each.frames, each.instructions, each.bounds, each.described)
        for number, rooms in enumerate(sets)
        for order in range(len(rooms[0]))
        for room, each in enumerate(procedures[order] for procedures in rooms)
    ]
