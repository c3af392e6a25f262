"""The effect of one choice at a time on retrieval, over seeds, with intervals.

Every setting differs from a reference by a single choice. References are the published setting, the same on videos with
background, and the setting chosen for unknown bounds. A setting is trained once per seed, on training rooms of that
seed; its effect is its difference from the reference, by seed and room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr.experiments.trained import open_trained
from tempclr.metrics import Interval, bootstrap, groups, paired_interval
from tempclr.studies import steps_without_times
from tempclr.studies._differences import INTERVAL, adjustment, excludes_zero, level_of_all, signed_range
from tempclr.studies._tables import aligned
from tempclr.studies.training_run import TrainingRun
from tempclr.tasks import retrieval


@dataclass(frozen=True)
class Setting:
    """A setting to train: the reference with one choice changed."""

    name: str  # unique; names the folders
    choice: str  # the choice, such as "alignment"
    value: str  # the value that differs from the reference
    changes: Mapping[str, object] = field(default_factory=dict)  # parameters of `TrainingRun.of`
    reference: str = "published"  # name of the setting to compare with, one of REFERENCES; its own for a reference


# whole videos in even clips, what the simulator knows of the room: trainings converge in a few hundred steps
DATA: Mapping[str, object] = {"observation": "symbols", "jitter": 0}
PUBLISHED = {"bounds": "exact", "weight": 0.7, "temperature": 1.0, "negatives": 31, "shuffle": "segments", "gamma": 0.1}
BACKGROUND = {**PUBLISHED, "hidden_steps": 1, "background": True}
UNKNOWN = {"bounds": "unknown", "anchor": "video", **steps_without_times.CHOSEN["unknown", "order"]}
PERCENTILE: Mapping[str, object] = {"drop_rule": "percentile", "drop_cost": 0.3}
REFERENCES: Mapping[str, Mapping[str, object]] = {
    "published": PUBLISHED,
    "background": BACKGROUND,
    "unknown": UNKNOWN,
}


def _group(reference: str, what: str, *rows: tuple[str, str, str, Mapping[str, object]]) -> tuple[Setting, ...]:
    """A reference, and settings that differ from it: part of their name, choice, value and changes."""
    others = [Setting(f"{reference}-{name}", *row, reference) for name, *row in rows]  # type: ignore[call-arg, arg-type]
    return Setting(reference, "reference", what, {}, reference), *others


SETTINGS = (
    *_group(
        "published",
        "as published, exact bounds",
        ("weight-0", "weight", "0 (unit loss alone)", {"weight": 0.0}),
        ("weight-0.3", "weight", "0.3", {"weight": 0.3}),
        ("weight-0.9", "weight", "0.9", {"weight": 0.9}),
        ("temperature-0.2", "temperature", "0.2", {"temperature": 0.2}),
        ("temperature-0.05", "temperature", "0.05", {"temperature": 0.05}),
        ("negatives-3", "negatives", "3", {"negatives": 3}),
        ("negatives-119", "negatives", "119 (all)", {"negatives": 119}),
        ("others", "negatives", "31 and other videos", {"in_batch_negatives": True}),
        ("shuffle-clips", "granularity", "clips in segments", {"shuffle": "clips"}),
        ("shuffle-both", "granularity", "segments and clips", {"shuffle": "both"}),
        ("shuffle-swaps", "granularity", "neighbours swapped", {"shuffle": "swaps"}),
        ("shuffle-reversed", "granularity", "reversed", {"shuffle": "reversed"}),
        ("anchor-video", "anchor", "video", {"anchor": "video"}),
        ("anchor-both", "anchor", "both", {"anchor": "both"}),
        ("alignment-dtw", "alignment", "DTW", {"alignment": "DTW"}),
        ("alignment-otam", "alignment", "OTAM, both ways", {"alignment": "OTAM"}),
        ("alignment-divergence", "alignment", "divergence", {"alignment": "divergence"}),
        ("gamma-0.01", "gamma", "0.01", {"gamma": 0.01}),
        ("gamma-1", "gamma", "1", {"gamma": 1.0}),
        # a path has about ten cells, so a tenth of the temperature keeps the softmax equally sharp
        ("per-cell", "cost", "per cell of the path", {"per_cell": True, "temperature": 0.1}),
        ("contextual", "encoder", "contextual", {"encoder": "contextual"}),
    ),
    *_group(
        "background",
        "as published, with background",
        ("drop", "alignment", "Drop-DTW", {"alignment": "Drop-DTW"}),
        (
            "drop-percentile",
            "alignment",
            "Drop-DTW, percentile 0.3",
            {"alignment": "Drop-DTW", **PERCENTILE},
        ),
        ("weight-0", "weight", "0 (unit loss alone)", {"weight": 0.0}),
    ),
    *_group(
        "unknown",
        "as chosen, unknown bounds",
        ("weight-0", "weight", "0 (unit loss alone)", {"weight": 0.0}),
        ("weight-0.9", "weight", "0.9", {"weight": 0.9}),
        ("temperature-0.05", "temperature", "0.05", {"temperature": 0.05}),
        ("temperature-1", "temperature", "1 (published)", {"temperature": 1.0}),
        ("shuffle-swaps", "granularity", "neighbours swapped", {"shuffle": "swaps"}),
        ("shuffle-reversed", "granularity", "reversed", {"shuffle": "reversed"}),
        ("shuffle-blocks", "granularity", "a block moved", {"shuffle": "blocks"}),
        ("anchor-text", "anchor", "text (clips of the split)", {"anchor": "text"}),
        ("others", "negatives", "31 and other videos", {"in_batch_negatives": True}),
        ("own", "assignment", "own alignment", {"assignment": "own"}),
        ("soft", "assignment", "own, expected", {"assignment": "soft"}),
        (
            "drop",
            "assignment",
            "own, percentile 0.3 dropped",
            {"assignment": "drop", **PERCENTILE},
        ),
        ("discriminative", "unit loss", "discriminative", {"unit_loss": "discriminative"}),
        ("discriminative-alone", "unit loss", "discriminative alone", {"unit_loss": "discriminative", "weight": 0.0}),
        ("clips-1", "clips per step", "1", {"clips_per_step": 1}),
        ("clips-4", "clips per step", "4", {"clips_per_step": 4}),
    ),
)


@dataclass(frozen=True)
class Effect:
    """The effect of a setting."""

    setting: Setting
    seeds: int
    recall: Interval  # R@1 by DTW
    difference: Interval | None  # from its reference, paired by seed and room; None for a reference
    adjusted: Interval | None  # the same, adjusted for the number of comparisons

    @property
    def clear(self) -> bool:
        """Whether the adjusted interval of the difference excludes 0."""
        return self.adjusted is not None and excludes_zero(self.adjusted)


def chosen(names: str) -> tuple[Setting, ...]:
    """Return the settings of the named choices or references, such as "alignment, gamma" or "unknown"; all for "".

    The references of the settings are among them.

    Raises:
        ValueError: If a choice is unknown, or there is nothing to compare.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [*dict.fromkeys(setting.choice for setting in SETTINGS), *REFERENCES]
    for name in wanted:
        if name not in known:
            raise ValueError(f"expected choices among {', '.join(known)}, got {name!r}")
    if wanted == ["reference"]:
        raise ValueError("expected choices to compare with the reference, got the reference alone")
    found = [each for each in SETTINGS if not wanted or each.choice in wanted or each.reference in wanted]
    references = {setting.reference for setting in found}
    return tuple(setting for setting in SETTINGS if setting in found or setting.name in references)


def jobs(settings: Sequence[Setting], folder: Path, *, seeds: int, size: Mapping[str, object]) -> list[TrainingRun]:
    """Return one training run per setting and seed.

    Args:
        settings: Settings, such as those of `chosen`.
        folder: Parent of the folders of all training runs.
        seeds: Training runs per setting; an interval needs at least 2.
        size: Further parameters of `TrainingRun.of`, shared by all training runs.

    Raises:
        ValueError: If there are too few seeds.
    """
    if seeds < 2:
        raise ValueError(f"expected at least 2 seeds, got {seeds}")
    return [
        TrainingRun.of(
            {**DATA, **size, **REFERENCES[setting.reference], **setting.changes, "seed": seed, "room_set": seed},
            folder / f"{setting.name}-{seed}",
        )
        for setting in settings
        for seed in range(seeds)
    ]


def effects(settings: Sequence[Setting], folder: Path, *, generator: Generator) -> list[Effect]:
    """Return the effect of each setting on R@1 by DTW, on the test split of its training runs.

    The interval of a difference is that of `metrics.paired_interval`, over seeds and rooms.
    """
    hits = {setting.name: _hits(setting, folder) for setting in tqdm(settings, desc="evaluating", unit="setting")}
    compared = sum(setting.name != setting.reference for setting in settings)
    found = []
    for setting in settings:
        own, against = hits[setting.name], hits[setting.reference]
        difference = adjusted = None
        if setting.name != setting.reference:
            seeds = min(len(own), len(against))
            paired = own[:seeds] - against[:seeds]
            difference, adjusted = (
                paired_interval(paired, generator=generator, level=level) for level in (0.95, level_of_all(compared))
            )
        found.append(Effect(setting, len(own), bootstrap(own, generator=generator), difference, adjusted))
    return found


def as_metrics(found: Sequence[Effect]) -> dict:
    """Return effects as plain values, with n, intervals and the name of the protocol."""
    compared = sum(each.difference is not None for each in found)
    return {
        "protocol": retrieval.PROTOCOL,
        "metric": "R@1 by DTW",
        "interval": INTERVAL,
        "adjusted": adjustment(compared),
        "table": [
            {
                "choice": each.setting.choice,
                "value": each.setting.value,
                "reference": each.setting.reference,
                "seeds": each.seeds,
                "R@1": vars(each.recall),
                "difference": None if each.difference is None else vars(each.difference),
                "adjusted": None if each.adjusted is None else vars(each.adjusted),
                "clear": each.clear,
            }
            for each in found
        ],
    }


def as_text(found: Sequence[Effect]) -> str:
    """Return the table of effects as aligned text."""
    head = ("choice", "instead", "R@1 by DTW", "difference (95 %)", "simultaneous", "", "seeds")
    rows = [
        (
            each.setting.choice,
            each.setting.value,
            str(each.recall),
            "" if each.difference is None else each.difference.signed(),
            "" if each.adjusted is None else signed_range(each.adjusted),
            "clear" if each.clear else "",
            str(each.seeds),
        )
        for each in found
    ]
    return aligned(head, rows)


def verdict(found: Sequence[Effect]) -> str:
    """Return in words which choices made a clear difference, and which did not."""
    compared = [each for each in found if each.difference is not None]
    clear = [(each.setting, each.difference) for each in found if each.difference is not None and each.clear]
    lines = [
        f"{setting.choice}, {setting.value}: {'better' if difference.mean > 0 else 'worse'} than "
        f"{setting.reference}, {difference.signed()}"
        for setting, difference in sorted(clear, key=lambda each: -abs(each[1].mean))
    ]
    moved = {(setting.reference, setting.choice) for setting, _ in clear}
    every = dict.fromkeys((each.setting.reference, each.setting.choice) for each in compared)
    unclear = {
        reference: [choice for name, choice in every if name == reference and (name, choice) not in moved]
        for reference, _ in every
    }
    summary = f"Of {len(compared)} comparisons, {len(clear)} are clear, when all have to hold simultaneously"
    rest = [
        f"No clear difference from {reference} was seen for: {', '.join(choices)}."
        for reference, choices in unclear.items()
        if choices
    ]
    return "\n".join([f"{summary}{':' if lines else '.'}", *(f"  {line}" for line in lines), *rest])


def _hits(setting: Setting, folder: Path) -> Float[Tensor, "seeds rooms"]:
    """R@1 by DTW on the paragraphs of each test room, per seed."""
    rows, seed = [], 0
    while (path := folder / f"{setting.name}-{seed}").is_dir():
        run = open_trained(path)
        pairs = run.pairs("test")
        embedded = retrieval.embed(run.model(pairs), pairs)
        rows.append(retrieval.recall_by_group(embedded, groups([pair.name for pair in pairs]), retrieval.dtw))
        seed += 1
    if not rows:
        raise ValueError(f"expected training runs of {setting.name} in {folder}, found none")
    return torch.stack(rows)
