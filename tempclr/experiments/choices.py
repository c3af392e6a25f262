"""Every named choice: the names that a parameter may take, and what each stands for.

This file does not load torch: a name is resolved only when it is used. To add a choice, add a line to its table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Any

import tempclr
from tempclr._util.settings import from_parameters


@dataclass(frozen=True)
class Choice:
    """One named choice."""

    help: str  # one line
    resolve: Any = None  # a function that returns what the name stands for; None where other code interprets it


@dataclass(frozen=True)
class DataChoice(Choice):
    """A data source; `resolve` returns its class."""

    frames: bool = False  # whether its clips are frames, rather than features


SHUFFLES: Mapping[str, Choice] = MappingProxyType(
    {
        "segments": Choice("segments change places", lambda: tempclr.negatives.permute_segments),
        "clips": Choice("clips change places within their segment", lambda: tempclr.negatives.permute_clips),
        "both": Choice("segments, and in some orders also clips within them", lambda: tempclr.negatives.permute_both),
        "reversed": Choice("everything runs backwards", lambda: tempclr.negatives.reverse),
        "swaps": Choice("neighbouring segments change places", lambda: tempclr.negatives.swap_neighbours),
        "moved": Choice("one segment moves elsewhere", lambda: tempclr.negatives.move_one),
        "blocks": Choice("a block of segments moves elsewhere", lambda: tempclr.negatives.move_blocks),
    }
)

# resolve(gamma, drop_cost) returns a function of costs and lengths
ALIGNMENTS: Mapping[str, Choice] = MappingProxyType(
    {
        "soft-DTW": Choice(
            "the soft minimum over all paths", lambda gamma, drop_cost: partial(tempclr.soft_dtw, gamma=gamma)
        ),
        "DTW": Choice("the cheapest path", lambda gamma, drop_cost: tempclr.dtw),
        "OTAM": Choice(
            "each step of one sequence once; the sum of both directions, as published",
            lambda gamma, drop_cost: tempclr.losses.both_ways(partial(tempclr.otam, gamma=gamma)),
        ),
        "Drop-DTW": Choice(
            "clips may be left out at a cost",
            lambda gamma, drop_cost: partial(tempclr.drop_dtw, drop_y=drop_cost, gamma=gamma),
        ),
        "divergence": Choice(
            "soft-DTW without its bias, which the loss subtracts",
            lambda gamma, drop_cost: partial(tempclr.soft_dtw, gamma=gamma),
        ),
    }
)

# resolve(drop_cost) returns what `drop_dtw` takes
DROP_RULES: Mapping[str, Choice] = MappingProxyType(
    {
        "fixed": Choice("the drop cost is the number itself", lambda drop_cost: drop_cost),
        "percentile": Choice(
            "the number is the share of a pair's costs, 0 to 1, that lie below the drop cost",
            lambda drop_cost: partial(tempclr.alignment.percentile, share=drop_cost),
        ),
        "learnt": Choice(
            "the drop cost is a parameter, which starts at the number",
            lambda drop_cost: tempclr.alignment.LearntDropCost(drop_cost),
        ),
    }
)

# resolve(gamma, drop_cost, start) returns which sentence an unknown clip shows
ASSIGNMENTS: Mapping[str, Choice] = MappingProxyType(
    {
        "known": Choice("unknown clips take no part", lambda gamma, drop_cost, start: tempclr.losses.known_only),
        "even": Choice("unknown clips are shared out evenly", lambda gamma, drop_cost, start: tempclr.losses.evenly),
        "own": Choice(
            "the model's own alignment, by DTW",
            lambda gamma, drop_cost, start: tempclr.losses.OwnAlignment(start=start),
        ),
        "soft": Choice(
            "the model's own expected alignment, as weights",
            lambda gamma, drop_cost, start: tempclr.losses.OwnAlignment(gamma, start=start),
        ),
        "drop": Choice(
            "the model's own alignment, by Drop-DTW: clips may show no sentence",
            lambda gamma, drop_cost, start: tempclr.losses.OwnAlignment(drop_cost=drop_cost, start=start),
        ),
    }
)

# resolve(cosine, temperature, assignment) returns the unit term of the objective
UNIT_LOSSES: Mapping[str, Choice] = MappingProxyType(
    {
        "InfoNCE": Choice(
            "each clip with its sentence, against those of the batch",
            lambda cosine, temperature, assignment: tempclr.losses.UnitTerm(
                partial(tempclr.losses.unit_loss, cosine=cosine), temperature, assignment
            ),
        ),
        "MIL-NCE": Choice(
            "the same with several positives in one softmax",
            lambda cosine, temperature, assignment: tempclr.losses.UnitTerm(
                partial(tempclr.losses.mil_nce, cosine=cosine), temperature, assignment
            ),
        ),
        "BCE": Choice(
            "each clip against every sentence of its own video, by binary cross-entropy",
            lambda cosine, temperature, assignment: tempclr.losses.WithinVideoTerm(
                partial(tempclr.losses.step_loss, cosine=cosine), temperature
            ),
        ),
        "discriminative": Choice(
            "the sentences of a video in order, against all wrong lists; needs no bounds",
            lambda cosine, temperature, assignment: tempclr.losses.DiscriminativeTerm(cosine, temperature),
        ),
    }
)

# resolve() returns a score of two sets of sequences, higher is better
SCORES: Mapping[str, Choice] = MappingProxyType(
    {
        "mean-pool": Choice("cosine of the mean steps, order-free", lambda: _task("retrieval").mean_pool),
        "Cap.Avg.": Choice("most similar clip of each sentence, order-free", lambda: _task("retrieval").cap_avg),
        "DTW": Choice("the cheapest path", lambda: _task("retrieval").dtw),
        "soft-DTW": Choice("the soft minimum over all paths", lambda: _task("retrieval").soft_dtw),
        "OTAM": Choice("each step of one sequence once, both ways", lambda: _task("few_shot").otam),
        "Hausdorff": Choice("most similar step, both ways, order-free", lambda: _task("few_shot").hausdorff),
    }
)

# what an order audit does to the clips or the sentences of a video; see `tasks.wrong_sequences.KINDS`
WRONG_SEQUENCES: Mapping[str, Choice] = MappingProxyType(
    {
        "reversed": Choice("everything runs backwards"),
        "swaps": Choice("two neighbouring segments change places"),
        "segments": Choice("segments change places at random"),
        "clips": Choice("clips change places within their segment"),
        "all-clips": Choice("clips change places over the whole video"),
        "moved": Choice("one segment moves elsewhere"),
        "left-out": Choice("one segment is left out"),
        "put-in": Choice("a segment of another video is put in"),
    }
)

SIDES: Mapping[str, Choice] = MappingProxyType(
    {
        "clips": Choice("sentences stay in order, clips are changed"),
        "sentences": Choice("clips stay in order, sentences are changed"),
    }
)

ENCODERS: Mapping[str, Choice] = MappingProxyType(
    {
        "per-step": Choice("each step by itself"),
        "contextual": Choice("a transformer over the steps of a sequence"),
        "minilm": Choice("each step by itself; the language model behind the sentences is trained too"),
        "paper": Choice("the paper's two BERTs, over clips of features [rows, dim]"),
    }
)

ANCHORS: Mapping[str, Choice] = MappingProxyType(
    {
        "text": Choice("sentences stay in order, clips are shuffled"),
        "video": Choice("clips stay in order, sentences are shuffled"),
        "both": Choice("the mean of the two"),
    }
)

OBSERVATIONS: Mapping[str, Choice] = MappingProxyType(
    {
        "pixels": Choice("what the agent sees, rendered"),
        "symbols": Choice("kind and colour of each cell in its view, one-hot, as from a perfect detector of objects"),
    }
)

BOUNDS: Mapping[str, Choice] = MappingProxyType(
    {
        "trimmed": Choice("every step is cut into clips, within its bounds"),
        "exact": Choice("the whole video is cut into clips; each belongs to the step at its middle"),
        "unknown": Choice("the same clips; which sentence a training clip shows is not known"),
    }
)

TRAINABLE: Mapping[str, Choice] = MappingProxyType(
    {
        "layernorm": Choice("scale and shift of every LayerNorm"),
        "lora": Choice("low-rank updates beside frozen weights"),
        "all": Choice("all parameters"),
    }
)

PAIR_DATA: Mapping[str, DataChoice] = MappingProxyType(
    {
        "babyai": DataChoice("simulated rooms", lambda: import_module("tempclr.data.babyai").Rooms, frames=True),
        "digits": DataChoice("strings of spoken digits", lambda: import_module("tempclr.data.digits").Digits),
        "features": DataChoice(
            "a folder of your own features", lambda: import_module("tempclr.data.features").Features
        ),
    }
)

VIDEO_DATA: Mapping[str, DataChoice] = MappingProxyType(
    {
        "babyai": DataChoice(
            "simulated rooms", lambda: import_module("tempclr.data.babyai_classes").RoomClasses, frames=True
        ),
        "features": DataChoice(
            "a folder of your own features", lambda: import_module("tempclr.data.features").LabelledFeatures
        ),
    }
)

# tables that the comment of a notebook's parameter may refer to, as "see SHUFFLES"
TABLES = MappingProxyType(
    {
        "SHUFFLES": SHUFFLES,
        "ALIGNMENTS": ALIGNMENTS,
        "DROP_RULES": DROP_RULES,
        "ASSIGNMENTS": ASSIGNMENTS,
        "UNIT_LOSSES": UNIT_LOSSES,
    }
)


def _task(name: str) -> Any:
    """A module of `tempclr.tasks`, imported now."""
    return import_module(f"tempclr.tasks.{name}")


def split_data(data: str, known: Mapping[str, DataChoice]) -> tuple[str, str]:
    """Return the name and the location of a data source.

    Args:
        data: "NAME", "NAME:LOCATION", or just the location of a folder of features.
        known: Names of data sources.

    Example:
        >>> split_data("babyai", PAIR_DATA), split_data("/my/features", PAIR_DATA)
        (('babyai', ''), ('features', '/my/features'))
    """
    name, colon, location = data.partition(":")
    if name in known and (colon or name != "features"):
        return name, location
    return "features", data


def make_source(data: str, known: Mapping[str, DataChoice], parameters: Mapping[str, object]) -> Any:
    """Return the data source of an experiment; the parameters set its fields of the same names."""
    name, location = split_data(data, known)
    return from_parameters(known[name].resolve(), {**parameters, "location": location})
