"""The data and the model of an experiment on videos and paragraphs."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Generator, Tensor, nn

from tempclr.data.excerpts import excerpts
from tempclr.data.lazy import LazyPairs
from tempclr.data.source import Embed, PairSource, PictureSource
from tempclr.data.text import DIM, sentence_embeddings, sentence_encoder, sentence_pieces
from tempclr.encoders import MLP, ClipEncoder, ContextEncoder, Projection, TextBert, VideoBert, load_published, tune
from tempclr.experiments.choices import (
    ALIGNMENTS,
    ASSIGNMENTS,
    DROP_RULES,
    PAIR_DATA,
    SHUFFLES,
    UNIT_LOSSES,
    make_source,
)
from tempclr.experiments.experiment import HEADS, Experiment
from tempclr.losses import OrderTerm, TempCLR, per_cell
from tempclr.sequences import Pair
from tempclr.training.processes import AllProcesses

TOKENS, PIECES = 32, 61  # maximum rows per clip and word pieces per sentence, as published
HIDDEN, DROPOUT = 512, 0.2  # of the encoder of symbols


def source(experiment: Experiment) -> PairSource:
    """Return the data source of an experiment."""
    tokens = TOKENS if experiment.encoder == "paper" else 0
    return make_source(experiment.data, PAIR_DATA, {**vars(experiment), "tokens": tokens})


def pairs(experiment: Experiment, split: str) -> Sequence[Pair]:
    """Return the videos of a split; those of one room or group stand next to each other.

    Your own features are read each time a pair is drawn.
    """
    embeds: dict[str, Embed] = {
        "minilm": sentence_pieces,
        "paper": partial(sentence_pieces, most=PIECES),
    }
    return source(experiment).pairs(split, embeds.get(experiment.encoder, sentence_embeddings))


def pictures(experiment: Experiment, pair: Pair) -> UInt8[np.ndarray, "clips frames height width 3"] | None:
    """Return the frames of a pair's clips, to be shown, or None if its source has none to show."""
    if pair.clips.dtype == torch.uint8:
        return pair.clips.numpy()
    shown = source(experiment)
    return shown.pictures(pair) if isinstance(shown, PictureSource) else None


def training_pairs(experiment: Experiment, videos: Sequence[Pair]) -> LazyPairs:
    """Return the videos to train on: long ones are split, those with too few sentences left out."""
    generator = Generator().manual_seed(experiment.seed)
    return excerpts(videos, experiment.max_sentences, experiment.min_sentences, generator=generator)


def model(experiment: Experiment, pairs: Sequence[Pair]) -> TempCLR:
    """Return an untrained model for such pairs. Its weights depend only on the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(experiment.seed)
        build = _paper if experiment.encoder == "paper" else _encoders
        text, video = build(experiment, pairs[0].clips)
    gamma, drop_cost = experiment.gamma, DROP_RULES[experiment.drop_rule].resolve(experiment.drop_cost)
    alignment_fn = ALIGNMENTS[experiment.alignment].resolve(gamma, drop_cost)
    order = OrderTerm(
        alignment_fn=per_cell(alignment_fn) if experiment.per_cell else alignment_fn,
        negatives=experiment.negatives,
        shuffle=SHUFFLES[experiment.shuffle].resolve(),
        anchor=experiment.anchor,  # type: ignore[arg-type]  # checked, as are names below
        temperature=experiment.temperature,
        debiased=experiment.alignment == "divergence",
        in_batch_negatives=experiment.in_batch_negatives,
        sentences=experiment.order_sentences or None,
        clips_per_sentence=experiment.order_clips or None,
    )
    assignment = ASSIGNMENTS[experiment.assignment].resolve(gamma, drop_cost, experiment.self_alignment_from)
    unit = UNIT_LOSSES[experiment.unit_loss].resolve(experiment.cosine, experiment.unit_temperature, assignment)
    return TempCLR(text, video, unit=unit, order=order, weight=experiment.weight, gather=AllProcesses())


def _encoders(experiment: Experiment, clips: Tensor) -> tuple[nn.Module, nn.Module]:
    """The encoders of text and video, with embeddings of size `dim`."""
    dim = experiment.dim
    text: nn.Module = Projection(DIM, dim)
    symbols = experiment.observation == "symbols"
    video = MLP(clips.shape[1], dim, hidden=HIDDEN, dropout=DROPOUT) if symbols else clip_encoder(clips, dim)
    if experiment.encoder == "contextual":
        text, video = (ContextEncoder(step, dim, layers=experiment.layers, heads=HEADS) for step in (text, video))
    if experiment.encoder == "minilm":
        language = sentence_encoder()
        tune(language, experiment.trainable)  # type: ignore[arg-type]
        text = nn.Sequential(language, text)
    return text, video


def _paper(experiment: Experiment, clips: Tensor) -> tuple[nn.Module, nn.Module]:
    """The paper's encoders, with the published weights if they are given."""
    text, video = TextBert(most=PIECES), VideoBert(features=clips.shape[2], most=TOKENS)
    if experiment.checkpoint:
        load_published(experiment.checkpoint, video, text)
        for encoder in (text, video):
            tune(encoder, experiment.trainable)  # type: ignore[arg-type]
    return text, video


def clip_encoder(clips: Tensor, dim: int) -> nn.Module:
    """Return an encoder of single clips such as these, of frames or of features."""
    if clips.dtype == torch.uint8:
        return ClipEncoder(dim, frames=clips.shape[1], size=clips.shape[2])
    return Projection(clips.shape[1], dim)
