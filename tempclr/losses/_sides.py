"""Both sides of a batch, sentences and clips: how the order loss shuffles and compares them."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from tempclr._util.precision import as_single, in_single
from tempclr.alignment import AlignmentFn
from tempclr.costs import all_pairs
from tempclr.encoders import encode_across, encode_steps, is_contextual
from tempclr.losses._selection import Selection, selected, taken
from tempclr.losses.order import encoded_costs, order_distances, permuted_costs, step_cost, with_true_order
from tempclr.negatives import Orders, contents_of, even_segments
from tempclr.pairwise import distances
from tempclr.sequences import Batch, Sequences


@dataclass(frozen=True)
class Side:
    """The sentences of a batch, or its clips."""

    encoder: nn.Module
    steps: Sequences | None  # what an encoder that looks across steps sees again in every order; else None
    embedded: Sequences  # in true order
    segments: Int[Tensor, "batch steps"]  # as `wrong_orders` takes them, as are the next two
    captions: Int[Tensor, "batch steps"]
    contents: Int[Tensor, "batch steps"]


def text_side(encoder: nn.Module, batch: Batch, embedded: Sequences, chosen: Selection) -> Side:
    """Return the sentences, each a segment of its own."""
    lengths = chosen.lengths[:, 0]
    seen = _seen(encoder, batch.sentences, embedded, chosen.sentences, lengths)
    segments = even_segments(lengths, chosen.sentences.shape[1], 1)
    return Side(encoder, *seen, segments, chosen.captions, chosen.captions)


def video_side(
    encoder: nn.Module, batch: Batch, embedded: Sequences, chosen: Selection, pieces: int | None = None
) -> Side:
    """Return the clips; those of a video without segments in segments of `pieces` clips, if it is given."""
    lengths, segments = chosen.lengths[:, 1], chosen.segments
    seen = _seen(encoder, batch.clips, embedded, chosen.clips, lengths)
    captions = chosen.captions.gather(1, segments.clamp(min=0)).masked_fill(segments < 0, -1)
    if pieces is not None:
        bare = (segments < 0).all(1, keepdim=True)
        cut = even_segments(lengths, segments.shape[1], pieces)
        segments, captions = torch.where(bare, cut, segments), torch.where(bare, cut, captions)
    return Side(encoder, *seen, segments, captions, contents_of(taken(batch.clips.values, chosen.clips)))


def to_orders(
    anchor: Side, positive: Side, orders: Orders, alignment_fn: AlignmentFn, *, debiased: bool, chunk: int
) -> Float[Tensor, "batch all_orders"]:
    """Return the distances of each anchor to its positive, in true order first, and in the wrong ones."""
    x, y = anchor.embedded, positive.embedded
    if is_contextual(positive.encoder):
        shuffled = _encoded_orders(positive, with_true_order(orders.values), chunk)
        cost, own = encoded_costs(x.values, shuffled, debiased=debiased)
    else:
        cost, own = permuted_costs(x.values, y.values, orders.values, debiased=debiased)
    return order_distances(cost, own, torch.stack((x.lengths, y.lengths), 1), alignment_fn)


def to_others(
    anchor: Sequences, candidates: Sequences, alignment_fn: AlignmentFn, *, debiased: bool
) -> Float[Tensor, "batch candidates"]:
    """Return the distances of each anchor to each candidate, in true order."""
    with in_single(anchor.values.device):
        x, y = (Sequences(as_single(each.values), each.lengths) for each in (anchor, candidates))
        values = distances(x, y, alignment_fn, cost=all_pairs)
        if debiased:
            values = values - alignment_fn(step_cost(y.values, y.values), y.lengths[:, None].expand(-1, 2)) / 2
    return values


def _seen(
    encoder: nn.Module, whole: Sequences, embedded: Sequences, places: Tensor, lengths: Tensor
) -> tuple[Sequences | None, Sequences]:
    """What is looked across in every order, if an encoder does so, and embeddings of the steps that are kept."""
    if not is_contextual(encoder):
        return None, selected(embedded, places, lengths)
    steps = encode_steps(encoder, selected(whole, places, lengths))
    if torch.equal(lengths, whole.lengths):
        return steps, selected(embedded, places, lengths)
    return steps, encode_across(encoder, steps)  # which must not show what was left out


def _encoded_orders(side: Side, orders: Tensor, chunk: int) -> Float[Tensor, "batch all_orders steps dim"]:
    """Embeddings of each sequence in each order, shuffled before it is looked across, `chunk` sequences at a time."""
    batch, count = orders.shape[:2]
    video = torch.arange(batch, device=orders.device).repeat_interleave(count)
    places = orders.flatten(0, 1)

    def encoded(rows: slice) -> Tensor:
        shuffled = taken(side.steps.values[video[rows]], places[rows])
        return encode_across(side.encoder, Sequences(shuffled, side.steps.lengths[video[rows]])).values

    parts = [slice(start, start + chunk) for start in range(0, batch * count, chunk)]
    if len(parts) > 1 and torch.is_grad_enabled():
        found = [checkpoint(encoded, rows, use_reentrant=False) for rows in parts]
    else:
        found = [encoded(rows) for rows in parts]
    return torch.cat(found).unflatten(0, (batch, count))
