"""Frozen features made comparable with sentences without a gradient step: by least squares."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tempclr.sequences import Pair

_RIDGE = 0.1  # times the mean eigenvalue


def least_squares(training: Sequence[Pair], pairs: Sequence[Pair]) -> list[Pair]:
    """Return pairs whose clips are mapped to the features of their sentences by ridge regression.

    The map W minimises the squared error of clips W - sentences, plus r times the squared norm of W, over the training
    clips whose sentence is known. Both sides are centred. r is 0.1 times the mean of the min(clips, features) largest
    eigenvalues of the matrix of inner products of features. Sentences keep their features.

    Args:
        training: Pairs of training videos.
        pairs: Pairs to map, whose features have the same shape.

    Raises:
        ValueError: If no training clip has a known sentence, or the sentences are not vectors of floats.
    """
    known = [(pair, pair.segments >= 0) for pair in training]
    if not any(bool(each.any()) for _, each in known):
        raise ValueError(f"expected training clips whose sentence is known, got none in {len(training)} videos")
    first = training[0].sentences
    if first.ndim != 2 or not first.is_floating_point():
        raise ValueError(f"expected sentences as vectors of floats, got {first.dtype} {tuple(first.shape)}")
    clips = torch.cat([_flat(pair.clips[each]) for pair, each in known])
    sentences = torch.cat([pair.sentences[pair.segments[each]].double() for pair, each in known])
    centre, mean = clips.mean(0), sentences.mean(0)
    mapping = _ridge(clips - centre, sentences - mean)
    return [
        Pair(
            pair.name,
            pair.sentences.float(),
            ((_flat(pair.clips) - centre) @ mapping + mean).float(),
            pair.segments,
            pair.captions,
        )
        for pair in pairs
    ]


def _flat(clips: Tensor) -> Float[Tensor, "clips features"]:
    """Features of each clip as one vector in double precision; frames as brightness from 0 to 1."""
    scale = 255 if clips.dtype == torch.uint8 else 1
    return clips.reshape(len(clips), -1).double() / scale


def _ridge(x: Tensor, y: Tensor) -> Float[Tensor, "features targets"]:
    """The ridge regression of y on x, by the smaller of the two systems of equations."""
    penalty = _RIDGE * x.square().sum() / min(x.shape)
    if x.shape[1] <= x.shape[0]:
        return torch.linalg.solve(x.T @ x + penalty * torch.eye(x.shape[1], dtype=x.dtype), x.T @ y)
    return x.T @ torch.linalg.solve(x @ x.T + penalty * torch.eye(x.shape[0], dtype=x.dtype), y)
