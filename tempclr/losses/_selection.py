"""The steps of each pair that the order term uses: all, or those of a few evenly spaced sentences."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int, Shaped
from torch import Tensor

from tempclr.sequences import Batch, Sequences, step_mask


@dataclass(frozen=True)
class Selection:
    """Selected steps of a batch, as indices into it, in order and padded at the end."""

    sentences: Int[Tensor, "batch kept_n"]
    clips: Int[Tensor, "batch kept_m"]
    lengths: Int[Tensor, "batch 2"]  # numbers of selected sentences and clips
    segments: Int[Tensor, "batch kept_m"]  # index of the selected sentence of each clip; -1 is background or padding
    captions: Int[Tensor, "batch kept_n"]  # -1 is padding


def everything(batch: Batch) -> Selection:
    """Return all steps."""
    sentences, clips = (
        torch.arange(each.shape[1], device=each.device).expand_as(each) for each in (batch.captions, batch.segments)
    )
    lengths = torch.stack((batch.sentences.lengths, batch.clips.lengths), 1)
    return Selection(sentences, clips, lengths, batch.segments, batch.captions)


def evenly_spaced(batch: Batch, sentences: int | None = None, clips_per_sentence: int | None = None) -> Selection:
    """Return at most `sentences` sentences of each pair, from the first to the last, and their clips.

    At most `clips_per_sentence` clips of each sentence are selected. None selects all. Clips without a selected
    sentence are left out, unless a pair has only such clips: then all are selected, as background.

    Example:
        Five of 16 sentences have indices 0, 4, 8, 11 and 15; three of 8 clips have indices 2, 5 and 7.

    Source:
        Yang et al., "TempCLR", ICLR 2023, whose published configurations take 5 of up to 16 pairs, and up to 10
        frames of each task step on CrossTask.
    """
    n = batch.sentences.lengths
    most = batch.captions.shape[1] if sentences is None else min(sentences, batch.captions.shape[1])
    kept = n.clamp(max=most)
    slot = torch.arange(most, device=n.device)
    gaps = (kept - 1).clamp(min=1)[:, None]
    real = slot < kept[:, None]
    selected = ((2 * slot * (n[:, None] - 1) + gaps) // (2 * gaps)).masked_fill(~real, 0)  # rounded
    shows = (batch.segments[:, :, None] == selected[:, None]) & real[:, None]
    if clips_per_sentence is not None:
        size = (shows * shows.sum(1, keepdim=True)).sum(2).clamp(min=1)  # number of clips of a clip's sentence
        place = (shows * shows.cumsum(1)).sum(2)  # position of a clip among them, from 1
        count = size.clamp(max=clips_per_sentence)
        shows &= (place * count // size > (place - 1) * count // size)[..., None]
    shown = shows.any(2)
    segments = shows.byte().argmax(2).masked_fill(~shown, -1)
    shown |= ~shown.any(1, keepdim=True) & step_mask(batch.clips.lengths, shown.shape[1])
    clips = _true_first(shown)
    return Selection(
        selected,
        clips,
        torch.stack((kept, shown.sum(1)), 1),
        segments.gather(1, clips),
        batch.captions.gather(1, selected).masked_fill(~real, -1),
    )


def steps_at(values: Shaped[Tensor, "batch steps *features"], places: Int[Tensor, "batch kept"]) -> Tensor:
    """Return the steps of each sequence at the indices in its row."""
    first = torch.arange(0, values.shape[0] * values.shape[1], values.shape[1], device=values.device)
    rows = (places + first[:, None]).flatten()  # a flat index has a faster backward pass
    return values.flatten(0, 1).index_select(0, rows).unflatten(0, places.shape)


def selected_steps(
    sequences: Sequences, places: Int[Tensor, "batch kept"], lengths: Int[Tensor, " batch"]
) -> Sequences:
    """Return the selected steps of sequences."""
    return Sequences(steps_at(sequences.values, places), lengths)


def _true_first(mask: Bool[Tensor, "batch steps"]) -> Int[Tensor, "batch kept"]:
    """Indices at which a mask is True, in order; shorter rows are filled with other indices."""
    return (~mask).byte().argsort(dim=1, stable=True)[:, : int(mask.sum(1).max())]
