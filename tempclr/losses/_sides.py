"""The two sides of a batch, sentences and clips: how the order term shuffles, encodes and compares them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tempclr._util.precision import as_single, in_single
from tempclr.alignment import AlignmentFn
from tempclr.costs import all_pairs
from tempclr.encoders import ContextualEncoder, encode_in_context, encode_steps, is_contextual
from tempclr.losses._selection import Selection, selected_steps, steps_at
from tempclr.losses.order import encoded_costs, order_distances, permuted_costs, step_cost, with_true_order
from tempclr.negatives import Orders, contents_of, even_segments
from tempclr.pairwise import distances
from tempclr.sequences import Batch, Sequences


@dataclass(frozen=True)
class Side:
    """The selected sentences of a batch, or its clips."""

    encoder: nn.Module
    steps: Sequences | None  # input of `encode_in_context` for every order; None for a per-step encoder
    embedded: Sequences  # in true order
    segments: Int[Tensor, "batch steps"]  # argument of `wrong_orders`, as are the next two
    captions: Int[Tensor, "batch steps"]
    contents: Int[Tensor, "batch steps"]


def text_side(encoder: nn.Module, batch: Batch, embedded: Sequences, selection: Selection) -> Side:
    """Return the sentences, each a segment of its own."""
    lengths = selection.lengths[:, 0]
    steps, embedded = _selected(encoder, batch.sentences, embedded, selection.sentences, lengths)
    segments = even_segments(lengths, selection.sentences.shape[1], 1)
    return Side(encoder, steps, embedded, segments, selection.captions, selection.captions)


def video_side(
    encoder: nn.Module,
    batch: Batch,
    embedded: Sequences,
    selection: Selection,
    clips_per_segment: int | None = None,
) -> Side:
    """Return the clips. `clips_per_segment` (if given) cuts videos that are all background into such segments."""
    lengths, segments = selection.lengths[:, 1], selection.segments
    steps, embedded = _selected(encoder, batch.clips, embedded, selection.clips, lengths)
    captions = selection.captions.gather(1, segments.clamp(min=0)).masked_fill(segments < 0, -1)
    if clips_per_segment is not None:
        bare = (segments < 0).all(1, keepdim=True)
        even = even_segments(lengths, segments.shape[1], clips_per_segment)
        segments, captions = torch.where(bare, even, segments), torch.where(bare, even, captions)
    contents = contents_of(steps_at(batch.clips.values, selection.clips))
    return Side(encoder, steps, embedded, segments, captions, contents)


def distances_to_orders(
    anchor: Side, positive: Side, orders: Orders, alignment_fn: AlignmentFn, *, debiased: bool, chunk: int
) -> Float[Tensor, "batch all_orders"]:
    """Return the distances of each anchor to its positive, in true order first, then in the wrong orders."""
    x, y = anchor.embedded, positive.embedded
    if is_contextual(positive.encoder) and positive.steps is not None:
        shuffled = _encoded_orders(positive.encoder, positive.steps, with_true_order(orders.values), chunk)
        cost, own = encoded_costs(x.values, shuffled, debiased=debiased)
    else:
        cost, own = permuted_costs(x.values, y.values, orders.values, debiased=debiased)
    return order_distances(cost, own, torch.stack((x.lengths, y.lengths), 1), alignment_fn)


def distances_to_sequences(
    anchor: Sequences, candidates: Sequences, alignment_fn: AlignmentFn, *, debiased: bool
) -> Float[Tensor, "batch candidates"]:
    """Return the distances of each anchor to each candidate, in true order."""
    with in_single(anchor.values.device):
        x, y = (Sequences(as_single(each.values), each.lengths) for each in (anchor, candidates))
        values = distances(x, y, alignment_fn, cost=all_pairs)
        if debiased:
            values = values - alignment_fn(step_cost(y.values, y.values), y.lengths[:, None].expand(-1, 2)) / 2
    return values


def _selected(
    encoder: nn.Module, whole: Sequences, embedded: Sequences, places: Tensor, lengths: Tensor
) -> tuple[Sequences | None, Sequences]:
    """The selected steps, as input of `encode_in_context` (None for a per-step encoder) and embedded."""
    if not is_contextual(encoder):
        return None, selected_steps(embedded, places, lengths)
    steps = encode_steps(encoder, selected_steps(whole, places, lengths))
    if torch.equal(lengths, whole.lengths):
        return steps, selected_steps(embedded, places, lengths)
    return steps, encode_in_context(encoder, steps)  # again: the steps left out must not be in the context


def _encoded_orders(
    encoder: ContextualEncoder, steps: Sequences, orders: Tensor, chunk: int
) -> Float[Tensor, "batch all_orders steps dim"]:
    """Embeddings of each sequence in each order, shuffled before it is encoded, `chunk` sequences at a time."""
    batch, count = orders.shape[:2]
    video = torch.arange(batch, device=orders.device).repeat_interleave(count)
    places = orders.flatten(0, 1)

    def encoded(rows: slice) -> Tensor:
        shuffled = steps_at(steps.values[video[rows]], places[rows])
        return encode_in_context(encoder, Sequences(shuffled, steps.lengths[video[rows]])).values

    chunks = [slice(start, start + chunk) for start in range(0, batch * count, chunk)]
    if len(chunks) > 1 and torch.is_grad_enabled():
        parts = [checkpoint(encoded, rows, use_reentrant=False) for rows in chunks]
    else:
        parts = [encoded(rows) for rows in chunks]
    return torch.cat(parts).unflatten(0, (batch, count))
