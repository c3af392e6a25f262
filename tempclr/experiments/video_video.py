"""The data and the model of a recognition: labelled videos, and one encoder for both videos of a pair."""

import torch
from torch import Generator

from tempclr.data.labelled import Video, pairs_within
from tempclr.data.source import VideoSource
from tempclr.encoders import ContextEncoder
from tempclr.experiments.choices import ALIGNMENTS, SHUFFLES, VIDEO_DATA, make_source
from tempclr.experiments.experiment import HEADS
from tempclr.experiments.recognition import Recognition
from tempclr.experiments.video_text import clip_encoder
from tempclr.losses import OrderTerm, TempCLR
from tempclr.sequences import Pair
from tempclr.training.processes import AllProcesses


def source(recognition: Recognition) -> VideoSource:
    """Return the data source of a recognition."""
    return make_source(recognition.data, VIDEO_DATA, vars(recognition))


def videos(recognition: Recognition, split: str) -> list[Video]:
    """Return the videos of a split, those of one class next to each other. No class is in two splits."""
    return source(recognition).videos(split)


def training_pairs(recognition: Recognition, videos: list[Video]) -> list[Pair]:
    """Return pairs of two videos of one class."""
    generator = Generator().manual_seed(recognition.seed)
    return pairs_within(videos, most=recognition.pairs_per_class, generator=generator)


def model(recognition: Recognition, videos: list[Video]) -> TempCLR:
    """Return an untrained model for such videos, to be trained by the order loss only."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(recognition.seed)
        encoder = clip_encoder(videos[0].clips, recognition.dim)
        if recognition.encoder == "contextual":
            encoder = ContextEncoder(encoder, recognition.dim, layers=recognition.layers, heads=HEADS)
    order = OrderTerm(
        alignment_fn=ALIGNMENTS[recognition.alignment].resolve(recognition.gamma, recognition.drop_cost),
        negatives=recognition.negatives,
        shuffle=SHUFFLES[recognition.shuffle].resolve(),
        temperature=recognition.temperature,
        debiased=recognition.alignment == "divergence",
        in_batch_negatives=recognition.in_batch_negatives,
        clips_per_segment=recognition.clips_per_segment,
    )
    return TempCLR(encoder, encoder, order=order, weight=1.0, gather=AllProcesses())
