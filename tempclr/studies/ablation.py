"""One choice at a time: what each part of the method does for retrieval, over seeds, with intervals.

Every setting differs from a reference by what it names alone; the published one is the reference of all
but those on data with background. A setting is one training per seed, and its effect is the difference
to the reference, paired by seed and room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr.experiments.trained import open_trained
from tempclr.launcher.html import SavedPage
from tempclr.launcher.pool import Job, run_all
from tempclr.metrics import Interval, bootstrap, group_means, groups, student, wider
from tempclr.tasks import retrieval


@dataclass(frozen=True)
class Setting:
    """What is trained: one choice that differs from the reference."""

    name: str  # of its folder; unique
    choice: str  # what is chosen, such as "alignment"
    value: str  # what is taken instead
    changes: Mapping[str, object] = field(default_factory=dict)  # parameters of 02_train
    reference: str = "published"  # name of the setting it is compared with; its own if it is one


PUBLISHED = {"weight": 0.7, "temperature": 1.0, "negatives": 31, "shuffle": "segments", "gamma": 0.1}
BACKGROUND = {"hidden_steps": 1, "background": True}
SETTINGS = (
    Setting("published", "reference", "as published"),
    Setting("weight-0", "weight", "0 (unit loss alone)", {"weight": 0.0}),
    Setting("weight-0.3", "weight", "0.3", {"weight": 0.3}),
    Setting("weight-0.9", "weight", "0.9", {"weight": 0.9}),
    Setting("temperature-0.2", "temperature", "0.2", {"temperature": 0.2}),
    Setting("negatives-3", "negatives", "3", {"negatives": 3}),
    Setting("negatives-119", "negatives", "119 (all)", {"negatives": 119}),
    Setting("shuffle-clips", "granularity", "clips in segments", {"shuffle": "clips"}),
    Setting("shuffle-both", "granularity", "segments and clips", {"shuffle": "both"}),
    Setting("shuffle-swaps", "granularity", "neighbours swapped", {"shuffle": "swaps"}),
    Setting("shuffle-reversed", "granularity", "reversed", {"shuffle": "reversed"}),
    Setting("others", "negatives", "31 and other videos", {"in_batch_negatives": True}),
    Setting("anchor-video", "anchor", "video", {"anchor": "video"}),
    Setting("anchor-both", "anchor", "both", {"anchor": "both"}),
    Setting("alignment-dtw", "alignment", "DTW", {"alignment": "DTW"}),
    Setting("alignment-otam", "alignment", "OTAM, both ways", {"alignment": "OTAM"}),
    Setting("alignment-divergence", "alignment", "divergence", {"alignment": "divergence"}),
    Setting("gamma-0.01", "gamma", "0.01", {"gamma": 0.01}),
    Setting("gamma-1", "gamma", "1", {"gamma": 1.0}),
    # a path has about ten cells, so that a tenth of the temperature keeps the softmax as sharp
    Setting("per-cell", "cost", "per cell of the path", {"per_cell": True, "temperature": 0.1}),
    Setting("contextual", "encoder", "contextual", {"encoder": "contextual"}),
    Setting("background", "reference", "as published, with background", BACKGROUND, "background"),
    Setting("background-drop", "background", "Drop-DTW", {**BACKGROUND, "alignment": "Drop-DTW"}, "background"),
    Setting("background-unit", "background", "unit loss alone", {**BACKGROUND, "weight": 0.0}, "background"),
)


@dataclass(frozen=True)
class Effect:
    """What a setting does."""

    setting: Setting
    seeds: int
    recall: Interval  # R@1 by DTW
    difference: Interval | None  # to its reference, paired by seed and room; none for a reference
    adjusted: Interval | None  # the same, wide enough to hold for all comparisons at once

    @property
    def clear(self) -> bool:
        """Whether the difference is other than 0 when the number of comparisons is allowed for."""
        return self.adjusted is not None and not self.adjusted.low <= 0 <= self.adjusted.high


def chosen(names: str) -> tuple[Setting, ...]:
    """Return the settings of the named choices, such as "alignment, gamma", with their references; all for "".

    Raises:
        ValueError: If there is no such choice.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = list(dict.fromkeys(setting.choice for setting in SETTINGS))
    for name in wanted:
        if name not in known:
            raise ValueError(f"expected choices among {', '.join(known)}, got {name!r}")
    if wanted == ["reference"]:
        raise ValueError("expected choices to compare with the reference, got the reference alone")
    found = [setting for setting in SETTINGS if not wanted or setting.choice in wanted]
    references = {setting.reference for setting in found}
    return tuple(setting for setting in SETTINGS if setting in found or setting.name in references)


def jobs(settings: Sequence[Setting], folder: Path, *, seeds: int, size: Mapping[str, object]) -> list[Job]:
    """Return the trainings of all settings.

    Args:
        settings: As from `chosen`.
        folder: Where each has a folder of its own.
        seeds: Trainings per setting, at least 2, so that there is an interval.
        size: Further parameters of 02_train, the same for all.

    Raises:
        ValueError: If there are too few seeds.
    """
    if seeds < 2:
        raise ValueError(f"expected at least 2 seeds, got {seeds}")
    return [
        Job("02_train", {**size, **PUBLISHED, **setting.changes, "seed": seed}, folder / f"{setting.name}-{seed}")
        for setting in settings
        for seed in range(seeds)
    ]


def train_all(trainings: Sequence[Job], *, processes: int, saved_page: SavedPage | None = None) -> None:
    """Run the trainings that are not done yet, several at a time, each on one thread.

    Args:
        trainings: As from `jobs`.
        processes: Trainings at a time.
        saved_page: As for `launcher.execute.run`.

    Raises:
        ValueError: If one fails, or a folder holds another one.
    """
    if processes < 1:
        raise ValueError(f"expected at least one process, got {processes}")
    run_all(trainings, processes=processes, description="training", saved_page=saved_page)


def effects(settings: Sequence[Setting], folder: Path, *, generator: Generator) -> list[Effect]:
    """Return what each setting does, by R@1 of DTW on the test split of its trainings.

    Intervals of differences are the wider of two: a bootstrap over seeds and rooms, which is too narrow for few seeds,
    and Student's t over seeds, which knows nothing of other rooms.
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
                wider(bootstrap(paired, generator=generator, level=level), student(paired, level=level))
                for level in (0.95, 1 - 0.05 / compared)
            )
        found.append(Effect(setting, len(own), bootstrap(own, generator=generator), difference, adjusted))
    return found


def as_metrics(found: Sequence[Effect]) -> dict:
    """Return effects as plain values, with n, intervals and the protocol's name."""
    compared = sum(each.difference is not None for each in found)
    return {
        "protocol": retrieval.PROTOCOL,
        "metric": "R@1 by DTW",
        "interval": "95 % percentile bootstrap over seeds and rooms, 10,000 draws; of a difference, no narrower than "
        "Student's t over seeds",
        "adjusted": f"the same at {1 - 0.05 / max(1, compared):.2%}, so that all {compared} hold at once (Bonferroni)",
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
    head = ("choice", "instead", "R@1 by DTW", "difference (95 %)", "of all at once", "", "seeds")
    rows = [
        (
            each.setting.choice,
            each.setting.value,
            str(each.recall),
            "" if each.difference is None else signed(each.difference),
            "" if each.adjusted is None else f"{each.adjusted.low:+.2f} to {each.adjusted.high:+.2f}",
            "clear" if each.clear else "",
            str(each.seeds),
        )
        for each in found
    ]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    lines = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def verdict(found: Sequence[Effect]) -> str:
    """Return in words which choices made a difference that is clear, and which did not."""
    compared = [each for each in found if each.difference is not None]
    clear = [each for each in compared if each.clear]
    lines = [
        f"{each.setting.choice}, {each.setting.value}: {'better' if each.difference.mean > 0 else 'worse'} than "
        f"{each.setting.reference}, {signed(each.difference)}"
        for each in sorted(clear, key=lambda each: -abs(each.difference.mean))
    ]
    silent = sorted({each.setting.choice for each in compared} - {each.setting.choice for each in clear})
    told = f"Of {len(compared)} comparisons, {len(clear)} are clear when all are to hold at once"
    rest = f"No clear difference was seen for: {', '.join(silent)}." if silent else ""
    return "\n".join([f"{told}{':' if lines else '.'}", *(f"  {line}" for line in lines), *([rest] if rest else [])])


def signed(interval: Interval) -> str:
    """Return a difference and where it lies, with signs."""
    return f"{interval.mean:+.2f} ({interval.low:+.2f} to {interval.high:+.2f})"


def _hits(setting: Setting, folder: Path) -> Float[Tensor, "seeds rooms"]:
    """Share of each test room's paragraphs that find their video first, by DTW."""
    rows, seed = [], 0
    while (path := folder / f"{setting.name}-{seed}").is_dir():
        run = open_trained(path)
        pairs = run.experiment.pairs("test")
        embedded = retrieval.embed(run.model(pairs), pairs)
        hits = retrieval.retrieve(embedded.paragraphs, embedded.videos, retrieval.dtw).hits(1)
        rows.append(group_means(hits, groups([pair.name for pair in pairs])))
        seed += 1
    if not rows:
        raise ValueError(f"expected trainings of {setting.name} in {folder}, found none")
    return torch.stack(rows)
