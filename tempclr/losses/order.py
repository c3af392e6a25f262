"""The order loss: tell a sequence in its true order from shuffled ones, and from others, by an alignment."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from tempclr._util.precision import as_single, in_single
from tempclr.alignment import AlignmentFn, soft_dtw
from tempclr.costs import cosine_cost
from tempclr.losses.temperature import check_temperature
from tempclr.negatives import Orders


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
    """Return the InfoNCE loss of telling a sequence in its true order from shuffled ones.

    With d the distance over cosine costs, the mean over the batch of

        -log exp(-d(anchor, positive) / temperature) / sum_o exp(-d(anchor, positive[o]) / temperature)

    where o runs over the true order and the wrong ones.

    Args:
        anchor: Embeddings of the sequence that is kept in order.
        positive: Embeddings of its aligned partner, each step encoded by itself: of an encoder that looks across
            steps, a shuffled embedding is not that of the shuffled sequence (`TempCLR` encodes every order).
        orders: Wrong orders from `wrong_orders`, or given as [count, m] for the whole batch, or [batch, count, m]:
            each a permutation of the steps of the positive. Padding must stay in its place.
        lengths: True steps of anchor and positive.
        alignment_fn: Of costs [*batch, n, m], anchor by positive, and lengths; see `distances`. Soft-DTW with its gamma
            of 0.1 as published, if it is not given.
        debiased: Whether half of what each sequence costs with itself is taken off, which makes of soft-DTW
            the soft-DTW divergence.
        temperature: > 0, in the unit of the summed cost.

    Returns:
        Nats; log(1 + count) when order makes no difference. Sequences without a wrong order take no part; 0 if all are.

    Raises:
        ValueError: If an order is not a permutation, moves padding, or a shape or range is off.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3.2.
    """
    check_temperature(temperature)
    orders = _checked_orders(orders, positive, lengths)
    cost, own = permuted_costs(anchor, positive, orders.values, debiased=debiased)
    each = contrast(order_distances(cost, own, lengths, alignment_fn), with_true(orders.found), temperature)
    return each.sum() / orders.found.any(1).sum().clamp(min=1)


def permuted_costs(
    anchor: Float[Tensor, "batch n dim"],
    positive: Float[Tensor, "batch m dim"],
    orders: Int[Tensor, "batch count m"],
    *,
    debiased: bool,
) -> tuple[Float[Tensor, "batch all_orders n m"], Float[Tensor, "batch all_orders m m"] | None]:
    """Return costs with the true order, first, and the wrong ones, and if `debiased` those of each with itself.

    Each step was encoded once: to shuffle is to permute columns.
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
    """Return the same for sequences that were shuffled, and the true one first, before they were encoded."""
    anchors = anchor[:, None].expand(-1, shuffled.shape[1], -1, -1)
    return step_cost(anchors, shuffled), step_cost(shuffled, shuffled) if debiased else None


def step_cost(x: Float[Tensor, "*batch n dim"], y: Float[Tensor, "*batch m dim"]) -> Float[Tensor, "*batch n m"]:
    """Return cosine costs in single precision or better, also where mixed precision is on."""
    with in_single(x.device):
        return cosine_cost(as_single(x), as_single(y))


def order_distances(
    cost: Float[Tensor, "batch all_orders n m"],
    own: Float[Tensor, "batch all_orders m m"] | None,
    lengths: Int[Tensor, "batch 2"] | None,
    alignment_fn: AlignmentFn,
) -> Float[Tensor, "batch all_orders"]:
    """Return the distance of the anchor to the positive in each order; `own` is what orders cost with themselves."""
    lengths = None if lengths is None else lengths[:, None].expand(-1, cost.shape[1], -1)
    with in_single(cost.device):
        values = alignment_fn(cost, lengths)
        if own is None:
            return values
        return values - alignment_fn(own, None if lengths is None else lengths[..., [1, 1]]) / 2


def contrast(
    distances: Float[Tensor, "batch candidates"],
    taking_part: Bool[Tensor, "batch candidates"],
    temperature: float | Float[Tensor, ""],
) -> Float[Tensor, " batch"]:
    """Return the InfoNCE loss of each sequence, whose first candidate is the right one; 0 if it is the only one."""
    scores = (-distances / temperature).masked_fill(~taking_part, -torch.inf)
    return cross_entropy(scores, torch.zeros_like(scores[:, 0], dtype=torch.int64), reduction="none")


def with_true(found: Bool[Tensor, "batch count"]) -> Bool[Tensor, "batch all_orders"]:
    """Return which orders take part, if the true one is put in front."""
    return torch.nn.functional.pad(found, (1, 0), value=True)


def with_true_order(orders: Int[Tensor, "batch count m"]) -> Int[Tensor, "batch all_orders m"]:
    """Return orders with the true one in front."""
    true = torch.arange(orders.shape[2], device=orders.device)
    return torch.cat((true.expand(len(orders), 1, -1), orders), 1)


def _by_columns(cost: Tensor, orders: Tensor) -> Tensor:
    """Costs [batch, orders, n, m] with their columns in each order."""
    cost = cost[:, None].expand(-1, orders.shape[1], -1, -1)
    return cost.gather(3, orders[:, :, None, :].expand(cost.shape))


def _checked_orders(orders: Orders | Tensor, positive: Tensor, lengths: Tensor | None) -> Orders:
    """Orders of each sequence, refused unless each permutes the true steps and leaves padding in place."""
    batch, m = positive.shape[:2]
    values = orders.values if isinstance(orders, Orders) else orders
    values = values.expand(batch, -1, -1) if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[0] != batch or values.shape[1] == 0 or values.shape[2] != m:
        raise ValueError(f"expected orders [count, {m}] or [{batch}, count, {m}], got {tuple(values.shape)}")
    if not values.is_meta:
        steps = torch.arange(m, device=values.device)
        if not torch.equal(values.sort(-1).values, steps.expand_as(values)):
            raise ValueError(f"expected every order to be a permutation of 0 to {m - 1}")
        if lengths is not None and not ((values == steps) | (steps < lengths[:, 1, None, None])).all():
            raise ValueError("expected orders to leave padding in its place, got one that moves it")
    found = orders.found if isinstance(orders, Orders) else torch.ones_like(values[..., 0], dtype=torch.bool)
    return Orders(values, found)
