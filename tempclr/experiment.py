"""What an experiment is made of: the data and the model that a notebook's parameters describe."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import torch
from torch import Generator

from tempclr import negatives
from tempclr.alignment import drop_dtw, dtw, otam, soft_dtw
from tempclr.data import babyai, features
from tempclr.encoders import ClipEncoder, ContextEncoder, Projection
from tempclr.losses import TempCLR
from tempclr.losses.distances import Distance, both_ways, per_cell
from tempclr.media.text import DIM, sentence_embeddings
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


ANCHORS = ("text", "video", "both")
DISTANCES = ("soft-DTW", "DTW", "OTAM", "Drop-DTW", "divergence")
ENCODERS = ("steps", "context")


@dataclass(frozen=True)
class Experiment:
    """Data, model and objective; a run stores it so that another notebook can build the same."""

    seed: int = 0  # of weights, batches, wrong orders and jitter
    data: str = "babyai"  # or a folder of own features (see data/features.py)
    train_rooms: int = 200  # rooms of the simulator, as are the next two
    validation_rooms: int = 32
    test_rooms: int = 48
    steps: int = 5  # described steps per video
    hidden: int = 0  # steps per video that are carried out but not described
    orders: int = 4  # videos per validation and test room: the same steps in other orders
    background: bool = False  # whether clips that no sentence describes are kept
    jitter: int = 1  # frames by which bounds of steps are off
    clips_per_step: int = 2
    frames_per_clip: int = 2
    encoder: str = "steps"  # "steps" one by one, or "context": a transformer across steps, see ENCODERS
    layers: int = 2  # of that transformer
    dim: int = 64  # of the shared space
    weight: float = 0.7  # of the order loss; 0 trains with the unit loss alone
    negatives: int = 31  # wrong orders per video
    shuffle: str = "segments"  # what changes places, see SHUFFLES
    anchor: str = "text"  # what is kept in order, see ANCHORS: "both" is the mean of either
    others: bool = False  # whether a sequence is also told from the others of the batch
    units: int = 0  # sentences per video that the order loss takes; 0 takes all
    distance: str = "soft-DTW"  # of the order loss, see DISTANCES
    gamma: float = 0.1  # smoothing of the distance, in the unit of the cosine cost
    drop: float = 0.8  # what Drop-DTW pays for a clip that it leaves out, in the unit of the cosine cost
    per_cell: bool = False  # whether the distance is divided by the cells of its alignment
    temperature: float = 1.0  # of the order loss
    unit_temperature: float = 0.1  # of the unit loss

    def __post_init__(self) -> None:
        choices = {"shuffle": SHUFFLES, "anchor": ANCHORS, "distance": DISTANCES, "encoder": ENCODERS}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"expected {name} to be one of {', '.join(known)}, got {getattr(self, name)!r}")

    def pairs(self, split: str) -> list[Pair]:
        """Return the videos of a split; the videos of one room stand next to each other."""
        if self.data != "babyai":
            return features.pairs(self.data, split, sentence_embeddings, background=self.background)
        videos = self.procedures(split)
        generator = torch.Generator().manual_seed(self.seed)
        return babyai.pairs(
            videos,
            sentence_embeddings,
            clips_per_step=self.clips_per_step,
            frames_per_clip=self.frames_per_clip,
            jitter=self.jitter,
            background=self.background,
            generator=generator,
        )

    def procedures(self, split: str) -> list[babyai.Procedure]:
        """Return the rendered procedures behind a split of the simulator's data."""
        rooms = {"train": self.train_rooms, "validation": self.validation_rooms, "test": self.test_rooms}
        orders = 1 if split == "train" else self.orders
        return babyai.procedures(split, rooms.get(split, 0), steps=self.steps, hidden=self.hidden, orders=orders)

    def model(self, pairs: list[Pair]) -> TempCLR:
        """Return an untrained model for data such as these; its weights depend on the seed alone."""
        clips = pairs[0].clips
        with torch.random.fork_rng(devices=[]):
            torch.random.manual_seed(self.seed)
            if clips.dtype == torch.uint8:
                video = ClipEncoder(self.dim, frames=clips.shape[1], size=clips.shape[2])
            else:
                video = Projection(clips.shape[1], self.dim)
            text = Projection(DIM, self.dim)
            if self.encoder == "context":
                text, video = (ContextEncoder(step, self.dim, layers=self.layers) for step in (text, video))
        return TempCLR(
            text,
            video,
            weight=self.weight,
            negatives=self.negatives,
            shuffle=SHUFFLES[self.shuffle],
            anchor=self.anchor,
            others=self.others,
            units=self.units or None,
            distance=self._distance(),
            debiased=self.distance == "divergence",
            temperature=self.temperature,
            unit_temperature=self.unit_temperature,
            gather=AllProcesses(),
        )

    def _distance(self) -> Distance:
        """The distance of the order loss; OTAM as the sum of both directions, as published."""
        found = {
            "soft-DTW": partial(soft_dtw, gamma=self.gamma),
            "DTW": dtw,
            "OTAM": both_ways(partial(otam, gamma=self.gamma)),
            "Drop-DTW": partial(drop_dtw, drop_y=self.drop, gamma=self.gamma),
            "divergence": partial(soft_dtw, gamma=self.gamma),
        }[self.distance]
        return per_cell(found) if self.per_cell else found

    def generator(self) -> Generator:
        """Return a source of randomness for training."""
        return torch.Generator().manual_seed(self.seed)
