"""The discriminative loss of a transcript: the sentences of a video in order, against all wrong lists of sentences."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tempclr._util.precision import as_single
from tempclr.losses._gather import Gather, mean_over_processes, own_items
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.losses.units import similarities
from tempclr.sequences import BACKGROUND, UNKNOWN, Batch, Sequences

_NEVER = -1e30  # in place of -inf, whose gradients are NaN; no sum of scores comes near it


def discriminative_loss(
    cost: Float[Tensor, "batch sentences m"],
    transcripts: Int[Tensor, "batch n"],
    real: Bool[Tensor, "batch m"] | None = None,
    allowed: Bool[Tensor, "batch n m"] | None = None,
    *,
    temperature: float | Float[Tensor, ""] = 0.1,
) -> Float[Tensor, " batch"]:
    """Return -log P(transcript) of each video, among all transcripts of as many steps.

    A transcript is a list of sentences, none of them twice in a row. A labelling of the clips follows it if it shows
    the sentences one after the other, each on at least one clip. With its energy, the summed cost over the temperature,

        P(transcript) = sum of exp(-energy) over the labellings that follow the transcript
                        / the same sum over the labellings that follow any transcript of n steps

    Both sums take one pass over the clips, step by step: a labelling stays at its sentence or moves on to the next one,
    and in the denominator the next one is any other sentence of the set.

    Args:
        cost: Of each clip with each sentence of the set; +inf forbids one, such as a sentence of another set. Half
            precision becomes float32.
        transcripts: The true sentences in order, as rows of `cost`; padding is -1.
        real: Clips that take part, by default all. Padding does not, nor does background.
        allowed: Clips that may show each step of the true transcript, by default all; where the bounds are known, those
            of the step.
        temperature: > 0, in the unit of the cost. The smaller it is, the more the best labellings count.

    Returns:
        Nats. As P is a softmax over transcripts, the loss is at least 0, and log(C (C - 1)^(n - 1)) if all C sentences
        of the set cost the same. A constant added to all costs of a clip changes nothing. The gradient is how often
        labellings with the true transcript show a sentence on a clip, less how often all labellings do, over the
        temperature. +inf with gradient 0 where no labelling follows the true transcript, as with fewer clips than
        steps.

    Raises:
        ValueError: If shapes differ, a transcript is empty, has a sentence that is not in the set, or has one twice in
            a row, or the temperature is not positive.

    Example:
        Four clips that look like any of three sentences, of which two are shown: one of 3 * 2 transcripts.

        >>> discriminative_loss(torch.zeros(1, 3, 4), torch.tensor([[0, 2]])).exp()
        tensor([6.])

    Source:
        Li, Lei & Todorovic, "Weakly Supervised Energy-Based Learning for Action Segmentation", ICCV 2019: the
        discriminative forward loss (DFL). It is summed over every place of the bounds, not over a window around the
        best ones, and wrong labellings that are already worse than the true ones keep their place in the sum (in the
        published CDFL they do not).
    """
    check_temperature(temperature)
    _check(cost, transcripts, real, allowed)
    real = cost.new_ones(cost.shape[::2], dtype=torch.bool) if real is None else real
    scores = _scores(as_single(cost), temperature)
    true = scores.gather(1, transcripts.clamp(min=0)[..., None].expand(-1, -1, cost.shape[2]))
    if allowed is not None:
        true = true.masked_fill(~allowed, _NEVER)
    steps = (transcripts >= 0).sum(1)
    right = _log_sum(true[:, :, None], real, steps, lambda reached: reached)
    every = _log_sum(scores[:, None].expand(-1, transcripts.shape[1], -1, -1), real, steps, _log_sum_of_others)
    return torch.where(right < _NEVER / 2, torch.inf, every - right)


@dataclass(frozen=True, repr=False)
class DiscriminativeTerm:
    """A unit term that needs no bounds: the transcript of each video against all wrong ones, over a set of sentences.

    It takes the place of `UnitTerm`. Where the bounds of clips are known, the labellings that follow the true
    transcript keep to them, and a sentence that no clip can show is left out. Background takes no part; an unknown clip
    shows one of the sentences. A sentence that occurs twice in a row is one step; one that occurs several times in the
    batch is compared by its mean embedding.

    Raises:
        ValueError: If the temperature is not positive, or the set has another name.
    """

    cosine: bool = True  # whether to compare by cosine; otherwise by the dot product
    temperature: float | Temperature = 0.1  # > 0, or learnt
    among: Literal["batch", "video"] = "batch"  # the set: the sentences of the batch, or those of the video itself

    def __post_init__(self) -> None:
        check_temperature(self.temperature)
        if self.among not in ("batch", "video"):
            raise ValueError(f"expected a transcript among those of the batch or the video, got {self.among!r}")

    def __repr__(self) -> str:
        return stable_repr(self)

    def __call__(
        self, sentences: Sequences, clips: Sequences, batch: Batch, gather: Gather, *, progress: float | None = None
    ) -> tuple[Float[Tensor, ""], int]:
        """Return the mean loss of the videos of an embedded batch, and the number of videos skipped.

        Skipped are videos whose clips cannot follow their transcript (fewer clips than steps, or known bounds in
        another order), and those without another sentence in the set.
        """
        begins, step = _steps(batch)
        found, rows = _distinct(sentences, batch.captions, gather)
        cost = -similarities(found, clips.values, self.cosine)
        row, place = (torch.arange(count, device=rows.device)[:, None] for count in (len(found), rows.shape[1]))
        others = row.new_full((len(rows),), len(found) - 1)  # sentences of the set that a transcript can go wrong with
        if self.among == "video":
            own = (rows[:, None] == row).any(2)
            cost, others = cost.masked_fill(~own[..., None], torch.inf), own.sum(1) - 1
        shown = step.gather(1, batch.segments.clamp(min=0))[:, None]  # the step of each clip, if known
        allowed = (shown == place) | (batch.segments < 0)[:, None]
        losses = discriminative_loss(
            cost,
            _kept(rows, begins),
            batch.segments != BACKGROUND,
            allowed,
            temperature=current(self.temperature),
        )
        used = (losses != torch.inf) & (others > 0)
        total = losses.masked_fill(~used, 0).sum()
        return mean_over_processes(gather, total, used), int((~used).sum())


def _scores(
    cost: Float[Tensor, "batch sentences m"], temperature: float | Float[Tensor, ""]
) -> Float[Tensor, "batch sentences m"]:
    """Minus the energy of each clip with each sentence, relative to the best one, so that sums stay small."""
    forbidden = cost == torch.inf
    least = cost.detach().amin(1, keepdim=True)
    cost = cost.masked_fill(forbidden, 0) - least.masked_fill(least == torch.inf, 0)
    return (-cost / temperature).masked_fill(forbidden, _NEVER)


def _log_sum(
    scores: Float[Tensor, "batch n labels m"],
    real: Bool[Tensor, "batch m"],
    steps: Int[Tensor, " batch"],
    enter: Callable[[Tensor], Tensor],
) -> Float[Tensor, " batch"]:
    """Log-sum of exp(summed scores) over all ways through the steps; `enter`: from the labels of a step to the next."""
    reached = scores.new_full(scores.shape[:3], _NEVER)  # by the clips so far: at this step, with this label
    begin = scores.new_zeros(len(scores), 1, scores.shape[2])
    for clip in range(scores.shape[3]):
        before = torch.cat((begin, enter(reached[:, :-1])), 1)
        part = real[:, clip, None, None]
        reached = torch.where(part, scores[..., clip] + torch.logaddexp(reached, before), reached)
        begin = begin.masked_fill(part, _NEVER)  # the first step begins on the first clip
    last = (steps - 1)[:, None, None].expand(-1, 1, scores.shape[2])
    return reached.gather(1, last).squeeze(1).logsumexp(1)


def _log_sum_of_others(reached: Float[Tensor, "batch n labels"]) -> Float[Tensor, "batch n labels"]:
    """Log-sum over all labels but one, for each label, without a difference that cancels."""
    most, place = reached.detach().max(2, keepdim=True)
    first = torch.zeros_like(reached, dtype=torch.bool).scatter(2, place, True)
    shares = (reached - most).exp()
    others = (shares.sum(2, keepdim=True) - shares).masked_fill(first, 1)  # at least the share of the first, 1
    without = reached.masked_fill(first, _NEVER).logsumexp(2, keepdim=True)
    return torch.where(first, without, most + others.log())


def _steps(batch: Batch) -> tuple[Bool[Tensor, "batch n"], Int[Tensor, "batch n"]]:
    """Whether a step begins with each sentence, and the step that it belongs to; each video has at least one step."""
    captions, segments = batch.captions, batch.segments
    sentence = torch.arange(captions.shape[1], device=captions.device)
    known = segments >= 0
    least = torch.where(known, segments, -1).cummax(1).values[:, None]  # of the known sentences up to each clip
    most = torch.where(known, segments, len(sentence)).flip(1).cummin(1).values.flip(1)[:, None]  # and from it on
    place, clip = sentence[:, None], segments[:, None]
    shown = torch.where(clip == UNKNOWN, (least <= place) & (place <= most), clip == place).any(2)
    kept = shown & (captions >= 0)
    before = torch.where(kept, sentence, -1).cummax(1).values.roll(1, 1)  # the kept sentence before each
    before[:, 0] = -1
    begins = kept & ((before < 0) | (captions.gather(1, before.clamp(min=0)) != captions))
    begins[:, 0] |= ~begins.any(1)
    return begins, begins.cumsum(1) - 1


def _distinct(
    sentences: Sequences, captions: Int[Tensor, "batch n"], gather: Gather
) -> tuple[Float[Tensor, "sentences dim"], Int[Tensor, "batch n"]]:
    """The different sentences of all processes, as mean embeddings, and the row of each sentence; -1 is padding."""
    real = captions >= 0
    values, numbers = as_single(gather(sentences.values[real])), gather(captions[real])
    index = numbers.unique(return_inverse=True)[1]
    times = index.bincount()
    total = values.new_zeros(len(times), values.shape[1]).index_add(0, index, values)
    rows = torch.full_like(captions, -1)
    rows[real] = index[own_items(gather, captions[real])]
    return total / times[:, None], rows


def _kept(rows: Int[Tensor, "batch n"], kept: Bool[Tensor, "batch n"]) -> Int[Tensor, "batch n"]:
    """The rows at which a mask is True, in order and padded with -1."""
    first = (~kept).byte().argsort(dim=1, stable=True)
    return rows.gather(1, first).masked_fill(~kept.gather(1, first), -1)


def _check(cost: Tensor, transcripts: Tensor, real: Tensor | None, allowed: Tensor | None) -> None:
    """Raise `ValueError` unless the shapes match and the transcripts can be followed."""
    n, m = transcripts.shape[-1], cost.shape[-1]
    for name, each, shape in (
        ("transcripts", transcripts, (len(cost), n)),
        ("real", real, (len(cost), m)),
        ("allowed", allowed, (len(cost), n, m)),
    ):
        if each is not None and each.shape != shape:
            raise ValueError(f"expected {name} of shape {shape} for costs {tuple(cost.shape)}, got {tuple(each.shape)}")
    if transcripts.is_meta:
        return
    shown = transcripts >= 0
    if (transcripts < -1).any() or (transcripts >= cost.shape[1]).any():
        raise ValueError(
            f"expected sentences from 0 to {cost.shape[1] - 1}, and -1 for padding, got {transcripts.tolist()}"
        )
    if not shown[:, :1].all() or (shown[:, 1:] & ~shown[:, :-1]).any():
        raise ValueError(
            f"expected transcripts of at least one sentence, padded at the end, got {transcripts.tolist()}"
        )
    if (shown[:, 1:] & (transcripts[:, 1:] == transcripts[:, :-1])).any():
        raise ValueError(f"expected no sentence twice in a row (such are one step), got {transcripts.tolist()}")
