"""The model that is trained: two encoders, and the objective over a batch."""

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Generator, Tensor, nn

from tempclr.alignment import AlignmentFn, soft_dtw
from tempclr.encoders import check_single_steps, encode
from tempclr.losses._gather import Alone, Gather, join, own_items
from tempclr.losses._selection import evenly_spaced, everything
from tempclr.losses._sides import Side, text_side, to_orders, to_others, video_side
from tempclr.losses._stable_repr import stable_repr
from tempclr.losses.distances import transposed
from tempclr.losses.order import contrast, with_true
from tempclr.losses.schedule import Schedule
from tempclr.losses.temperature import Temperature, check_temperature, current
from tempclr.losses.units import StepLoss, UnitLoss, unit_loss
from tempclr.negatives import Orders, Shuffle, permute_segments, wrong_orders
from tempclr.sequences import Batch, Sequences, pair_mask

SETTINGS = (  # that decide the losses; `chunk` by the dropout of what is encoded again
    *("weight", "negatives", "shuffle", "anchor", "distance", "debiased", "others", "units"),
    *("clips_per_unit", "pieces"),
    *("temperature", "unit", "within", "unit_temperature", "chunk", "gather"),
)


@dataclass(frozen=True)
class Losses:
    """What one batch costs."""

    total: Float[Tensor, ""]
    unit: Float[Tensor, ""]
    order: Float[Tensor, ""]
    unit_skipped: int  # videos without a described clip, or in a batch of a single caption: nothing to be told from
    order_skipped: int  # videos without a wrong order, which are too short or say the same all over


class TempCLR(nn.Module):
    """Two encoders and the loss that trains them: (1 - weight) * unit loss + weight * order loss.

    The unit loss matches every described clip with its sentence; the order loss matches the
    sentences with the clips as sequences. Videos that a loss does without are counted; without a wrong order (such as
    one of a single segment), a video takes part in the order loss only as far as it is told from `others`.

    Steps that are encoded one by one are encoded once, and shuffled in the cost. An encoder that looks
    across steps (`contextual = True`) sees every order by itself: its features are shuffled before. One that does so
    without saying is refused.

    Args:
        text: Encoder of sentences.
        video: Encoder of clips, to the same dimension.
        weight: Share of the order loss, 0 to 1, or a function from the progress of training to it. At 0 it is
            not computed.
        negatives: Wrong orders per video and step of training; fewer where fewer exist.
        shuffle: What a wrong order is: `negatives.permute_segments`, `permute_both`, a `mixture`, ...
        anchor: What is kept in order: "text" shuffles clips, "video" sentences, "both" is the mean of both losses.
        distance: Of costs [*batch, sentences, clips] and lengths; see `losses.distances`. As published, soft-DTW.
        debiased: As for `order_loss`.
        others: Whether a sequence is also told from the other sequences of the batch, apart from
            those with the same captions.
        units: Most sentences of a video that the order loss takes, evenly spaced, at least 2; all if it is None.
        clips_per_unit: Most clips of a sentence that the order loss takes, evenly spaced; all if it is None.
        pieces: Clips per segment, for videos none of whose clips has a sentence; such are skipped if it is None.
        temperature: Of the order loss, > 0, or a `Temperature` to be learnt.
        unit: `unit_loss`, `mil_nce`, or another function like them.
        within: `step_loss`, or another function like it, in place of `unit`: every clip, also of background, is
            compared with the sentences of its own video alone, as in supervised fine-tuning.
        unit_temperature: Of the unit loss, as `temperature`.
        chunk: Sequences that an encoder that looks across steps encodes at a time; if there are more, it
            computes them again on the way back instead of keeping all.
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
        weight: float | Schedule = 0.7,
        negatives: int = 31,
        shuffle: Shuffle = permute_segments,
        anchor: Literal["text", "video", "both"] = "text",
        distance: AlignmentFn = soft_dtw,
        debiased: bool = False,
        others: bool = False,
        units: int | None = None,
        clips_per_unit: int | None = None,
        pieces: int | None = None,
        temperature: float | Temperature = 1.0,
        unit: UnitLoss = unit_loss,
        within: StepLoss | None = None,
        unit_temperature: float | Temperature = 0.1,
        chunk: int = 64,
        gather: Gather | None = None,
    ) -> None:
        super().__init__()
        if not callable(weight):
            _check_weight(weight)
        if anchor not in ("text", "video", "both"):
            raise ValueError(f"expected anchor text, video or both, got {anchor!r}")
        counts = [("negatives", negatives, 1), ("chunk", chunk, 1)]
        optional = (("units", units, 2), ("clips_per_unit", clips_per_unit, 1), ("pieces", pieces, 1))
        counts += [each for each in optional if each[1] is not None]
        for name, count, least in counts:
            if not isinstance(count, int) or count < least:
                raise ValueError(f"expected {name} to be a whole number of at least {least}, got {count}")
        check_temperature(temperature)
        check_temperature(unit_temperature)
        self.text, self.video = text, video
        self.weight, self.negatives, self.shuffle, self.anchor = weight, negatives, shuffle, anchor
        self.distance, self.debiased, self.others = distance, debiased, others
        self.units, self.clips_per_unit, self.pieces, self.chunk = units, clips_per_unit, pieces, chunk
        self.unit, self.within, self.temperature, self.unit_temperature = unit, within, temperature, unit_temperature
        self.gather = Alone() if gather is None else gather
        self._batches = 0  # so far, in training

    def forward(self, batch: Batch, *, generator: Generator, progress: float | None = None) -> Losses:
        """Return the losses of a batch.

        Args:
            batch: Of at least one pair.
            generator: Source of wrong orders.
            progress: Share of the training that is done, 0 to 1; needed if the weight depends on it.

        Returns:
            Of several processes that gather, losses whose mean over processes is that of the joined batch.
        """
        weight = self._weight(progress)
        sentences, clips = encode(self.text, batch.sentences), encode(self.video, batch.clips)
        unit, unit_skipped = (self._unit_loss if self.within is None else self._step_loss)(sentences, clips, batch)
        order, order_skipped = unit.new_zeros(()), 0
        if weight > 0:
            order, order_skipped = self._order_loss(batch, sentences, clips, generator)
        total = (1 - weight) * unit + weight * order
        return Losses(total, unit, order, unit_skipped if weight < 1 else 0, order_skipped)

    def extra_repr(self) -> str:
        """Return the objective in words, a line for each setting."""
        return "\n".join(f"{name}={stable_repr(getattr(self, name))}" for name in SETTINGS)

    def _weight(self, progress: float | None) -> float:
        """Share of the order loss at this point of training."""
        if not callable(self.weight):
            return self.weight
        if progress is None or not 0 <= progress <= 1:
            raise ValueError(f"expected the progress of training, 0 to 1, on which the weight depends, got {progress}")
        return _check_weight(self.weight(progress))

    def _unit_loss(self, sentences: Sequences, clips: Sequences, batch: Batch) -> tuple[Tensor, int]:
        """Every described clip of this process against the sentences of all, and how many videos that leaves out."""
        shown = batch.segments >= 0
        video, clip = shown.nonzero(as_tuple=True)
        sentence = batch.segments[video, clip]
        x, y = (self.gather(each) for each in (sentences.values[video, sentence], clips.values[video, clip]))
        if len(x) == 0:
            return (x.sum() + y.sum()) * 0, len(batch.segments)
        groups = self.gather(batch.captions[video, sentence])
        own = own_items(self.gather, video)
        mean = self.unit(x, y, groups, temperature=current(self.unit_temperature), own=own)
        told = int(shown.any(1).sum()) if (groups != groups[0]).any() else 0
        return self._mean(mean * own.sum(), torch.ones_like(video)), len(batch.segments) - told

    def _step_loss(self, sentences: Sequences, clips: Sequences, batch: Batch) -> tuple[Tensor, int]:
        """Every clip of this process against the sentences of its own video; equal captions are one step."""
        spoken = batch.captions.gather(1, batch.segments.clamp(min=0)).masked_fill(batch.segments < 0, -1)
        lengths = torch.stack((sentences.lengths, clips.lengths), 1)
        real = pair_mask(lengths, batch.captions.shape[1], spoken.shape[1])
        shown = (batch.captions[:, :, None] == spoken[:, None]) & (spoken >= 0)[:, None]
        temperature = current(self.unit_temperature)
        mean = self.within(sentences.values, clips.values, shown, real, temperature=temperature)
        return self._mean(mean * real.sum(), real), 0

    def _order_loss(
        self, batch: Batch, sentences: Sequences, clips: Sequences, generator: Generator
    ) -> tuple[Tensor, int]:
        """Sequences in their order against shuffled and other ones, and how many videos have no wrong order."""
        self._look_at_encoders(batch)
        whole = self.units is None and self.clips_per_unit is None
        chosen = everything(batch) if whole else evenly_spaced(batch, self.units, self.clips_per_unit)
        text = text_side(self.text, batch, sentences, chosen)
        video = video_side(self.video, batch, clips, chosen, self.pieces)
        ways = [(text, video, self.distance)] * (self.anchor != "video")
        ways += [(video, text, transposed(self.distance))] * (self.anchor != "text")
        total = sentences.values.new_zeros(())
        shuffled = torch.zeros_like(batch.clips.lengths, dtype=torch.bool)
        for anchor, positive, distance in ways:
            orders = self._draw(positive, generator)
            values = to_orders(anchor, positive, orders, distance, debiased=self.debiased, chunk=self.chunk)
            part = with_true(orders.found)
            if self.others:
                candidates, different = self._others(positive, chosen.captions)
                others = to_others(anchor.embedded, candidates, distance, debiased=self.debiased)
                values, part = torch.cat((values, others), 1), torch.cat((part, different), 1)
            each = contrast(values, part, current(self.temperature))
            told = part[:, 1:].any(1)  # which have a negative at all
            total = total + self._mean(each.sum(), told)
            shuffled |= orders.found.any(1)
        return total / len(ways), int((~shuffled).sum())

    def _look_at_encoders(self, batch: Batch) -> None:
        """Refuse encoders that look across steps without saying so, in batches 1, 2, 4, 8 ...: some learn to do it."""
        if torch.compiler.is_compiling():
            return
        self._batches += 1
        if self._batches & (self._batches - 1) == 0:
            check_single_steps(self.text, batch.sentences)
            check_single_steps(self.video, batch.clips)

    def _mean(self, total: Tensor, counted: Tensor) -> Tensor:
        """This process's part of a mean over all of them: its total, over their mean number of what is counted."""
        number = self.gather(counted.long()).sum().clamp(min=1)
        return total * self.gather.count / number

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

    def _others(self, side: Side, captions: Tensor) -> tuple[Sequences, Tensor]:
        """Sequences of all processes, and of which videos of this process they differ in captions."""
        joined = join(self.gather, side.embedded, captions)
        own = joined.captions[joined.own]
        return joined.sequences, (own[:, None] != joined.captions).any(2)


def _check_weight(weight: float) -> float:
    """A weight, refused unless it is from 0 to 1."""
    if not 0 <= weight <= 1:
        raise ValueError(f"expected a weight from 0 to 1, got {weight}")
    return weight
