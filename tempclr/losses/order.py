"""The order loss: contrast a sequence in its true order with the same sequence in wrong orders."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tempclr._util.precision import as_single, in_single
from tempclr.alignment import AlignmentFn, soft_dtw
from tempclr.costs import cosine_cost
from tempclr.losses.contrast import info_nce
from tempclr.losses.temperature import check_temperature
from tempclr.negatives import Orders, as_orders


def order_loss(
    anchor: Float[Tensor, "batch n dim"],
    positive: Float[Tensor, "batch m dim"],
    orders: Orders | Int[Tensor, "*rows m"],
    *,
    lengths: Int[Tensor, "batch 2"] | None = None,
    alignment_fn: AlignmentFn = soft_dtw,
    debiased: bool = False,
    temperature: float | Float[Tensor, ""] = 1.0,
) -> Float[Tensor, ""]:
    """Return the InfoNCE loss that contrasts a sequence in its true order with shuffled ones.

    With d the value of the alignment function on cosine costs, it is the mean over the batch of

        -log exp(-d(anchor, positive) / temperature) / sum_o exp(-d(anchor, positive[o]) / temperature)

    where o runs over the true order and the wrong ones.

    Args:
        anchor: Embeddings of the sequence that is kept in order.
        positive: Embeddings of its aligned partner, from a per-step encoder. A contextual encoder has to encode
            every order anew, as `TempCLR` does.
        orders: Wrong orders from `wrong_orders`, or permutations of the steps of the positive: [count, m] for the
            whole batch, or [batch, count, m]. Padding must stay in place.
        lengths: True numbers of steps of anchor and positive.
        alignment_fn: Maps costs [*batch, n, m], anchor by positive, and lengths to one distance per pair. By
            default, as published, soft-DTW with a gamma of 0.1.
        debiased: Whether to subtract half of the distance of each sequence to itself, which turns soft-DTW into
            the soft-DTW divergence.
        temperature: > 0, in the unit of the summed cost.

    Returns:
        Nats; log(1 + count) if order makes no difference. Sequences without a wrong order are left out of the mean;
        0 if none remain.

    Raises:
        ValueError: If an order is not a permutation or moves padding, or a shape or range is wrong.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2.
    """
    check_temperature(temperature)
    orders = as_orders(orders, len(positive), positive.shape[1], lengths)
    cost, own = permuted_costs(anchor, positive, orders.values, debiased=debiased)
    each = info_nce(order_distances(cost, own, lengths, alignment_fn), with_true(orders.found), temperature)
    return each.sum() / orders.found.any(1).sum().clamp(min=1)


def permuted_costs(
    anchor: Float[Tensor, "batch n dim"],
    positive: Float[Tensor, "batch m dim"],
    orders: Int[Tensor, "batch count m"],
    *,
    debiased: bool,
) -> tuple[Float[Tensor, "batch all_orders n m"], Float[Tensor, "batch all_orders m m"] | None]:
    """Return the costs of the true order, then of the wrong ones; if `debiased`, also of each order with itself.

    Each step was encoded by itself, so shuffling permutes columns.
    """
    orders = with_true_order(orders)
    cost = _by_columns(step_cost(anchor, positive), orders)
    own = _by_columns(step_cost(positive, positive), orders) if debiased else None
    if own is not None:
        own = own.gather(2, orders[..., None].expand(own.shape))
    return cost, own


def encoded_costs(
    anchor: Float[Tensor, "batch n dim"], shuffled: Float[Tensor, "batch all_orders m dim"], *, debiased: bool
) -> tuple[Float[Tensor, "batch all_orders n m"], Float[Tensor, "batch all_orders m m"] | None]:
    """Return the same costs for sequences that were shuffled before they were encoded, the true order first."""
    anchors = anchor[:, None].expand(-1, shuffled.shape[1], -1, -1)
    return step_cost(anchors, shuffled), step_cost(shuffled, shuffled) if debiased else None


def step_cost(x: Float[Tensor, "*batch n dim"], y: Float[Tensor, "*batch m dim"]) -> Float[Tensor, "*batch n m"]:
    """Return cosine costs in single precision or better, even under mixed precision."""
    with in_single(x.device):
        return cosine_cost(as_single(x), as_single(y))


def order_distances(
    cost: Float[Tensor, "batch all_orders n m"],
    own: Float[Tensor, "batch all_orders m m"] | None,
    lengths: Int[Tensor, "batch 2"] | None,
    alignment_fn: AlignmentFn,
) -> Float[Tensor, "batch all_orders"]:
    """Return the distance of the anchor to each order of the positive; `own`: costs of each order with itself."""
    lengths = None if lengths is None else lengths[:, None].expand(-1, cost.shape[1], -1)
    with in_single(cost.device):
        values = alignment_fn(cost, lengths)
        if own is None:
            return values
        return values - alignment_fn(own, None if lengths is None else lengths[..., [1, 1]]) / 2


def with_true(found: Bool[Tensor, "batch count"]) -> Bool[Tensor, "batch all_orders"]:
    """Return which orders were found, with the true one in front."""
    return torch.nn.functional.pad(found, (1, 0), value=True)


def with_true_order(orders: Int[Tensor, "batch count m"]) -> Int[Tensor, "batch all_orders m"]:
    """Return orders with the true one in front."""
    true = torch.arange(orders.shape[2], device=orders.device)
    return torch.cat((true.expand(len(orders), 1, -1), orders), 1)


def _by_columns(cost: Tensor, orders: Tensor) -> Tensor:
    """Costs [batch, orders, n, m], with the columns permuted by each order."""
    cost = cost[:, None].expand(-1, orders.shape[1], -1, -1)
    return cost.gather(3, orders[:, :, None, :].expand(cost.shape))
