"""The parameters of training on videos and paragraphs, without torch; `video_text` builds what they describe."""

from dataclasses import dataclass

from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, SHARE, Range, validate
from tempclr.data.ranges import ROOM_SETS, check_bounds, check_excerpts, check_procedures
from tempclr.experiments.choices import (
    ALIGNMENTS,
    ANCHORS,
    ASSIGNMENTS,
    BOUNDS,
    DROP_RULES,
    ENCODERS,
    OBSERVATIONS,
    PAIR_DATA,
    SHUFFLES,
    TRAINABLE,
    UNIT_LOSSES,
    split_data,
)

HEADS = 4  # of the contextual encoder
RANGES = {
    **dict.fromkeys(("layers", "dim", "negatives", "clips_per_step", "frames_per_clip"), AT_LEAST_ONE),
    **dict.fromkeys(("jitter", "order_sentences", "order_clips"), NON_NEGATIVE),
    **dict.fromkeys(("gamma", "temperature", "unit_temperature"), POSITIVE),
    "room_set": Range(0, ROOM_SETS - 1),
    **dict.fromkeys(("weight", "self_alignment_from"), SHARE),
}
CHOICES = {
    "observation": OBSERVATIONS,
    "bounds": BOUNDS,
    "shuffle": SHUFFLES,
    "anchor": ANCHORS,
    "alignment": ALIGNMENTS,
    "drop_rule": DROP_RULES,
    "assignment": ASSIGNMENTS,
    "unit_loss": UNIT_LOSSES,
    "encoder": ENCODERS,
    "trainable": TRAINABLE,
}


@dataclass(frozen=True)
class Experiment:
    """Parameters of data, model and objective. A run stores them, so that another notebook can rebuild all three."""

    seed: int = 0  # of initial weights, batches, wrong orders and jitter
    data: str = "babyai"  # a name of PAIR_DATA, or a folder of your own features
    train_rooms: int = 200  # simulated rooms, one video each
    room_set: int = 0  # which training rooms; no room is in two sets
    validation_rooms: int = 32  # with `orders_per_room` videos each
    test_rooms: int = 48  # with `orders_per_room` videos each
    steps_per_video: int = 5  # described steps
    hidden_steps: int = 0  # steps per video that are carried out but not described
    orders_per_room: int = 4  # videos per validation and test room: the same steps in other orders
    observation: str = "pixels"  # what is seen of a simulated room, see OBSERVATIONS
    bounds: str = "trimmed"  # what is known of the steps in a simulated room, see BOUNDS
    background: bool = False  # whether clips that no sentence describes are kept
    jitter: int = 1  # largest error of the bounds of trimmed steps, in frames
    clips_per_step: int = 2  # of a whole video, their mean
    frames_per_clip: int = 2
    drop_overlapping: bool = False  # whether to drop sentences of features that overlap an earlier one
    min_sentences: int = 1  # training videos with fewer sentences are left out
    max_sentences: int = 0  # training videos with more are split into parts; 0 splits none
    encoder: str = "per-step"  # see ENCODERS
    layers: int = 2  # of the contextual encoder
    trainable: str = "layernorm"  # which parameters of a pretrained BERT are trained, see TRAINABLE
    checkpoint: str = ""  # published weights of the encoder "paper"; empty: all its parameters start at random
    dim: int = 64  # of the embeddings
    weight: float = 0.7  # of the order loss; 0 trains with the unit loss only
    negatives: int = 31  # wrong orders per video
    shuffle: str = "segments"  # what a wrong order changes, see SHUFFLES
    anchor: str = "text"  # what stays in order, see ANCHORS
    in_batch_negatives: bool = False  # whether a sequence is also contrasted with the others of the batch
    order_sentences: int = 0  # maximum number of sentences of a video in the order loss; 0 takes all
    order_clips: int = 0  # maximum number of clips of a sentence in the order loss; 0 takes all
    alignment: str = "soft-DTW"  # of the order loss, see ALIGNMENTS
    gamma: float = 0.1  # smoothing of the alignment, in the unit of the cosine cost
    drop_cost: float = 0.8  # of a clip that Drop-DTW leaves out, in the unit of the cosine cost
    drop_rule: str = "fixed"  # what `drop_cost` is, see DROP_RULES
    per_cell: bool = False  # whether the value of an alignment is divided by the number of its cells
    temperature: float = 1.0  # of the order loss, as published; 0.1 to 0.2 works better (preset `low-temperature`)
    unit_loss: str = "InfoNCE"  # see UNIT_LOSSES
    cosine: bool = True  # whether units are compared by cosine; else by the dot product, as published
    unit_temperature: float = 0.1  # of the unit loss
    assignment: str = "even"  # which sentence an unknown clip shows in InfoNCE and MIL-NCE, see ASSIGNMENTS
    self_alignment_from: float = 0.5  # share of training from which on it is by the model's own alignment

    def __post_init__(self) -> None:
        validate(self, RANGES, CHOICES)
        if self.checkpoint and self.encoder != "paper":
            raise ValueError(f"expected a checkpoint only with the encoder 'paper', got one for {self.encoder!r}")
        if self.order_sentences == 1:
            raise ValueError("expected at least 2 order_sentences, or 0 for all, got 1")
        self._check_drops()
        if self.unit_loss in ("BCE", "discriminative") and self.assignment != "even":
            raise ValueError(
                f"expected the default assignment, 'even', for {self.unit_loss!r}, which uses none, got "
                f"{self.assignment!r}"
            )
        check_excerpts(self.max_sentences, self.min_sentences)
        if self.encoder == "contextual":
            check_contextual(self.dim)
        name, _ = split_data(self.data, PAIR_DATA)
        if self.encoder == "paper" and PAIR_DATA[name].frames:
            raise ValueError(f"expected a folder of your own features for the encoder 'paper', got frames of {name!r}")
        check_procedures(
            min(self.train_rooms, self.validation_rooms, self.test_rooms),
            steps_per_video=self.steps_per_video,
            hidden_steps=self.hidden_steps,
            orders_per_room=self.orders_per_room,
        )
        if name == "features" and (self.observation, self.bounds) != ("pixels", "trimmed"):
            raise ValueError(
                f"expected observation and bounds of simulated rooms only, got {self.observation!r} and "
                f"{self.bounds!r} for your own features, whose manifest says what is known"
            )
        if name != "babyai" and self.observation != "pixels":
            raise ValueError(f"expected an observation of simulated rooms only, got {self.observation!r} for {name!r}")
        check_bounds(self.bounds, hidden_steps=self.hidden_steps, background=self.background)  # type: ignore[arg-type]

    def _check_drops(self) -> None:
        """Refuse drop costs that are out of range, or that nothing would train."""
        if self.drop_rule == "percentile" and not 0 <= self.drop_cost <= 1:
            raise ValueError(f"expected a drop_cost from 0 to 1, a share, for 'percentile', got {self.drop_cost}")
        if self.drop_rule == "learnt" and self.drop_cost <= 0:
            raise ValueError(f"expected a drop_cost > 0 to start from for 'learnt', got {self.drop_cost}")
        if self.drop_rule == "learnt" and (self.alignment != "Drop-DTW" or self.weight == 0):
            raise ValueError(
                f"expected the alignment 'Drop-DTW' and a weight > 0, by which alone a 'learnt' drop cost is trained, "
                f"got {self.alignment!r} and {self.weight}"
            )


def check_contextual(dim: int) -> None:
    """Raise `ValueError` unless a contextual encoder can have embeddings of that size."""
    if dim % (2 * HEADS):  # rotary positions rotate pairs of numbers in every head
        raise ValueError(f"expected a dim that is a multiple of {2 * HEADS} for a contextual encoder, got {dim}")
