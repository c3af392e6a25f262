"""Order audit of any score: how often it scores a wrong order below the true one, by kind of wrong order.

A *score* says how well sentences and clips fit; higher is better. One side of a pair is made wrong, as
`wrong_sequences` says; the other stays. The score *notices* it if it scores it below the true order. A tie is not
noticed, and scores tie if they differ by no more than rounding. So an order-free score, which ties every order with
the true one, notices none; a score that knows the true order notices all; and one that tosses a coin notices half
(`CHANCE`).

Two controls are audited beside every score: mean-pool, which is order-free, and an oracle, which knows the true
order. An order-free score can notice that a segment was left out or put in, since these kinds change what the steps
are; in all other kinds the order-free control is 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor
from tqdm.auto import tqdm

from tempclr import negatives
from tempclr.metrics import Interval, bootstrap, check_finite, group_means, groups
from tempclr.sequences import Pair, Sequences, pad
from tempclr.tasks.retrieval import ScoreFn, mean_pool
from tempclr.tasks.wrong_sequences import KINDS, SIDES, Candidates, candidates

CHANCE = 0.5  # share noticed by a score that tosses a coin; ties are not noticed
ORDER_FREE, ORACLE = "order-free control", "oracle control"
_ROUNDING = 1e-5  # relative; smaller differences of scores come from rounding: float32 sums in another order
_NUMBERS = 1 << 24  # numbers scored together
_WIDTH = 64  # of the random projections by which the order-free control compares features of different sizes


@dataclass(frozen=True)
class Audited:
    """One kind of wrong sequence on one side, under all scores and both controls."""

    side: str
    kind: str
    names: tuple[str, ...]  # of the videos that can be changed so
    skipped: int  # videos that cannot: they are too short, or the segments of their clips are not known
    orders: Int[Tensor, " videos"]  # number of wrong sequences of each video
    below: Mapping[str, Float[Tensor, "seeds videos"]]  # by score: share that scores below the true order
    tied: Mapping[str, Float[Tensor, "seeds videos"]]  # by score: share that ties with it

    def __post_init__(self) -> None:
        free, oracle = self.below[ORDER_FREE], self.below[ORACLE]
        if (KINDS[self.kind].shuffle is not None and free.any()) or not (oracle == 1).all():
            raise ValueError(
                f"expected 0 from the {ORDER_FREE} and 1 from the {ORACLE} for {self.kind!r} of {self.side}, "
                f"got {free.mean().item()} and {oracle.mean().item()}"
            )

    def noticed(self, score: str, generator: Generator) -> Interval | None:
        """Return the share noticed, 0 to 1, with its interval over seeds and groups of videos; None without a video."""
        if not self.names:
            return None
        return bootstrap(group_means(self.below[score], groups(self.names)), generator=generator)


@dataclass(frozen=True)
class OrderAudit:
    """All kinds of wrong sequences on all sides, under the same scores."""

    scores: tuple[str, ...]  # without the controls
    kinds: tuple[Audited, ...]
    seed: int  # of the wrong sequences

    def of(self, side: str, kind: str) -> Audited:
        """Return one kind on one side.

        Raises:
            ValueError: If it was not audited.
        """
        for each in self.kinds:
            if (each.side, each.kind) == (side, kind):
                return each
        listed = ", ".join(f"{each.kind} of {each.side}" for each in self.kinds)
        raise ValueError(f"expected one of {listed}, got {kind} of {side}")


def of_pair(score: Callable[[np.ndarray, np.ndarray], float]) -> ScoreFn:
    """Return a score of one pair, sentences [n, dim] and clips [m, dim] as NumPy arrays, as a function of two sets.

    Example:
        >>> first = of_pair(lambda sentences, clips: sentences[0] @ clips[0])
        >>> first(pad([torch.ones(2, 3)]), pad([torch.ones(4, 3), torch.zeros(1, 3)]))
        tensor([[3., 0.]], dtype=torch.float64)
    """

    def scores(x: Sequences, y: Sequences) -> Tensor:
        sentences, clips = ([each[number].numpy(force=True) for number in range(len(each))] for each in (x, y))
        return torch.tensor([[float(score(one, other)) for other in clips] for one in sentences], dtype=torch.float64)

    return scores


def audit(
    pairs: Sequence[Pair],
    scores: Mapping[str, ScoreFn],
    *,
    kinds: Sequence[str] = tuple(KINDS),
    sides: Sequence[str] = SIDES,
    count: int = 31,
    seed: int = 0,
    progress: bool = False,
) -> OrderAudit:
    """Return how often scores notice that clips or sentences are in a wrong order.

    Args:
        pairs: Videos and paragraphs, as the scores take them: embeddings, or features, on the CPU.
            `data.embeddings.pairs_of` makes them of arrays.
        scores: By name, functions of two sets of sequences, such as `retrieval.RETRIEVAL_SCORES`; `of_pair(score)` is
            one for any score of a single pair.
        kinds: Names of `KINDS`. A kind that does not apply to a side is left out there.
        sides: Which sides are changed, one after the other: "clips", "sentences" or both.
        count: Wrong sequences of each video, kind and side; where fewer exist, all of them.
        seed: Seed of the wrong sequences, which are the same for all scores.
        progress: Whether to show a progress bar.

    Raises:
        ValueError: If there is no pair or no score, a name is unknown or occurs twice, `count` is not positive, no
            kind applies to the sides, or a score is not finite.

    Example:
        Comparing the first sentence with the first clip is enough to notice that a video runs backwards:

        >>> from tempclr.data.embeddings import pairs_of
        >>> steps = np.eye(4)
        >>> first = of_pair(lambda sentences, clips: sentences[0] @ clips[0])
        >>> found = audit(pairs_of([steps], [steps]), {"first": first}, kinds=["reversed"])
        >>> found.of("clips", "reversed").below["first"].tolist()
        [[1.0]]
    """
    pairs = list(pairs)
    _check(pairs, scores, kinds, sides, count)
    generator, found = Generator().manual_seed(seed), []
    with tqdm(total=len(pairs) * len(sides), desc="auditing", unit="video", disable=not progress) as bar:
        for side in sides:
            own = [kind for kind in kinds if side in KINDS[kind].sides]
            values, wrong = [], []
            for pair, each in zip(pairs, candidates(pairs, side, own, count, generator=generator), strict=True):
                values.append(_scores(pair, side, each, scores))
                wrong.append(each.wrong)
                bar.update()
            margins = {name: _margins([each[name] for each in values]) for name in values[0]}
            found += [_audited(side, kind, pairs, values, [each[kind] for each in wrong], margins) for kind in own]
    return OrderAudit(tuple(scores), tuple(found), seed)


def pooled(audits: Sequence[OrderAudit]) -> OrderAudit:
    """Return audits of several training runs (seeds) on the same videos as one.

    Raises:
        ValueError: If there is no audit, or they differ in scores, seed, kinds or videos.
    """
    same = {(each.scores, each.seed, *((one.side, one.kind, one.names) for one in each.kinds)) for each in audits}
    if len(same) != 1:
        raise ValueError(f"expected audits of the same scores, kinds and videos, got {len(same)} different ones")

    def stacked(parts: Sequence[Mapping[str, Tensor]]) -> Mapping[str, Tensor]:
        return MappingProxyType({name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    kinds = []
    for parts in zip(*(each.kinds for each in audits), strict=True):
        one = parts[0]
        below, tied = stacked([part.below for part in parts]), stacked([part.tied for part in parts])
        kinds.append(Audited(one.side, one.kind, one.names, one.skipped, one.orders, below, tied))
    return OrderAudit(audits[0].scores, tuple(kinds), audits[0].seed)


def _check(
    pairs: list[Pair], scores: Mapping[str, ScoreFn], kinds: Sequence[str], sides: Sequence[str], count: int
) -> None:
    """Refuse an audit of nothing, unknown names and a count below 1."""
    if not pairs or not scores or {ORDER_FREE, ORACLE} & scores.keys():
        raise ValueError(
            f"expected at least one pair and one score, none named as a control, got {len(pairs)} and {list(scores)}"
        )
    for what, chosen, known in (("kinds", kinds, KINDS), ("sides", sides, SIDES)):
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(known):
            raise ValueError(f"expected {what} among {', '.join(known)}, each once, got {', '.join(chosen) or 'none'}")
    if not any(side in KINDS[kind].sides for side in sides for kind in kinds):
        raise ValueError(f"expected a kind that applies to {' or '.join(sides)}, got {', '.join(kinds)}")
    if count < 1:
        raise ValueError(f"expected a count of at least 1, got {count}")


def _scores(
    pair: Pair, side: str, drawn: Candidates, scores: Mapping[str, ScoreFn]
) -> dict[str, Float[Tensor, " candidates"]]:
    """The score of each candidate by each score function and control."""
    other = pair.sentences if side == "clips" else pair.clips
    steps, fixed = _comparable(drawn.steps, other)
    found: dict[str, list[Tensor]] = {name: [] for name in (*scores, ORDER_FREE)}
    together = max(1, _NUMBERS // (max(map(len, drawn.indices)) * drawn.steps[0].numel()))
    for begin in range(0, len(drawn.indices), together):
        indices = drawn.indices[begin : begin + together]
        for name, score_fn in (*scores.items(), (ORDER_FREE, mean_pool)):
            whole, kept = (steps, fixed) if name == ORDER_FREE else (drawn.steps, other)
            changed, same = pad([whole[index] for index in indices]), pad([kept])
            with torch.no_grad():
                values = score_fn(same, changed)[0] if side == "clips" else score_fn(changed, same)[:, 0]
            check_finite(values)
            found[name].append(values.double().cpu())
    content = negatives.contents_of(drawn.steps[None])[0]
    true = [torch.equal(content[index], content[drawn.indices[0]]) for index in drawn.indices]
    return {name: torch.cat(each) for name, each in found.items()} | {ORACLE: torch.tensor(true).double()}


def _comparable(steps: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Steps of both sides as vectors of one size in double precision; projected at random if their sizes differ."""
    flat = [each.reshape(len(each), -1).double() for each in (steps, other)]
    if flat[0].shape[1] != flat[1].shape[1]:
        generator = Generator().manual_seed(0)
        flat = [each @ torch.randn(each.shape[1], _WIDTH, generator=generator, dtype=each.dtype) for each in flat]
    return flat[0], flat[1]


def _margins(values: Sequence[Tensor]) -> Float[Tensor, " videos"]:
    """By how much a score must be lower to be noticed: more than it changes by rounding.

    Rounding is relative to the video's largest score, or to that of the median video: a score near 0 may be a sum of
    larger terms.
    """
    scale = torch.stack([each.abs().max() for each in values])
    return _ROUNDING * scale.maximum(scale.median())


def _audited(
    side: str,
    kind: str,
    pairs: Sequence[Pair],
    values: Sequence[Mapping[str, Tensor]],
    wrong: Sequence[range],
    margins: Mapping[str, Tensor],
) -> Audited:
    """All videos under one kind of wrong sequence."""
    kept = [video for video, each in enumerate(wrong) if each]
    below, tied = {}, {}
    for name, margin in margins.items():
        drops = [values[k][name][0] - values[k][name][wrong[k].start : wrong[k].stop] for k in kept]
        limits = [margin[k] for k in kept]
        below[name] = _means([each > limit for each, limit in zip(drops, limits, strict=True)])
        tied[name] = _means([each.abs() <= limit for each, limit in zip(drops, limits, strict=True)])
    orders = torch.tensor([len(wrong[k]) for k in kept], dtype=torch.int64)
    names = tuple(pairs[k].name for k in kept)
    skipped = len(pairs) - len(kept)
    return Audited(side, kind, names, skipped, orders, MappingProxyType(below), MappingProxyType(tied))


def _means(parts: Sequence[Tensor]) -> Float[Tensor, "1 videos"]:
    """The share of each video, for one seed."""
    return torch.tensor([[each.double().mean().item() for each in parts]], dtype=torch.float64)
