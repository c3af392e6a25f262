"""The order term of the objective: sequences in their true order against wrong orders, and against other sequences."""

from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Generator, Tensor, nn

from tempclr.alignment import AlignmentFn, soft_dtw
from tempclr.losses._gather import Gather, join, mean_over_processes
from tempclr.losses._selection import evenly_spaced, everything
from tempclr.losses._sides import Side, distances_to_orders, distances_to_sequences, text_side, video_side
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.assignment import even_split
from tempclr.losses.contrast import Contrast, info_nce
from tempclr.losses.distances import transposed
from tempclr.losses.order import with_true
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.negatives import Orders, Shuffle, permute_segments, wrong_orders
from tempclr.sequences import Batch, Sequences


@dataclass(frozen=True, repr=False)
class OrderTerm:
    """What is contrasted with what, and by which alignment. The defaults are the published choices.

    With anchor "video" only sentences are shuffled, which needs no bounds. Where clips are shuffled or selected by
    sentence, unknown clips have the segments of `even_split`.

    Raises:
        ValueError: If a field is out of range.
    """

    alignment_fn: AlignmentFn = soft_dtw  # of costs [*batch, sentences, clips] and lengths; see `losses.distances`
    negatives: int = 31  # wrong orders per video and training step; fewer where fewer exist
    shuffle: Shuffle = permute_segments  # what a wrong order is: also `permute_both`, a `mixture`, ...
    anchor: Literal["text", "video", "both"] = "text"  # kept in order; "both" is the mean of both losses
    contrast: Contrast = info_nce  # of the distances to the right candidate and to the others
    temperature: float | Temperature = 1.0  # > 0, in the unit of the summed cost, or learnt; 0.1 to 0.2 works better
    debiased: bool = False  # as for `order_loss`
    in_batch_negatives: bool = False  # whether sequences of the batch with other captions are negatives, too
    sentences: int | None = None  # maximum per video, evenly spaced, at least 2; None takes all
    clips_per_sentence: int | None = None  # maximum, evenly spaced; None takes all
    clips_per_segment: int | None = None  # for videos that are all background; None skips them

    def __post_init__(self) -> None:
        if self.anchor not in ("text", "video", "both"):
            raise ValueError(f"expected anchor text, video or both, got {self.anchor!r}")
        for name, least in (("negatives", 1), ("sentences", 2), ("clips_per_sentence", 1), ("clips_per_segment", 1)):
            count = getattr(self, name)
            if (name == "negatives" or count is not None) and (not isinstance(count, int) or count < least):
                raise ValueError(f"expected {name} to be a whole number of at least {least}, got {count}")
        check_temperature(self.temperature)

    def __repr__(self) -> str:
        return stable_repr(self)

    def __call__(
        self,
        encoders: tuple[nn.Module, nn.Module],
        embedded: tuple[Sequences, Sequences],
        batch: Batch,
        *,
        gather: Gather,
        generator: Generator,
        chunk: int,
    ) -> tuple[Float[Tensor, ""], int]:
        """Return the loss of an embedded batch, and the number of videos skipped: those without a wrong order.

        Args:
            encoders: Of sentences and of clips; a contextual one encodes every order, `chunk` sequences at a time.
            embedded: Sentences and clips in true order.
            batch: What was embedded.
            gather: Joins in-batch negatives and counts of all processes.
            generator: Source of wrong orders.
            chunk: See `TempCLR`.
        """
        batch = replace(batch, segments=even_split(batch.segments, batch.sentences.lengths))
        everywhere = self.sentences is None and self.clips_per_sentence is None
        selection = everything(batch) if everywhere else evenly_spaced(batch, self.sentences, self.clips_per_sentence)
        text = text_side(encoders[0], batch, embedded[0], selection)
        video = video_side(encoders[1], batch, embedded[1], selection, self.clips_per_segment)
        ways = [(text, video, self.alignment_fn)] * (self.anchor != "video")
        ways += [(video, text, transposed(self.alignment_fn))] * (self.anchor != "text")
        total = embedded[0].values.new_zeros(())
        shuffled = torch.zeros_like(batch.clips.lengths, dtype=torch.bool)
        for anchor, positive, alignment_fn in ways:
            orders = self._draw(positive, generator)
            values = distances_to_orders(anchor, positive, orders, alignment_fn, debiased=self.debiased, chunk=chunk)
            counted = with_true(orders.found)
            if self.in_batch_negatives:
                others, differ = self._other_sequences(positive, selection.captions, gather)
                to_others = distances_to_sequences(anchor.embedded, others, alignment_fn, debiased=self.debiased)
                values, counted = torch.cat((values, to_others), 1), torch.cat((counted, differ), 1)
            losses = self.contrast(values, counted, current(self.temperature))
            contrasted = counted[:, 1:].any(1)  # sequences with a negative
            total = total + mean_over_processes(gather, losses.sum(), contrasted)
            shuffled |= orders.found.any(1)
        return total / len(ways), int((~shuffled).sum())

    def _draw(self, side: Side, generator: Generator) -> Orders:
        """Wrong orders of the sentences or of the clips."""
        orders = wrong_orders(
            side.segments,
            self.negatives,
            self.shuffle,
            captions=side.captions,
            contents=side.contents,
            generator=generator,
        )
        return orders.to(side.segments.device)

    def _other_sequences(
        self, side: Side, captions: Int[Tensor, "batch n"], gather: Gather
    ) -> tuple[Sequences, Bool[Tensor, "batch all_videos"]]:
        """Sequences of all processes, and whether their captions differ from those of each of its own videos."""
        joined = join(gather, side.embedded, captions)
        own = joined.captions[joined.own]
        return joined.sequences, (own[:, None] != joined.captions).any(2)
