"""The parameters of training on pairs of labelled videos, without torch; `video_video` builds what they describe."""

from dataclasses import dataclass

from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, validate
from tempclr.data.ranges import check_sets
from tempclr.experiments.choices import ALIGNMENTS, ENCODERS, SHUFFLES
from tempclr.experiments.experiment import check_contextual

RANGES = {
    **dict.fromkeys(("clips", "frames_per_clip", "layers", "dim", "negatives", "clips_per_segment"), AT_LEAST_ONE),
    **dict.fromkeys(("gamma", "temperature"), POSITIVE),
    "pairs_per_class": NON_NEGATIVE,
}
CHOICES = {
    "shuffle": SHUFFLES,
    "alignment": ALIGNMENTS,
    "encoder": {name: ENCODERS[name] for name in ("per-step", "contextual")},  # there is no text
}


@dataclass(frozen=True)
class Recognition:
    """Parameters of data, model and objective. Two videos of a class are anchor and positive."""

    seed: int = 0  # of initial weights, batches and wrong orders
    data: str = "babyai"  # a name of VIDEO_DATA, or a folder of your own features with the class as `group`
    train_sets: int = 24  # sets of things in simulated rooms
    validation_sets: int = 4
    test_sets: int = 6
    things: int = 3  # of a set; a video visits each
    orders_per_set: int = 3  # classes of a set: its things in different orders
    videos_per_class: int = 6  # each in another room
    clips: int = 8  # taken evenly from a video
    frames_per_clip: int = 2
    encoder: str = "per-step"  # or "contextual", see ENCODERS
    layers: int = 2  # of the contextual encoder
    dim: int = 64  # of the embeddings
    pairs_per_class: int = 0  # ordered pairs of its videos; 0 takes all
    negatives: int = 31  # wrong orders of the positive
    shuffle: str = "segments"  # what a wrong order changes, see SHUFFLES
    clips_per_segment: int = 1  # clips that a shuffle of segments keeps together
    in_batch_negatives: bool = True  # whether the positive is also contrasted with videos of other classes
    alignment: str = "soft-DTW"  # see ALIGNMENTS
    gamma: float = 0.1  # smoothing of the alignment, in the unit of the cosine cost
    drop_cost: float = 0.8  # of a clip that Drop-DTW leaves out, in the unit of the cosine cost
    temperature: float = 0.2  # of the loss

    def __post_init__(self) -> None:
        validate(self, RANGES, CHOICES)
        if self.encoder == "contextual":
            check_contextual(self.dim)
        check_sets(
            min(self.train_sets, self.validation_sets, self.test_sets),
            things=self.things,
            orders_per_set=self.orders_per_set,
            videos_per_class=self.videos_per_class,
        )
