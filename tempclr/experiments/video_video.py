"""What an experiment on video-video training is made of: labelled videos, and one encoder for both of a pair."""

from dataclasses import dataclass

import torch
from torch import Generator

from tempclr._util.settings import AT_LEAST_ONE, NON_NEGATIVE, POSITIVE, validate
from tempclr.data import features
from tempclr.data.babyai_classes import check_sets, class_procedures
from tempclr.data.labelled import Video, even_clips, pairs_within
from tempclr.encoders import ClipEncoder, ContextEncoder, Projection
from tempclr.experiments.video_text import ALIGNMENTS, SHUFFLES, check_context, named_distance
from tempclr.losses import OrderTerm, TempCLR
from tempclr.sequences import Pair
from tempclr.training.processes import AllProcesses

RANGES = {
    **dict.fromkeys(("clips", "frames_per_clip", "layers", "dim", "negatives", "clips_per_segment"), AT_LEAST_ONE),
    **dict.fromkeys(("gamma", "temperature"), POSITIVE),
    "pairs_per_class": NON_NEGATIVE,
}


@dataclass(frozen=True)
class Recognition:
    """Data, model and objective; two videos of a class are anchor and positive."""

    seed: int = 0  # of weights, batches and wrong orders
    data: str = "babyai"  # or a folder of own features, with the class as `group` (see data/features.py)
    train_sets: int = 24  # sets of things in simulated rooms, as are the next two
    validation_sets: int = 4
    test_sets: int = 6
    things: int = 3  # of a set
    orders_per_set: int = 3  # classes of a set: its steps in so many orders
    videos: int = 6  # of each class
    clips: int = 8  # taken evenly from a video
    frames_per_clip: int = 2
    encoder: str = "per-step"  # one by one; or "contextual": a transformer across steps
    layers: int = 2  # of that transformer
    dim: int = 64  # of the embeddings
    pairs_per_class: int = 0  # of each class; 0 takes all ordered pairs of its videos
    negatives: int = 31  # wrong orders of the positive
    shuffle: str = "segments"  # what changes places, see SHUFFLES
    clips_per_segment: int = 1  # clips that stay together in it
    in_batch_negatives: bool = True  # whether the positive is also told from videos of other classes
    alignment: str = "OTAM"  # see ALIGNMENTS
    gamma: float = 0.1  # smoothing of the distance, in the unit of the cosine cost
    drop_cost: float = 0.8  # what Drop-DTW pays for a clip that it leaves out, in that unit
    temperature: float = 1.0  # of the loss

    def __post_init__(self) -> None:
        validate(self, RANGES)
        choices = {"shuffle": SHUFFLES, "alignment": ALIGNMENTS, "encoder": ("per-step", "contextual")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.encoder == "contextual":
            check_context(self.dim, self.layers)
        if self.data == "babyai":
            sets = min(self.train_sets, self.validation_sets, self.test_sets)
            check_sets(sets, steps=self.things, orders=self.orders_per_set, videos=self.videos)

    def labelled(self, split: str) -> list[Video]:
        """Return the videos of a split, those of one class next to each other; no class is in two splits."""
        if self.data != "babyai":
            return features.labelled(self.data, split, clips=self.clips)
        sets = {"train": self.train_sets, "validation": self.validation_sets, "test": self.test_sets}
        found = class_procedures(
            split, sets.get(split, 0), steps=self.things, orders=self.orders_per_set, videos=self.videos
        )
        return [
            Video(each.name, even_clips(each.frames, self.clips, self.frames_per_clip), each.name.split("/")[0])
            for each in found
        ]

    def training_pairs(self, videos: list[Video]) -> list[Pair]:
        """Return pairs of two videos of one class."""
        return pairs_within(videos, most=self.pairs_per_class, generator=self.generator())

    def model(self, videos: list[Video]) -> TempCLR:
        """Return an untrained model for such videos, trained by the order loss alone."""
        clips = videos[0].clips
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(self.seed)
            if clips.dtype == torch.uint8:
                encoder = ClipEncoder(self.dim, frames=clips.shape[1], size=clips.shape[2])
            else:
                encoder = Projection(clips.shape[1], self.dim)
            if self.encoder == "contextual":
                encoder = ContextEncoder(encoder, self.dim, layers=self.layers)
        order = OrderTerm(
            alignment_fn=named_distance(self.alignment, gamma=self.gamma, drop=self.drop_cost),
            negatives=self.negatives,
            shuffle=SHUFFLES[self.shuffle],
            temperature=self.temperature,
            debiased=self.alignment == "divergence",
            in_batch_negatives=self.in_batch_negatives,
            clips_per_segment=self.clips_per_segment,
        )
        return TempCLR(encoder, encoder, order=order, weight=1.0, gather=AllProcesses())

    def generator(self) -> Generator:
        """Return a source of randomness for training."""
        return torch.Generator().manual_seed(self.seed)
