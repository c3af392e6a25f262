"""Classes of procedures in simulated rooms: the same steps in the same order, carried out in several rooms.

A set of things to go to, in one order, is a class. Classes of other sets differ by their steps; those of one set
differ by the order alone, and are carried out in the same rooms, so that nothing else tells them apart.
"""

import itertools
from collections import defaultdict

import numpy as np

from tempclr._util.files import cached
from tempclr._util.optional import version
from tempclr.data import babyai
from tempclr.data.babyai import FIRST_SEED, Procedure

VERSION = 1  # of what this file renders; part of the cache's key
THINGS = tuple(itertools.product(("ball", "box", "key"), ("blue", "green", "grey", "purple", "red", "yellow")))
MOST_ROOMS = 20_000  # looked at before giving up


def class_procedures(split: str, sets: int, *, steps: int = 3, orders: int = 2, videos: int = 6) -> list[Procedure]:
    """Return rendered procedures of `sets * orders` classes, from the cache when they were rendered before.

    Args:
        split: "train", "validation" or "test"; neither sets nor rooms of two splits coincide.
        sets: How many different sets of things.
        steps: Things of a set, 2 to 4; each is gone to once.
        orders: Different orders of each set; each is a class.
        videos: Of each class, each in another room; rooms of one set are shared by its orders.

    Returns:
        Procedures named `<class>/<number>`, those of one class next to each other.

    Raises:
        ValueError: If an argument is out of range, too few rooms have the same things, or the `demo` extra
            is not installed.
    """
    if split not in FIRST_SEED:
        raise ValueError(f"expected split to be one of {', '.join(FIRST_SEED)}, got {split!r}")
    check_sets(sets, steps=steps, orders=orders, videos=videos)
    key = {"version": VERSION, "minigrid": version("minigrid", "demo"), "split": split, "sets": sets, "steps": steps}
    key |= {"orders": orders, "videos": videos}
    arrays = cached("babyai-classes", key, lambda: babyai.as_arrays(_render(split, sets, steps, orders, videos)))
    return babyai.from_arrays(arrays)


def check_sets(sets: int, *, steps: int, orders: int, videos: int) -> None:
    """Raise `ValueError` unless there are sets such as these; see `class_procedures`."""
    most = {2: 2, 3: 6, 4: 24}.get(steps, 0)
    if not 1 <= orders <= most or sets < 1 or videos < 1:
        raise ValueError(
            f"expected 2 to 4 steps, at most as many orders as they have, and sets and videos >= 1, "
            f"got {steps}, {orders}, {sets} and {videos}"
        )


def _render(split: str, sets: int, steps: int, orders: int, videos: int) -> list[Procedure]:
    """Procedures of the first sets of which enough rooms are found."""
    ways = list(itertools.permutations(range(steps)))
    chosen = np.random.default_rng(0).permutation(len(ways))[:orders]
    pool = _pool(split, steps)
    rooms: dict[tuple, list[list[Procedure]]] = defaultdict(list)
    waiting: dict[tuple, list[int]] = defaultdict(list)
    done: list[list[list[Procedure]]] = []
    for seed in range(FIRST_SEED[split], FIRST_SEED[split] + MOST_ROOMS):
        for things in itertools.combinations(babyai.objects(seed), steps):
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
    raise ValueError(f"expected {sets} sets of {steps} things in {videos} rooms each, found {len(done)}; take fewer")


def _pool(split: str, steps: int) -> set[tuple]:
    """A third of all sets, for each split another."""
    every = list(itertools.combinations(THINGS, steps))
    order = np.random.default_rng(0).permutation(len(every))
    return {every[k] for k in order[list(FIRST_SEED).index(split) :: len(FIRST_SEED)]}


def _room(seed: int, plans: list[list[tuple[str, str]]]) -> list[Procedure]:
    """One procedure for each order of things, in one room; none if the bot fails in one of them."""
    found = []
    for targets in plans:
        performed = babyai.perform(seed, targets)
        if performed is None:
            return []
        texts = tuple(map(babyai.sentence, targets))
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
