"""What order teaches when nobody knows when each step happens, beside training with exact bounds.

Whole videos are cut into even clips. With unknown bounds, training knows the sentences of each video and their order,
and nothing else: the unit term splits the clips evenly among the sentences. With exact bounds, each clip is labelled.
Each is trained with the unit loss alone, and with the order loss added, in which the sentences are shuffled. Every seed
draws its own training rooms.

Settings are chosen on validation (see `studies.selection`); the test split is read once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr.experiments.trained import ORDER, UNIT, open_trained
from tempclr.metrics import Interval, bootstrap, group_means, groups, paired_interval
from tempclr.studies._differences import INTERVAL, adjustment, excludes_zero, level_of_all, signed_range
from tempclr.studies._tables import aligned
from tempclr.studies.training_run import TrainingRun
from tempclr.tasks import naming, retrieval

BOUNDS = ("unknown", "exact")
METHODS = MappingProxyType({"unit": UNIT, "order": ORDER})
NAMED = "clips named right"
RECALLS = MappingProxyType({f"R@1 by {name}": score_fn for name, score_fn in retrieval.RETRIEVAL_SCORES.items()})
# one minus other
COMPARED = MappingProxyType(
    {
        "order loss added, unknown bounds": (("unknown", "order"), ("unknown", "unit")),
        "order loss added, exact bounds": (("exact", "order"), ("exact", "unit")),
        "order loss added instead of exact bounds": (("unknown", "order"), ("exact", "unit")),
    }
)
LAST = "R@1 by DTW, last weights"  # instead of the best by validation
JUDGED = ("R@1 by DTW", "R@1 by soft-DTW", LAST, NAMED)  # by what they are compared
SHARED: Mapping[str, object] = MappingProxyType(
    {"validation_rooms": 48, "test_rooms": 48, "batch": 32, "warmup": 20, "jitter": 0, "anchor": "video"}
)
SIZES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {
        "symbols": {"train_rooms": 900, "steps": 600, "validate_every": 50, "checkpoint_every": 100},
        "pixels": {"train_rooms": 200, "steps": 200, "validate_every": 25, "checkpoint_every": 100},
    }
)
# chosen on validation, from symbols; see `studies.selection`
CHOSEN: Mapping[tuple[str, str], Mapping[str, float]] = MappingProxyType(
    {
        ("unknown", "unit"): {"unit_temperature": 0.05, "learning_rate": 5e-4, "length": 1.0},
        ("unknown", "order"): {"temperature": 0.2, "weight": 0.5},
        ("exact", "unit"): {"unit_temperature": 0.05, "learning_rate": 5e-4, "length": 1.0},
        ("exact", "order"): {"temperature": 0.1, "weight": 0.7},
    }
)


def training(
    bounds: str,
    method: str,
    out: Path,
    *,
    seed: int,
    settings: Mapping[str, object] | None = None,
    observation: str = "symbols",
    size: Mapping[str, object] = MappingProxyType({}),
) -> TrainingRun:
    """Return one training run.

    Args:
        bounds: "unknown" or "exact".
        method: "unit" or "order".
        out: Folder of the run.
        seed: Of weights, batches and wrong orders, and of the training rooms, 0 to 99.
        settings: Settings of the method, and `length`, a factor of the number of training steps; by default those that
            were chosen on validation.
        observation: "symbols" or "pixels".
        size: Parameters that take precedence, such as `steps`.
    """
    given = {**SHARED, **SIZES[observation], **size, **(CHOSEN[bounds, method] if settings is None else settings)}
    given["steps"] = round(float(given.pop("length", 1)) * int(given["steps"]))  # type: ignore[arg-type,call-overload]
    if method == "unit":
        given["weight"] = 0.0
    return TrainingRun.of({**given, "bounds": bounds, "observation": observation, "seed": seed, "room_set": seed}, out)


def trainings(
    out: Path,
    *,
    seeds: Sequence[int],
    chosen: Mapping[tuple[str, str], Mapping[str, object]] = CHOSEN,
    **options: object,
) -> list[TrainingRun]:
    """Return the training runs of every seed, for both bounds and both methods.

    Args:
        out: Parent of the folders of all runs.
        seeds: As for `training`.
        chosen: Settings by bounds and method.
        options: As for `training`.
    """
    return [
        training(
            bounds,
            method,
            out / f"{bounds}-{method}-{seed}",
            seed=seed,
            settings=chosen[bounds, method],
            **options,  # type: ignore[arg-type]
        )
        for seed in seeds
        for bounds, method in product(BOUNDS, METHODS)
    ]


@dataclass(frozen=True)
class Measured:
    """What was measured on the test split, with one row per seed and one column per test room."""

    values: Mapping[tuple[str, str], Mapping[str, Float[Tensor, "seeds rooms"]]]  # by bounds and method, then by name
    split: float  # share of the clips named right if each video is split evenly
    queries: int

    def interval(self, bounds: str, method: str, what: str, generator: Generator) -> Interval:
        """Return a mean with its interval over seeds and rooms."""
        return bootstrap(self.values[bounds, method][what], generator=generator)

    def gain(
        self, one: tuple[str, str], other: tuple[str, str], what: str, generator: Generator, level: float = 0.95
    ) -> Interval:
        """Return one kind of training minus another, paired by seed and room."""
        return paired_interval(self.values[one][what] - self.values[other][what], generator=generator, level=level)


def measure(out: Path, *, seeds: Sequence[int]) -> Measured:
    """Evaluate the finished training runs in a folder on the test split.

    Raises:
        ValueError: If a run is missing, or the test data of two runs differ.
    """
    values: dict[tuple[str, str], dict[str, list[Tensor]]] = {}
    rooms: list[str] = []
    kinds = list(product(seeds, BOUNDS, METHODS))
    for seed, bounds, method in tqdm(kinds, desc="evaluating", unit="run"):
        run = open_trained(out / f"{bounds}-{method}-{seed}")
        pairs = run.pairs("test")
        own = groups([pair.name for pair in pairs])
        if rooms and own != rooms:
            raise ValueError(f"expected runs with the same test data, got different data in {run.folder}")
        rooms = own
        embedded = retrieval.embed(run.model(pairs), pairs)
        row = values.setdefault((bounds, method), {})
        for name, score_fn in RECALLS.items():
            row.setdefault(name, []).append(retrieval.recall_by_group(embedded, rooms, score_fn))
        last = retrieval.embed(run.model(pairs, weights="last"), pairs)
        row.setdefault(LAST, []).append(retrieval.recall_by_group(last, rooms, retrieval.dtw))
        row.setdefault(NAMED, []).append(group_means(naming.named_right(embedded), rooms))
    stacked = {key: {name: torch.stack(rows) for name, rows in row.items()} for key, row in values.items()}
    return Measured(stacked, naming.split_right(pairs).mean().item(), len(rooms))


def as_metrics(measured: Measured, *, seed: int) -> dict:
    """Return the numbers as plain values, with n, intervals and the names of the protocols.

    Args:
        measured: From `measure`.
        seed: Seed of the bootstrap.
    """
    generator = Generator().manual_seed(seed)
    comparisons = len(COMPARED) * len(JUDGED)
    table = [
        {
            "bounds": bounds,
            "training": METHODS[method],
            "seeds": len(values[NAMED]),
            "rooms": values[NAMED].shape[1],
            "queries": measured.queries,
            **{what: vars(measured.interval(bounds, method, what, generator)) for what in values},
        }
        for (bounds, method), values in measured.values.items()
    ]
    differences: list[dict[str, Any]] = [
        {
            "what": name,
            "by": what,
            "difference": vars(measured.gain(one, other, what, generator)),
            "adjusted": vars(measured.gain(one, other, what, generator, level_of_all(comparisons))),
        }
        for name, (one, other) in COMPARED.items()
        for what in JUDGED
    ]
    for each in differences:
        each["clear"] = excludes_zero(Interval(**each["adjusted"]))
    return {
        "protocol": f"{retrieval.PROTOCOL}; {naming.PROTOCOL}",
        "interval": INTERVAL,
        "adjusted": adjustment(comparisons),
        "table": table,
        "differences": differences,
        "clips named right by an even split": measured.split,
        "chance of R@1": 1 / measured.queries,
    }


def as_text(metrics: dict) -> str:
    """Return both tables of `as_metrics` as aligned text."""
    shown = [*RECALLS, LAST, NAMED]
    rows = [
        (row["bounds"], row["training"], *(str(Interval(**row[what])) for what in shown), f"{row['seeds']}")
        for row in metrics["table"]
    ]
    lines = [aligned(("bounds", "training", *shown, "seeds"), rows)]
    lines.append(f"an even split names {metrics['clips named right by an even split']:.2f} of the clips right; ")
    lines[-1] += f"chance of R@1: {metrics['chance of R@1']:.3f}"
    rows = [
        (
            each["what"],
            each["by"],
            Interval(**each["difference"]).signed(),
            signed_range(Interval(**each["adjusted"])),
            "clear" if each["clear"] else "",
        )
        for each in metrics["differences"]
    ]
    lines.append("\n" + aligned(("difference", "of", "95 %", "simultaneous", ""), rows))
    lines += [f"{name}: {metrics[name]}" for name in ("interval", "adjusted", "protocol")]
    return "\n".join(lines)


def verdict(metrics: dict) -> str:
    """Return in plain words what order added without bounds, and how that compares with exact bounds."""
    rows = {(row["bounds"], row["training"]): row["R@1 by DTW"]["mean"] for row in metrics["table"]}
    unit, order = (rows["unknown", METHODS[method]] for method in ("unit", "order"))
    found = next(each for each in metrics["differences"] if each["by"] == "R@1 by DTW")
    difference = Interval(**found["difference"])
    if excludes_zero(difference):
        words = f", clearly {'more' if difference.mean > 0 else 'less'} often"
        words += "" if found["clear"] else " if this comparison is taken alone"
    else:
        words = f", a difference that {metrics['table'][0]['seeds']} seeds cannot tell from none"
    return (
        f"Without a single time stamp, a model that learns from the order of the steps finds the right video for "
        f"{order:.0%} of the paragraphs, against {unit:.0%} for one that does not{words} "
        f"({100 * difference.mean:+.0f} points, {100 * difference.low:+.0f} to {100 * difference.high:+.0f}). "
        f"Exact time stamps, without the order loss, reach {rows['exact', METHODS['unit']]:.0%}."
    )
