"""Which steps of each pair the order loss takes: all of them, or those of a few sentences, evenly spaced."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from tempclr.sequences import Batch, Sequences, step_mask


@dataclass(frozen=True)
class Selection:
    """Steps of a batch that are kept, by their places in it, in order and with padding at the end."""

    sentences: Int[Tensor, "batch kept_n"]
    clips: Int[Tensor, "batch kept_m"]
    lengths: Int[Tensor, "batch 2"]  # sentences and clips that are kept
    segments: Int[Tensor, "batch kept_m"]  # among the sentences that are kept; -1 is background or padding
    captions: Int[Tensor, "batch kept_n"]  # -1 is padding


def everything(batch: Batch) -> Selection:
    """Return all steps."""
    sentences, clips = (
        torch.arange(each.shape[1], device=each.device).expand_as(each) for each in (batch.captions, batch.segments)
    )
    lengths = torch.stack((batch.sentences.lengths, batch.clips.lengths), 1)
    return Selection(sentences, clips, lengths, batch.segments, batch.captions)


def evenly_spaced(batch: Batch, units: int | None = None, clips_per_unit: int | None = None) -> Selection:
    """Return at most `units` sentences of each pair, from the first to the last, and at most so many clips of each.

    Without a number all are taken. Other clips are left out, but of a pair whose kept sentences have no clips, all
    remain, as background.

    Example:
        Of 16 sentences, 5 are number 0, 4, 8, 11 and 15; of 8 clips, 3 are number 2, 5 and 7.

    Source:
        Yang et al., "TempCLR", ICLR 2023, whose published configurations take 5 of up to 16 pairs, and up to 10
        frames of each step on CrossTask.
    """
    n = batch.sentences.lengths
    units = batch.captions.shape[1] if units is None else min(units, batch.captions.shape[1])
    kept = n.clamp(max=units)
    slot = torch.arange(units, device=n.device)
    gaps = (kept - 1).clamp(min=1)[:, None]
    real = slot < kept[:, None]
    sentences = ((2 * slot * (n[:, None] - 1) + gaps) // (2 * gaps)).masked_fill(~real, 0)  # rounded
    shows = (batch.segments[:, :, None] == sentences[:, None]) & real[:, None]
    if clips_per_unit is not None:
        size = (shows * shows.sum(1, keepdim=True)).sum(2).clamp(min=1)  # clips of the sentence of each clip
        place = (shows * shows.cumsum(1)).sum(2)  # of each clip among them, from 1
        count = size.clamp(max=clips_per_unit)
        shows &= (place * count // size > (place - 1) * count // size)[..., None]
    shown = shows.any(2)
    segments = shows.byte().argmax(2).masked_fill(~shown, -1)
    shown |= ~shown.any(1, keepdim=True) & step_mask(batch.clips.lengths, shown.shape[1])
    clips = _true_first(shown)
    return Selection(
        sentences,
        clips,
        torch.stack((kept, shown.sum(1)), 1),
        segments.gather(1, clips),
        batch.captions.gather(1, sentences).masked_fill(~real, -1),
    )


def taken(values: Shaped[Tensor, "batch steps *features"], places: Int[Tensor, "batch kept"]) -> Tensor:
    """Return the steps of each sequence at places of its own."""
    first = torch.arange(0, values.shape[0] * values.shape[1], values.shape[1], device=values.device)
    rows = (places + first[:, None]).flatten()  # a plain list of rows has the faster gradient
    return values.flatten(0, 1).index_select(0, rows).unflatten(0, places.shape)


def selected(sequences: Sequences, places: Int[Tensor, "batch kept"], lengths: Int[Tensor, " batch"]) -> Sequences:
    """Return the steps of sequences that are kept."""
    return Sequences(taken(sequences.values, places), lengths)


def _true_first(mask: Bool[Tensor, "batch steps"]) -> Int[Tensor, "batch kept"]:
    """Places at which a mask is True, in order, filled up with others to the most of a row."""
    return (~mask).byte().argsort(dim=1, stable=True)[:, : int(mask.sum(1).max())]
