"""Checks of the parameters of data, without torch: an experiment refuses a wrong number before anything is loaded."""

import math
from typing import Literal, get_args

Observation = Literal["pixels", "symbols"]  # what the agent sees of a simulated room
Bounds = Literal["trimmed", "exact", "unknown"]  # what is known of the steps of its videos
ROOM_SETS = 100  # of each split


def check_excerpts(max_sentences: int, min_sentences: int) -> None:
    """Raise `ValueError` unless videos can be split in this way; see `excerpts`."""
    if min_sentences < 1 or max_sentences < 0 or 0 < max_sentences < 2 * min_sentences:
        raise ValueError(
            f"expected min_sentences >= 1, and max_sentences 0 or at least twice min_sentences, "
            f"got {min_sentences} and {max_sentences}"
        )


def check_procedures(rooms: int, *, steps_per_video: int, hidden_steps: int, orders_per_room: int) -> None:
    """Raise `ValueError` unless such procedures exist; see `simulator.procedures`."""
    if rooms < 1 or steps_per_video < 1 or hidden_steps < 0 or steps_per_video + hidden_steps > 6:
        raise ValueError(
            f"expected rooms, steps_per_video >= 1 and steps_per_video + hidden_steps <= 6, "
            f"got {rooms}, {steps_per_video} and {hidden_steps}"
        )
    total = math.factorial(steps_per_video)
    if not 1 <= orders_per_room <= total:
        raise ValueError(f"expected 1 to {total} orders of {steps_per_video} steps, got {orders_per_room}")


def check_sets(sets: int, *, things: int, orders_per_set: int, videos_per_class: int) -> None:
    """Raise `ValueError` unless such sets exist; see `babyai_classes.class_procedures`."""
    if not 2 <= things <= 4 or not 1 <= orders_per_set <= math.factorial(things) or sets < 1 or videos_per_class < 1:
        raise ValueError(
            f"expected 2 to 4 things, at most as many orders_per_set as they have, and sets and videos_per_class >= 1, "
            f"got {things}, {orders_per_set}, {sets} and {videos_per_class}"
        )


def check_bounds(bounds: Bounds, *, hidden_steps: int, background: bool) -> None:
    """Raise `ValueError` unless procedures can be cut into clips in this way; see `babyai.procedure_pairs`."""
    if bounds not in get_args(Bounds):
        raise ValueError(f"expected bounds to be one of {', '.join(get_args(Bounds))}, got {bounds!r}")
    if bounds == "unknown" and hidden_steps and not background:
        raise ValueError(
            "expected background with hidden steps and unknown bounds, since nobody knows which clips to leave out"
        )
