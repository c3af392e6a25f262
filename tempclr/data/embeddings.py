"""Embeddings of anybody's model, as pairs: arrays in memory, or one `.npz` file that holds these arrays.

    sentences             [sentences, dim] floats, those of the first video first
    sentences_per_video   [videos] integers
    clips                 [clips, dim] floats, in the order of the same videos
    clips_per_video       [videos] integers
    segments              [clips] integers: the sentence that a clip shows, 0 for the first of its video; -1 for
                          background, -2 where it is not known. May be absent: then nothing is known.
    names                 [videos] strings. May be absent. The part before a slash is the group of a video, such as its
                          task: videos of one group are not independent.

A folder of features (`data.features`) may hold `sentences.npz`, the embeddings of its sentences:

    texts                 [texts] strings, every sentence of the manifest
    embeddings            [texts, dim] floats
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tempclr._util.files import lies_in, read_arrays
from tempclr.data.source import Embed
from tempclr.sequences import UNKNOWN, Pair

_NEEDED = ("sentences", "sentences_per_video", "clips", "clips_per_video")
_OPTIONAL = ("segments", "names")
TEXTS = "sentences.npz"  # in a folder of features


def pairs_of(
    sentences: Sequence[np.ndarray],
    clips: Sequence[np.ndarray],
    segments: Sequence[np.ndarray] | None = None,
    names: Sequence[str] | None = None,
) -> list[Pair]:
    """Return embedded videos and their paragraphs as pairs.

    Args:
        sentences: For each video, its sentences [n, dim].
        clips: For each video, its clips [m, dim].
        segments: For each video, the sentence of each clip [m], as in the file. By default, nothing is known.
        names: Of the videos, all different; by default their numbers.

    Raises:
        ValueError: If there is no video, the numbers of videos differ, an array has another shape or type, a number
            is not finite, or a segment is out of range.

    Example:
        >>> random = np.random.default_rng(0)
        >>> pair, = pairs_of([random.normal(size=(2, 8))], [random.normal(size=(5, 8))])
        >>> pair.name, pair.segments
        ('0', tensor([-2, -2, -2, -2, -2]))
    """
    names = [str(number) for number in range(len(sentences))] if names is None else [str(name) for name in names]
    segments = [np.full(len(each), UNKNOWN) for each in clips] if segments is None else segments
    counts = [len(each) for each in (sentences, clips, segments, names)]
    if len(set(counts)) > 1 or not counts[0]:
        raise ValueError(
            "expected sentences, clips, segments and names of the same videos, at least one, "
            f"got {', '.join(map(str, counts[:-1]))} and {counts[-1]}"
        )
    if len(set(names)) < len(names):
        raise ValueError(f"expected names that differ, got {max(names, key=names.count)!r} twice")
    return [_pair(*each) for each in zip(names, sentences, clips, segments, strict=True)]


def read_pairs(path: Path | str) -> list[Pair]:
    """Return the pairs of an `.npz` file, in the layout above. No pickle is loaded.

    Raises:
        ValueError: If the file is missing or damaged, lacks an array or has others, or its arrays do not fit together.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"expected embeddings at {path}, found no file")
    arrays = read_arrays(path)
    missing = [name for name in _NEEDED if name not in arrays]
    unknown = sorted(arrays.keys() - {*_NEEDED, *_OPTIONAL})
    if missing or unknown:
        raise ValueError(
            f"expected {path} to hold {', '.join(_NEEDED)} and perhaps {' and '.join(_OPTIONAL)}, "
            f"got {', '.join(sorted(arrays)) or 'nothing'}"
        )
    if "names" in arrays and (arrays["names"].dtype.kind != "U" or arrays["names"].ndim != 1):
        raise ValueError(
            f"expected strings [videos] as names in {path}, got {arrays['names'].dtype} {arrays['names'].shape}"
        )
    try:
        return pairs_of(
            _split(arrays, "sentences", "sentences_per_video"),
            _split(arrays, "clips", "clips_per_video"),
            _split(arrays, "segments", "clips_per_video") if "segments" in arrays else None,
            arrays["names"].tolist() if "names" in arrays else None,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def text_embeddings(folder: Path | str) -> Embed:
    """Return a function from sentences to the embeddings that a folder of features holds for them.

    Raises:
        ValueError: If `sentences.npz` is missing, damaged or malformed. The function raises it for a sentence that
            has no embedding there.
    """
    path = Path(folder) / TEXTS
    if not lies_in(path, Path(folder)):
        raise ValueError(
            f"expected embeddings of the sentences at {path} (arrays texts, embeddings), found no file in that folder"
        )
    arrays = read_arrays(path)
    if arrays.keys() != {"texts", "embeddings"}:
        raise ValueError(f"expected {path} to hold texts and embeddings, got {', '.join(sorted(arrays)) or 'nothing'}")
    texts, embeddings = arrays["texts"], arrays["embeddings"]
    if texts.dtype.kind != "U" or texts.shape != embeddings.shape[:1]:
        raise ValueError(
            f"expected {path} to hold a string for each embedding, got {texts.dtype} {texts.shape} "
            f"and {embeddings.shape}"
        )
    values = _floats(embeddings, f"embeddings in {path}")
    places = {str(text): place for place, text in enumerate(texts)}
    if len(places) < len(texts):
        raise ValueError(f"expected every text once in {path}, got {len(texts) - len(places)} repeated")

    def embed(sentences: Sequence[str]) -> Float[Tensor, "texts features"]:
        lacking = [sentence for sentence in sentences if sentence not in places]
        if lacking:
            raise ValueError(
                f"expected an embedding of every sentence in {path}, "
                f"found none of {len(lacking)}, such as {lacking[0]!r}"
            )
        return values[torch.tensor([places[sentence] for sentence in sentences])]

    return embed


def _pair(name: str, sentences: np.ndarray, clips: np.ndarray, segments: np.ndarray) -> Pair:
    """One pair, with a caption for each different sentence."""
    x, y = _floats(sentences, f"sentences of {name}"), _floats(clips, f"clips of {name}")
    segments = np.asarray(segments)
    if segments.dtype.kind not in "iu" or segments.ndim != 1:
        raise ValueError(f"expected integer segments [clips] of {name}, got {segments.dtype} {segments.shape}")
    captions = tuple(hashlib.sha256(row.numpy().tobytes()).hexdigest() for row in x)
    return Pair(name, x, y, torch.from_numpy(segments.astype(np.int64)), captions)


def _floats(values: np.ndarray, what: str) -> Float[Tensor, "steps dim"]:
    """Embeddings in single precision; refused unless they are a matrix of numbers."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu" or values.ndim != 2 or values.shape[1] == 0:
        raise ValueError(f"expected numbers [steps, dim] as {what}, got {values.dtype} {values.shape}")
    with np.errstate(over="ignore"):  # numbers too large become infinite and are refused
        return torch.from_numpy(values.astype(np.float32))


def _split(arrays: Mapping[str, np.ndarray], name: str, counts: str) -> list[np.ndarray]:
    """The part of an array that belongs to each video."""
    values, each = arrays[name], arrays[counts]
    if each.ndim != 1 or each.dtype.kind not in "iu" or (each < 1).any():
        raise ValueError(f"expected integers of at least 1 [videos] as {counts}, got {each.dtype} {each.shape}")
    if values.ndim == 0 or len(values) != each.sum():
        raise ValueError(f"expected as many {name} as {counts} sum to, {each.sum()}, got {values.shape}")
    return np.split(values, np.cumsum(each)[:-1])
