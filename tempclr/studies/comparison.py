"""Training runs evaluated side by side on the test split: the numbers of the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr import metrics
from tempclr.encoders import is_contextual
from tempclr.experiments.trained import ORDER, UNIT, Trained
from tempclr.metrics import Interval, bootstrap, groups, paired_interval
from tempclr.negatives import permute_segments
from tempclr.sequences import collate
from tempclr.studies._differences import INTERVAL
from tempclr.studies._tables import aligned
from tempclr.tasks import retrieval

UNTRAINED = "untrained"
DIFFERENCE = "R@1 with the order loss minus R@1 without"


@dataclass(frozen=True)
class Result:
    """One method under one score: the raw values from which all numbers of the report are computed."""

    hits: Mapping[int, Float[Tensor, "seeds queries"]]  # by k: probability that the right video is among the first k
    ranks: Float[Tensor, "seeds queries"]  # rank of the right video, from 1
    noticed: Float[Tensor, "seeds rooms"]  # share of wrong orders that score worse than the true order


@dataclass(frozen=True)
class Comparison:
    """All methods under all scores, on the same queries."""

    results: Mapping[tuple[str, str], Result]  # by method and score
    rooms: tuple[str, ...]  # room of each query; queries of one room are not independent
    protocol: str = retrieval.PROTOCOL

    @property
    def methods(self) -> list[str]:
        """Methods in the order of the report."""
        return list(dict.fromkeys(method for method, _ in self.results))

    @property
    def scores(self) -> list[str]:
        """Scores in the order of the report."""
        return list(dict.fromkeys(score for _, score in self.results))

    def by_room(self, values: Float[Tensor, "seeds queries"]) -> Float[Tensor, "seeds rooms"]:
        """Return the mean over the queries of each room; these means are independent."""
        return metrics.group_means(values, self.rooms)

    def recall(self, method: str, score: str, k: int, generator: Generator) -> Interval:
        """Return R@k with its interval over seeds and rooms."""
        return bootstrap(self.by_room(self.results[method, score].hits[k]), generator=generator)

    def noticed(self, method: str, score: str, generator: Generator) -> Interval:
        """Return the share of wrong orders that score worse than the true order, with its interval."""
        return bootstrap(self.results[method, score].noticed, generator=generator)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Methods with the order loss, each with the same method without it."""
        found = [(method, method.replace(ORDER, UNIT)) for method in self.methods if method.startswith(ORDER)]
        return [(one, other) for one, other in found if other in self.methods]

    def difference(self, one: str, other: str, score: str, k: int, generator: Generator) -> Interval:
        """Return R@k of one method minus that of another, paired by seed and room, with its interval."""
        values = [self.by_room(self.results[method, score].hits[k]) for method in (one, other)]
        return paired_interval(values[0] - values[1], generator=generator)


def compare(trained: Sequence[Trained], *, orders: int, seed: int) -> Comparison:
    """Evaluate runs on their test split: all paragraphs with all videos, by all scores.

    Args:
        trained: Runs with the same test data; runs of one method differ only in the seed. The untrained model of each
            seed is evaluated too.
        orders: Wrong orders per video for the sensitivity to order, measured on one video of each room.
        seed: Seed of those orders.

    Raises:
        ValueError: If the test data of the runs differ.
    """
    rows: dict[tuple[str, str], list[tuple[retrieval.Retrieval, Tensor]]] = {}
    rooms: tuple[str, ...] = ()
    seen_untrained = set()
    for run in tqdm(trained, desc="evaluating", unit="run"):
        pairs = run.pairs("test")
        own = tuple(groups([pair.name for pair in pairs]))
        if rooms and own != rooms:
            raise ValueError(f"expected runs with the same test data, got different data in {run.folder}")
        rooms = own
        variants = {run.method: run.model(pairs)}
        if run.experiment.seed not in seen_untrained:
            seen_untrained.add(run.experiment.seed)
            variants[UNTRAINED] = run.model(pairs, weights="initial")
        firsts = [rooms.index(name) for name in dict.fromkeys(rooms)]
        for method, model in variants.items():
            embedded = retrieval.embed(model, pairs)
            one_each = [pairs[index] for index in firsts]
            seen = retrieval.embed(model, one_each)
            contextual = is_contextual(model.video)
            for name, score_fn in retrieval.RETRIEVAL_SCORES.items():
                found = retrieval.retrieve(embedded.paragraphs, embedded.videos, score_fn)
                sensitivity = retrieval.order_sensitivity(
                    seen.paragraphs,
                    collate(one_each).clips if contextual else seen.videos,
                    seen.segments,
                    score_fn,
                    permute_segments,
                    encoder=model.video if contextual else None,
                    count=orders,
                    generator=torch.Generator().manual_seed(seed),
                )
                rows.setdefault((method, name), []).append((found, sensitivity.noticed))
    keys = sorted(rows, key=lambda key: key[0] != UNTRAINED)  # the others stay in the order of the runs
    return Comparison({key: _result(rows[key]) for key in keys}, rooms)


def _result(found: list[tuple[retrieval.Retrieval, Tensor]]) -> Result:
    """The stacked seeds of one method and score."""
    return Result(
        {k: torch.stack([each.hits(k) for each, _ in found]) for k in (1, 5, 10)},
        torch.stack([metrics.ranks(each.scores) + 1 for each, _ in found]),
        torch.stack([noticed for _, noticed in found]),
    )


def as_metrics(comparison: Comparison, *, seed: int) -> dict:
    """Return the numbers of a comparison as plain values, with n, intervals and the name of the protocol."""
    generator = torch.Generator().manual_seed(seed)
    table = []
    for method, score in comparison.results:
        result = comparison.results[method, score]
        recalls = {f"R@{k}": vars(comparison.recall(method, score, k, generator)) for k in result.hits}
        table.append(
            {
                "method": method,
                "score": score,
                "seeds": len(result.ranks),
                "queries": len(comparison.rooms),
                **recalls,
                "median rank": result.ranks.double().quantile(0.5, dim=1).mean().item(),
                "wrong orders noticed": vars(comparison.noticed(method, score, generator)),
            }
        )
    differences = {
        one: {score: vars(comparison.difference(one, other, score, 1, generator)) for score in comparison.scores}
        for one, other in comparison.pairs
    }
    return {
        "protocol": comparison.protocol,
        "interval": INTERVAL,
        "table": table,
        DIFFERENCE: differences,
    }


def as_text(found: dict) -> str:
    """Return the table of `as_metrics` as aligned text."""
    head = ("method", "score", "R@1 (95 % interval)", "R@5", "R@10", "median rank", "wrong orders noticed", "n")
    rows = [
        (
            row["method"],
            row["score"],
            str(Interval(**row["R@1"])),
            f"{row['R@5']['mean']:.2f}",
            f"{row['R@10']['mean']:.2f}",
            f"{row['median rank']:.1f}",
            str(Interval(**row["wrong orders noticed"])),
            f"{row['seeds']} seeds x {row['queries']} queries",
        )
        for row in found["table"]
    ]
    lines = [aligned(head, rows)]
    for method, values in found[DIFFERENCE].items():
        lines += [f"{DIFFERENCE}, {method}, {score}: {Interval(**value).signed()}" for score, value in values.items()]
    lines += [f"interval: {found['interval']}", f"protocol: {found['protocol']}"]
    return "\n".join(lines)
