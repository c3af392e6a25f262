"""The model that is trained: two encoders, and the objective over a batch."""

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from tempclr.encoders import check_per_step, encode
from tempclr.losses._gather import Alone, Gather
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.order_term import OrderTerm
from tempclr.losses.schedule import Schedule
from tempclr.losses.units import UnitTerm
from tempclr.sequences import Batch


@dataclass(frozen=True)
class Losses:
    """The losses of one batch."""

    total: Float[Tensor, ""]
    unit: Float[Tensor, ""]
    order: Float[Tensor, ""]
    unit_skipped: int  # videos without a negative: no described clip, or one caption in the whole batch
    order_skipped: int  # videos without a wrong order: too short, or the same throughout


class TempCLR(nn.Module):
    """Two encoders and the loss that trains them: (1 - weight) * unit term + weight * order term.

    The unit term matches every described clip with its sentence; the order term matches sentences and clips as
    sequences. Videos that a term cannot use are skipped and counted. A video without a wrong order, such as one of a
    single segment, can still be contrasted with in-batch negatives.

    A per-step encoder encodes every step once, and shuffling permutes costs. A `ContextualEncoder` encodes every
    shuffled sequence anew. Any other encoder that mixes steps is refused.

    Args:
        text: Encoder of sentences.
        video: Encoder of clips, to the same dimension.
        unit: The unit term: `UnitTerm`, `WithinVideoTerm` for supervised fine-tuning, or another frozen dataclass
            with the same signature.
        order: The order term.
        weight: Share of the order term, 0 to 1, or a function of the share of training that is done. At 0 the term
            is not computed.
        chunk: Sequences that a contextual encoder encodes at a time, >= 1. If there are more, activations are
            recomputed in the backward pass instead of being kept.
        gather: Joins the embeddings of this process with those of the others; see `losses.Gather`.

    Raises:
        ValueError: If an argument is out of range.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 3; the published weight is 0.7 with 31 negatives.
    """

    def __init__(
        self,
        text: nn.Module,
        video: nn.Module,
        *,
        unit: Callable[..., tuple[Tensor, int]] = UnitTerm(),
        order: OrderTerm = OrderTerm(),
        weight: float | Schedule = 0.7,
        chunk: int = 64,
        gather: Gather | None = None,
    ) -> None:
        super().__init__()
        if not callable(weight):
            _check_weight(weight)
        if not isinstance(chunk, int) or chunk < 1:
            raise ValueError(f"expected chunk to be a whole number of at least 1, got {chunk}")
        self.text, self.video = text, video
        self.unit, self.order, self.weight, self.chunk = unit, order, weight, chunk
        self.gather = Alone() if gather is None else gather
        for name, value in self._terms():
            for number, module in enumerate(_modules_in(value)):  # such as a learnt temperature: `unit_temperature`
                self.add_module(f"{name}_{number}".removesuffix("_0").replace(".", "_"), module)
        self._batches = 0  # so far, with the order term

    def forward(self, batch: Batch, *, generator: Generator, progress: float | None = None) -> Losses:
        """Return the losses of a batch.

        Args:
            batch: At least one pair.
            generator: Source of wrong orders.
            progress: Share of training that is done, 0 to 1; required if the weight or a term depends on it.

        Returns:
            If several processes gather, the mean of their losses is the loss of the joined batch.
        """
        weight = self._weight_at(progress)
        sentences, clips = encode(self.text, batch.sentences), encode(self.video, batch.clips)
        unit, unit_skipped = self.unit(sentences, clips, batch, self.gather, progress=progress)
        order, order_skipped = unit.new_zeros(()), 0
        if weight > 0:
            self._check_encoders(batch)
            order, order_skipped = self.order(
                (self.text, self.video),
                (sentences, clips),
                batch,
                gather=self.gather,
                generator=generator,
                chunk=self.chunk,
            )
        total = (1 - weight) * unit + weight * order
        return Losses(total, unit, order, unit_skipped if weight < 1 else 0, order_skipped)

    def extra_repr(self) -> str:
        """Return the objective, one setting per line, which identifies a checkpoint."""
        own = [(name, getattr(self, name)) for name in ("weight", "chunk", "gather")]
        kinds = [(name, type(getattr(self, name))) for name in ("unit", "order")]
        return "\n".join(
            [f"{name}={kind.__name__}" for name, kind in kinds]
            + [f"{name}={stable_repr(value)}" for name, value in (*own, *self._terms())]
        )

    def _terms(self) -> list[tuple[str, object]]:
        """Fields of both terms by name, such as `order.negatives`."""
        terms: list[tuple[str, Any]] = [("unit", self.unit), ("order", self.order)]
        return [(f"{name}.{field.name}", getattr(term, field.name)) for name, term in terms for field in fields(term)]

    def _weight_at(self, progress: float | None) -> float:
        """Share of the order term at this point of training."""
        if not callable(self.weight):
            return self.weight
        if progress is None or not 0 <= progress <= 1:
            raise ValueError(f"expected the progress of training, 0 to 1, on which the weight depends, got {progress}")
        return _check_weight(self.weight(progress))

    def _check_encoders(self, batch: Batch) -> None:
        """Refuse per-step encoders that mix steps. Checks batches 1, 2, 4, 8 ..., as encoders may learn to mix."""
        if torch.compiler.is_compiling():
            return
        self._batches += 1
        if self._batches & (self._batches - 1) == 0:
            check_per_step(self.text, batch.sentences)
            check_per_step(self.video, batch.clips)


def _modules_in(value: object) -> list[nn.Module]:
    """The modules that a setting holds: itself, or those bound by a partial function or held by a dataclass."""
    if isinstance(value, nn.Module):
        return [value]
    if isinstance(value, partial):
        return [module for each in (*value.args, *value.keywords.values()) for module in _modules_in(each)]
    if is_dataclass(value) and not isinstance(value, type):
        return [module for field in fields(value) for module in _modules_in(getattr(value, field.name))]
    return []


def _check_weight(weight: float) -> float:
    """The weight; refuses one that is not from 0 to 1."""
    if not 0 <= weight <= 1:
        raise ValueError(f"expected a weight from 0 to 1, got {weight}")
    return weight
