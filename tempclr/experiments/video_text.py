"""What an experiment is made of: the data and the model that a notebook's parameters describe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Generator, Tensor, nn

from tempclr import negatives
from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, SHARE, validate
from tempclr.alignment import AlignmentFn, drop_dtw, dtw, otam, soft_dtw
from tempclr.data import babyai, features
from tempclr.data.excerpts import check_excerpts, excerpts
from tempclr.data.lazy import LazyPairs
from tempclr.data.text import DIM, sentence_embeddings, sentence_encoder, sentence_pieces
from tempclr.encoders import ClipEncoder, ContextEncoder, Projection, TextBert, VideoBert, load_published, tune
from tempclr.losses import (
    OrderTerm,
    TempCLR,
    UnitTerm,
    WithinVideoTerm,
    both_ways,
    distances,
    mil_nce,
    step_loss,
    unit_loss,
)
from tempclr.sequences import Pair
from tempclr.training.processes import AllProcesses

SHUFFLES: Mapping[str, negatives.Shuffle] = MappingProxyType(
    {
        "segments": negatives.permute_segments,
        "clips": negatives.permute_clips,
        "both": negatives.permute_both,
        "reversed": negatives.reverse,
        "swaps": negatives.swap_neighbours,
        "blocks": negatives.move_blocks,
    }
)


TOKENS, PIECES = 32, 61  # of a clip and of a sentence, as published
ANCHORS = ("text", "video", "both")
ALIGNMENTS = ("soft-DTW", "DTW", "OTAM", "Drop-DTW", "divergence")
UNIT_LOSSES = ("InfoNCE", "MIL-NCE", "BCE")
ENCODERS = ("per-step", "contextual", "minilm", "paper")
TRAINABLE = ("layernorm", "lora", "all")
RANGES = {
    **dict.fromkeys(("layers", "dim", "negatives", "clips_per_step", "frames_per_clip"), AT_LEAST_ONE),
    **dict.fromkeys(("jitter", "order_sentences", "order_clips"), NON_NEGATIVE),
    **dict.fromkeys(("gamma", "temperature", "unit_temperature"), POSITIVE),
    "weight": SHARE,
}


@dataclass(frozen=True)
class Experiment:
    """Data, model and objective; a run stores it so that another notebook can build the same."""

    seed: int = 0  # of weights, batches, wrong orders and jitter
    data: str = "babyai"  # or a folder of own features (see data/features.py)
    train_rooms: int = 200  # rooms of the simulator, as are the next two
    validation_rooms: int = 32
    test_rooms: int = 48
    steps_per_video: int = 5  # described steps per video
    hidden_steps: int = 0  # steps per video that are carried out but not described
    orders_per_room: int = 4  # videos per validation and test room: the same steps in other orders
    background: bool = False  # whether clips that no sentence describes are kept
    jitter: int = 1  # frames by which bounds of steps are off
    clips_per_step: int = 2
    frames_per_clip: int = 2
    drop_overlapping: bool = False  # whether sentences of own features are left out that overlap an earlier one
    min_sentences: int = 1  # sentences; training videos with fewer are left out
    max_sentences: int = 0  # sentences; training videos with more are dealt into several; 0 leaves them whole
    encoder: str = "per-step"  # "per-step": one by one; "contextual": a transformer across steps; "minilm": trains also
    # the language model behind the sentences; "paper": its own two, over own features [rows, dim]; see ENCODERS
    layers: int = 2  # of the transformer across steps
    trainable: str = "layernorm"  # which weights of a pretrained BERT are trained: "layernorm", "lora", "all"
    checkpoint: str = ""  # published, for the paper's encoders; without, all their weights are trained from scratch
    dim: int = 64  # of the shared space
    weight: float = 0.7  # of the order loss; 0 trains with the unit loss alone
    negatives: int = 31  # wrong orders per video
    shuffle: str = "segments"  # what changes places, see SHUFFLES
    anchor: str = "text"  # what is kept in order, see ANCHORS: "both" is the mean of either
    in_batch_negatives: bool = False  # whether a sequence is also told from the others of the batch
    order_sentences: int = 0  # sentences per video that the order loss takes; 0 takes all
    order_clips: int = 0  # most clips of a sentence that it takes; 0 takes all
    alignment: str = "soft-DTW"  # of the order loss, see ALIGNMENTS
    gamma: float = 0.1  # smoothing of the distance, in the unit of the cosine cost
    drop_cost: float = 0.8  # what Drop-DTW pays for a clip that it leaves out, in the unit of the cosine cost
    per_cell: bool = False  # whether the distance is divided by the cells of its alignment
    temperature: float = 1.0  # of the order loss
    unit_loss: str = "InfoNCE"  # unit loss; "BCE": each clip against the list of its own video, see UNIT_LOSSES
    cosine: bool = True  # whether units are compared by cosine; if not, by the dot product, as published
    unit_temperature: float = 0.1  # of the unit loss

    def __post_init__(self) -> None:
        validate(self, RANGES)
        choices = {
            "shuffle": SHUFFLES,
            "anchor": ANCHORS,
            "alignment": ALIGNMENTS,
            "unit_loss": UNIT_LOSSES,
            "encoder": ENCODERS,
            "trainable": TRAINABLE,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.checkpoint and self.encoder != "paper":
            raise ValueError(f"expected a checkpoint for the encoder 'paper' alone, got one for {self.encoder!r}")
        if self.order_sentences == 1:
            raise ValueError("expected at least 2 order_sentences, or 0 for all sentences, got 1")
        check_excerpts(self.max_sentences, self.min_sentences)
        if self.encoder == "contextual":
            check_context(self.dim, self.layers)
        if self.data == "babyai":
            if self.encoder == "paper":
                raise ValueError("expected a folder of own features for the encoder 'paper', got simulated frames")
            rooms = min(self.train_rooms, self.validation_rooms, self.test_rooms)
            babyai.check_procedures(
                rooms, steps=self.steps_per_video, hidden=self.hidden_steps, orders=self.orders_per_room
            )

    def pairs(self, split: str) -> Sequence[Pair]:
        """Return the videos of a split; the videos of one room stand next to each other.

        Own features are read each time a pair is drawn.
        """
        if self.data != "babyai":
            paper = self.encoder == "paper"
            kept = {"background": self.background, "apart": self.drop_overlapping, "tokens": TOKENS if paper else 0}
            return features.pairs(self.data, split, self._texts, **kept)
        videos = self.procedures(split)
        generator = torch.Generator().manual_seed(self.seed)
        return babyai.pairs(
            videos,
            self._texts,
            clips_per_step=self.clips_per_step,
            frames_per_clip=self.frames_per_clip,
            jitter=self.jitter,
            background=self.background,
            generator=generator,
        )

    def excerpts(self, videos: Sequence[Pair]) -> LazyPairs:
        """Return training videos as they go into batches, without those that have too few sentences."""
        return excerpts(videos, self.max_sentences, self.min_sentences, generator=self.generator())

    def procedures(self, split: str) -> list[babyai.Procedure]:
        """Return the rendered procedures behind a split of the simulator's data."""
        rooms = {"train": self.train_rooms, "validation": self.validation_rooms, "test": self.test_rooms}
        orders = 1 if split == "train" else self.orders_per_room
        return babyai.procedures(
            split, rooms.get(split, 0), steps=self.steps_per_video, hidden=self.hidden_steps, orders=orders
        )

    def model(self, pairs: Sequence[Pair]) -> TempCLR:
        """Return an untrained model for data such as these; its weights depend on the seed alone."""
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(self.seed)
            text, video = self._paper(pairs[0].clips) if self.encoder == "paper" else self._encoders(pairs[0].clips)
        order = OrderTerm(
            alignment_fn=named_distance(self.alignment, gamma=self.gamma, drop=self.drop_cost, per_cell=self.per_cell),
            negatives=self.negatives,
            shuffle=SHUFFLES[self.shuffle],
            anchor=self.anchor,
            temperature=self.temperature,
            debiased=self.alignment == "divergence",
            in_batch_negatives=self.in_batch_negatives,
            sentences=self.order_sentences or None,
            clips_per_sentence=self.order_clips or None,
        )
        return TempCLR(text, video, unit=self._unit_term(), order=order, weight=self.weight, gather=AllProcesses())

    def _unit_term(self) -> UnitTerm | WithinVideoTerm:
        """The unit loss of that name, as a term of the objective."""
        if self.unit_loss == "BCE":
            return WithinVideoTerm(partial(step_loss, cosine=self.cosine), self.unit_temperature)
        loss = {"InfoNCE": unit_loss, "MIL-NCE": mil_nce}[self.unit_loss]
        return UnitTerm(partial(loss, cosine=self.cosine), self.unit_temperature)

    def _texts(self, sentences: Sequence[str]) -> Tensor:
        """What the text encoder takes: frozen embeddings, or word pieces."""
        if self.encoder == "minilm":
            return sentence_pieces(sentences)
        return sentence_pieces(sentences, most=PIECES) if self.encoder == "paper" else sentence_embeddings(sentences)

    def _encoders(self, clips: Tensor) -> tuple[nn.Module, nn.Module]:
        """Of text and video, to `dim`."""
        text: nn.Module = Projection(DIM, self.dim)
        if clips.dtype == torch.uint8:
            video = ClipEncoder(self.dim, frames=clips.shape[1], size=clips.shape[2])
        else:
            video = Projection(clips.shape[1], self.dim)
        if self.encoder == "contextual":
            text, video = (ContextEncoder(step, self.dim, layers=self.layers) for step in (text, video))
        if self.encoder == "minilm":
            language = sentence_encoder()
            tune(language, self.trainable)
            text = nn.Sequential(language, text)
        return text, video

    def _paper(self, clips: Tensor) -> tuple[nn.Module, nn.Module]:
        """The paper's own, with the published weights if they are given."""
        text, video = TextBert(most=PIECES), VideoBert(features=clips.shape[2], most=TOKENS)
        if self.checkpoint:
            load_published(self.checkpoint, video, text)
            for encoder in (text, video):
                tune(encoder, self.trainable)
        return text, video

    def generator(self) -> Generator:
        """Return a source of randomness for training."""
        return torch.Generator().manual_seed(self.seed)


def check_context(dim: int, layers: int) -> None:
    """Raise `ValueError` unless there is a transformer across steps of such a size."""
    with torch.device("meta"):
        ContextEncoder(nn.Identity(), dim, layers=layers)


def named_distance(name: str, *, gamma: float, drop: float, per_cell: bool = False) -> AlignmentFn:
    """Return a distance of `ALIGNMENTS`, divided by the cells of the alignment if `per_cell`.

    OTAM is the sum of both directions, as published. The divergence is soft-DTW, debiased by the loss.
    """
    found = {
        "soft-DTW": partial(soft_dtw, gamma=gamma),
        "DTW": dtw,
        "OTAM": both_ways(partial(otam, gamma=gamma)),
        "Drop-DTW": partial(drop_dtw, drop_y=drop, gamma=gamma),
        "divergence": partial(soft_dtw, gamma=gamma),
    }[name]
    return distances.per_cell(found) if per_cell else found
