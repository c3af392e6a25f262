"""Order audits of embeddings, features and training runs: what they are of, and their numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Generator

from tempclr.data import embeddings, features
from tempclr.encoders import encode, is_contextual
from tempclr.experiments.choices import SCORES
from tempclr.experiments.trained import Trained, find_trained
from tempclr.losses import TempCLR
from tempclr.metrics import Interval
from tempclr.sequences import Pair, Sequences
from tempclr.studies._tables import aligned
from tempclr.studies.frozen import least_squares
from tempclr.tasks import order_audit
from tempclr.tasks.order_audit import ORACLE, ORDER_FREE, OrderAudit
from tempclr.tasks.retrieval import ScoreFn, embedded_pairs

FROZEN = "frozen features"
PROTOCOL = "share of wrong sequences that score below the true one; ties are not noticed; cosine costs"
INTERVAL = "95 % percentile bootstrap over seeds and groups of videos, 10,000 draws"


@dataclass(frozen=True)
class Subject:
    """What is audited: one model, or one seed of it, on some videos."""

    name: str  # seeds of one model have the same name
    pairs: Sequence[Pair]  # what the scores take
    encode: TempCLR | None = None  # a contextual model, which must encode each order by itself


def subjects(paths: Sequence[Path | str], *, split: str = "test", frozen: bool = False) -> Iterator[Subject]:
    """Yield what there is to audit at some places.

    Args:
        paths: Each an `.npz` file of embeddings (`data.embeddings`), a folder of features with a manifest and
            embeddings of its sentences (`data.features`), a training run, or a folder of training runs.
        split: Which videos of features and of training runs.
        frozen: Whether to yield the features that runs were trained on, too, mapped to the sentences by least squares.
            They are those of the first run whose bounds are known in training.

    Raises:
        ValueError: If a place holds none of these, or two of them have the same name.
    """
    named: list[tuple[str, Path]] = []
    runs: list[Trained] = []
    for path in map(Path, paths):
        if path.suffix == ".npz" or (path / "manifest.jsonl").is_file():
            named.append((path.stem if path.suffix == ".npz" else path.resolve().name, path))
        elif path.is_dir():
            runs += find_trained(path)
        else:
            raise ValueError(f"expected an .npz file, a folder of features or a training run at {path}, found none")
    labels = [*_labels(runs)]
    names = [name for name, _ in named]
    clash = {name for name in names if names.count(name) > 1 or name in {*labels, FROZEN}}
    if clash:
        raise ValueError(f"expected inputs with different names, got {sorted(clash)[0]!r} twice; rename a file")
    if frozen and not runs:
        raise ValueError("expected training runs for their frozen features, got none")
    for name, path in named:
        if path.suffix == ".npz":
            yield Subject(name, embeddings.read_pairs(path))
        else:
            yield Subject(name, list(features.pairs(path, split, embeddings.text_embeddings(path))))
    if frozen:
        labelled = next((run for run in runs if run.experiment.bounds != "unknown"), runs[0])
        yield Subject(FROZEN, least_squares(list(labelled.pairs("train")), list(labelled.pairs(split))))
    for label, run in zip(labels, runs, strict=True):
        pairs = list(run.pairs(split))
        model = run.model(pairs)
        if is_contextual(model.text) or is_contextual(model.video):
            yield Subject(label, pairs, model)
        else:
            yield Subject(label, embedded_pairs(model, pairs))


def audits(
    found: Iterator[Subject] | Sequence[Subject],
    *,
    scores: Sequence[str],
    kinds: Sequence[str],
    sides: Sequence[str],
    orders: int,
    seed: int,
    progress: bool = False,
) -> dict[str, OrderAudit]:
    """Return the audit of each subject by name; seeds of one model are pooled.

    Args:
        found: What to audit.
        scores: Names of `SCORES`.
        kinds: As for `order_audit.audit`.
        sides: As for `order_audit.audit`.
        orders: Wrong sequences per video, kind and side.
        seed: Seed of the wrong sequences.
        progress: Whether to show progress bars.
    """
    parts: dict[str, list[OrderAudit]] = {}
    for subject in found:
        functions = {name: SCORES[name].resolve() for name in scores}
        if subject.encode is not None:
            functions = {name: partial(_encoded, subject.encode, score) for name, score in functions.items()}
        audited = order_audit.audit(
            subject.pairs, functions, kinds=kinds, sides=sides, count=orders, seed=seed, progress=progress
        )
        parts.setdefault(subject.name, []).append(audited)
    return {name: order_audit.pooled(each) for name, each in parts.items()}


def as_metrics(found: Mapping[str, OrderAudit], *, seed: int = 0) -> dict:
    """Return audits as plain values: for each model, side, kind and score the share noticed with its interval.

    Args:
        found: Audits by name of the model.
        seed: Seed of the bootstrap.
    """
    generator, table = Generator().manual_seed(seed), []
    for model, audited in found.items():
        for each in audited.kinds:
            controls = {name: _mean(each.below[name]) for name in (ORDER_FREE, ORACLE)}
            for score in audited.scores:
                noticed = each.noticed(score, generator)
                table.append(
                    {
                        "model": model,
                        "score": score,
                        "side": each.side,
                        "kind": each.kind,
                        "noticed": None if noticed is None else vars(noticed),
                        "tied": _mean(each.tied[score]),
                        **controls,
                        "seeds": len(each.below[score]),
                        "videos": len(each.names),
                        "orders": int(each.orders.sum()),
                        "skipped": each.skipped,
                    }
                )
    return {"protocol": PROTOCOL, "interval": INTERVAL, "chance": order_audit.CHANCE, "table": table}


def as_text(metrics: dict) -> str:
    """Return `as_metrics` as an aligned table: a row per model, side and kind, a column per score."""
    scores = list(dict.fromkeys(row["score"] for row in metrics["table"]))
    rows: dict[tuple[str, str, str], dict] = {}
    for row in metrics["table"]:
        rows.setdefault((row["model"], row["side"], row["kind"]), {})[row["score"]] = row
    head = ("model", "changed", "kind", "videos", "skipped", "orders", "order-free", "oracle", *scores)
    body = [
        (
            *key,
            *(str(one[name]) for name in ("videos", "skipped", "orders")),
            *(shown(one[name]) for name in (ORDER_FREE, ORACLE)),
            *(shown_interval(each[score]["noticed"]) if score in each else "" for score in scores),
        )
        for key, each in rows.items()
        for one in [next(iter(each.values()))]
    ]
    notes = [
        f"chance: {metrics['chance']:.2f}, a coin toss without ties; an order-free score ties and notices 0",
        "left-out and put-in change what the steps are: there, an order-free score can notice, too",
        f"interval: {metrics['interval']}",
        f"protocol: {metrics['protocol']}",
    ]
    return "\n".join([aligned(head, body), *notes])


def shown(value: float | None) -> str:
    """Return a share as text, or a dash where no video could be changed."""
    return "-" if value is None else f"{value:.2f}"


def shown_interval(value: Mapping | None) -> str:
    """Return an interval of `as_metrics` as text, or a dash where no video could be changed."""
    return "-" if value is None else str(Interval(**value))


def _encoded(model: TempCLR, score: ScoreFn, x: Sequences, y: Sequences) -> torch.Tensor:
    """The score of sequences of features, each encoded in the order that it comes in."""
    return score(encode(model.text, x), encode(model.video, y))


def _labels(runs: Sequence[Trained]) -> Iterator[str]:
    """A name for each run: its method, with its folder where runs differ in more than the seed and its rooms."""
    for run in runs:
        same = [other.experiment for other in runs if other.method == run.method]
        settings, seeds = {replace(each, seed=0, room_set=0) for each in same}, {each.seed for each in same}
        alike = len(settings) == 1 and len(seeds) == len(same)
        yield run.method if alike else f"{run.method} ({run.folder.resolve().name})"


def _mean(values: torch.Tensor) -> float | None:
    """The mean over seeds and videos; None without a video."""
    return values.mean().item() if values.numel() else None
