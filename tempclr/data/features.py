"""Your own features as a data source: a folder of `.npy` files and a manifest that describes them.

    features/
      manifest.jsonl    one line per video; see `data.manifest`
      <video>.npy       [rows, dim] floats, one row per clip, or per token of a clip

Everything is checked before the first pair is drawn, with one file in memory at a time. The rows of a pair are read
when it is drawn.
"""

import hashlib
import logging
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor
from tqdm.auto import tqdm

from tempclr._util.files import lies_in
from tempclr.data.bounds import row_segments, rows_within
from tempclr.data.labelled import Video, even_clips
from tempclr.data.lazy import LazyPairs, lacks_times
from tempclr.data.manifest import read_manifest
from tempclr.data.source import Embed
from tempclr.sequences import BACKGROUND, UNKNOWN, Pair

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Features:
    """A folder of features as pairs; the parameters are those of `pairs`."""

    location: str
    background: bool = False
    tokens: int = 0
    drop_overlapping: bool = False

    def pairs(self, split: str, embed: Embed) -> LazyPairs:
        """Return the videos of a split, whose rows are read when they are drawn."""
        kept: dict[str, Any] = {
            "background": self.background,
            "tokens": self.tokens,
            "drop_overlapping": self.drop_overlapping,
        }
        return pairs(self.location, split, embed, **kept)


@dataclass(frozen=True)
class LabelledFeatures:
    """A folder of features as labelled videos; the parameters are those of `labelled`."""

    location: str
    clips: int = 8

    def videos(self, split: str) -> list[Video]:
        """Return the videos of a split with their `group` as class."""
        return labelled(self.location, split, clips=self.clips)


def pairs(
    folder: Path | str,
    split: str,
    embed: Embed,
    *,
    background: bool = False,
    tokens: int = 0,
    drop_overlapping: bool = False,
) -> LazyPairs:
    """Return the videos of one split as pairs, whose rows are read when they are drawn.

    A row belongs to the sentence whose segment contains its middle (to the first, where segments overlap), or whose
    point lies in it. A row that may belong to a sentence without [start, stop], by the order of sentences, is
    `UNKNOWN`; see `data.bounds.row_segments`. Other rows are `BACKGROUND`. With `tokens`, all rows of a segment form
    one clip, and overlapping clips share rows. The log says how many sentences are left out, how many clips are cut,
    and how many videos have unknown rows.

    Args:
        folder: Where `manifest.jsonl` and the `.npy` files are. It must stay there while pairs are drawn.
        split: Which videos to read.
        embed: Sentences to features.
        background: Whether background is kept or dropped. Unknown rows are always kept.
        tokens: Number of rows of a clip, for an encoder of clips [clips, tokens, dim] such as `VideoBert`: the
            first rows of each segment, padded with 0. 0 makes each row a clip.
        drop_overlapping: Whether to drop a sentence whose [start, stop] overlaps that of an earlier one.

    Raises:
        ValueError: If the manifest is missing or malformed, a file does not match it, lies outside
            the folder or holds NaN or infinity, a sentence has no row, known times contradict the order of sentences,
            a clip has only zeros, the split is empty, or `tokens` are given with `background` or with a sentence
            that has no [start, stop].
    """
    if tokens < 0 or (tokens and background):
        raise ValueError(f"expected tokens >= 0, and no background if tokens > 0, got {tokens} and {background}")
    folder = Path(folder)
    entries = [entry for entry in read_manifest(folder) if entry["split"] == split]
    if not entries:
        raise ValueError(f"expected videos of split {split!r} in {folder}, got none")
    entries = _without_overlaps(entries, split) if drop_overlapping else entries
    untimed = _check_rows(folder, entries, split, tokens)
    for entry in _bar(entries, f"checking {split} features"):
        _clips(entry, _read(folder, entry), background, tokens)
    texts = sorted({text for entry in entries for text in entry["sentences"]})
    places = {text: place for place, text in enumerate(texts)}
    features = embed(texts)

    def draw(number: int) -> Pair:
        entry = entries[number]
        clips, segments = _clips(entry, _opened(folder, entry), background, tokens)
        sentences = features[torch.from_numpy(np.array([places[text] for text in entry["sentences"]]))]
        return Pair(_name(entry), sentences, clips, segments, tuple(entry["sentences"]))

    counts = [len(entry["sentences"]) for entry in entries]
    return LazyPairs([_name(entry) for entry in entries], counts, draw, untimed)


def labelled(folder: Path | str, split: str, *, clips: int) -> list[Video]:
    """Return the videos of one split with their `group` as class. Their lines need no sentences and no segments.

    Args:
        folder: Where `manifest.jsonl` and the `.npy` files are.
        split: Which videos to read.
        clips: Number of rows taken evenly from each video; short videos repeat some.

    Raises:
        ValueError: As for `pairs`, or if a line has no group or a class is in two splits.
    """
    every = read_manifest(folder, texts=False)
    entries = [entry for entry in every if entry["split"] == split]
    if not entries or not all(entry.get("group") for entry in entries):
        raise ValueError(f"expected videos of split {split!r} in {folder}, each with a group (its class)")
    elsewhere = {entry.get("group"): entry["split"] for entry in every if entry["split"] != split}
    shared = sorted({entry["group"] for entry in entries} & elsewhere.keys())
    if shared:
        raise ValueError(
            f"expected every class in one split only, got {shared[0]!r} in {split!r} and {elsewhere[shared[0]]!r}"
        )
    return [
        Video(_name(entry), even_clips(_read(Path(folder), entry), clips, 1)[:, 0], entry["group"])
        for entry in _bar(entries, f"reading {split} features")
    ]


def _name(entry: dict) -> str:
    """Name of a video: its group, if it has one, and its file."""
    return f"{entry['group']}/{entry['video']}" if entry.get("group") else entry["video"]


def _bar(entries: list[dict], doing: str) -> tqdm:
    """Lines of the manifest, with a progress bar if there are many."""
    return tqdm(entries, desc=doing, unit="video", disable=len(entries) < 100)


def _without_overlaps(entries: list[dict], split: str) -> list[dict]:
    """Lines of the manifest without overlapping sentences; logs how many are dropped."""
    kept = [_without_overlap(entry) for entry in entries]
    before, after = (sum(len(entry["sentences"]) for entry in each) for each in (entries, kept))
    if after < before:
        log.warning("%d of %d %s sentences overlap an earlier one and are left out", before - after, before, split)
    return kept


def _without_overlap(entry: dict) -> dict:
    """One line of the manifest without sentences whose segment overlaps that of an earlier sentence that is kept."""
    kept: list[int] = []
    taken: list[list[int | float]] = []
    for number, segment in enumerate(entry["segments"]):
        if isinstance(segment, list):  # a point or null overlaps nothing
            if any(start < segment[1] and segment[0] < stop for start, stop in taken):
                continue
            taken.append(segment)
        kept.append(number)
    return entry | {name: [entry[name][number] for number in kept] for name in ("sentences", "segments")}


def _check_rows(folder: Path, entries: list[dict], split: str, tokens: int) -> list[bool]:
    """Refuse files of another shape and rows that do not fit the sentences, before numbers are read.

    Returns which videos lack times; see `lacks_times`.
    """
    cut = total = unknown = 0
    untimed = []
    for entry in _bar(entries, f"finding {split} features"):
        _opened(folder, entry)
        if tokens:
            rows = _rows_of_clips(entry).sum(1)
            cut, total = cut + int((rows > tokens).sum()), total + len(rows)
            untimed.append(False)
        else:
            shown = set(_segments(entry).tolist())
            unknown += UNKNOWN in shown
            untimed.append(lacks_times(shown, len(entry["sentences"])))
    alike = sum(_repeats(entry) for entry in entries)
    for count, of, what in (
        (cut, total, f"clips have more than {tokens} rows and are cut"),
        (unknown, len(entries), "videos have rows whose sentence is unknown"),
        (alike, len(entries), "videos have a sentence twice in a row without bounds, which no alignment tells apart"),
    ):
        if count:
            log.warning("%d of %d %s %s", count, of, split, what)
    return untimed


def _repeats(entry: dict) -> bool:
    """Whether a sentence comes twice in a row without a time."""
    both = zip(entry["sentences"], entry["segments"], strict=True)
    return any(text == other and before is None and after is None for (text, before), (other, after) in pairwise(both))


def _segments(entry: dict) -> Int[np.ndarray, " rows"]:
    """The sentence of each row, background or unknown."""
    try:
        return row_segments(entry["segments"], entry["rows"], entry["seconds"])
    except ValueError as error:
        raise ValueError(f"{entry['video']}: {error}") from error


def _rows_of_clips(entry: dict) -> Bool[np.ndarray, "sentences rows"]:
    """Which rows form the clip of which sentence, where a clip is a whole segment; refused if one has none."""
    without = [number for number, segment in enumerate(entry["segments"]) if not isinstance(segment, list)]
    if without:
        raise ValueError(
            f"{entry['video']}: expected [start, stop] of every sentence, since its rows are the tokens of one clip, "
            f"got {entry['segments'][without[0]]!r} for number {without[0]}; give its bounds, or make each row a clip "
            f"(tokens=0: any encoder but 'paper')"
        )
    own = rows_within(entry["segments"], entry["rows"], entry["seconds"])
    if not own.any(1).all():
        raise ValueError(
            f"{entry['video']}: expected at least one row for every sentence, got none for number {own.any(1).argmin()}"
        )
    return own


def _opened(folder: Path, entry: dict) -> Shaped[np.ndarray, "rows dim"]:
    """The features of one video, memory-mapped; refused unless type and shape are those of the manifest."""
    path = folder / f"{entry['video']}.npy"
    if not lies_in(path, folder):
        raise ValueError(f"expected features at {path}, found no file in that folder")
    try:
        rows = np.asarray(np.lib.format.open_memmap(path, mode="r"))  # reads .npy only: no archives and no pickles
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"expected a .npy array of numbers at {path}: {error}") from error
    if rows.shape != (entry["rows"], entry["dim"]) or rows.dtype.kind != "f":
        raise ValueError(
            f"expected {path} to hold floats {(entry['rows'], entry['dim'])} as the manifest says, "
            f"got {rows.dtype} {rows.shape}"
        )
    return rows


def _read(folder: Path, entry: dict) -> Float[np.ndarray, "rows dim"]:
    """All features of one video; refused unless they are finite and the file has the manifest's checksum."""
    rows, path = _opened(folder, entry), folder / f"{entry['video']}.npy"
    if "sha256" in entry:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != entry["sha256"]:
                raise ValueError(f"expected {path} to have the sha256 of the manifest, got another: the file changed")
    numbers = _floats(rows)
    if not np.isfinite(numbers).all():
        raise ValueError(f"expected finite features in {path}, got {int((~np.isfinite(numbers)).sum())} that are not")
    return numbers


def _floats(rows: np.ndarray) -> Float[np.ndarray, "..."]:
    """Rows in memory, in single precision. Numbers too large for it become infinite and are refused later."""
    with np.errstate(over="ignore"):
        return np.array(rows, dtype=np.float32)


def _clips(
    entry: dict, rows: np.ndarray, background: bool, tokens: int
) -> tuple[Float[Tensor, "clips *features"], Int[Tensor, " clips"]]:
    """The clips of one video and the sentence of each; only their rows are read."""
    if not tokens:
        segments = _segments(entry)
        kept = np.full(len(segments), True) if background else segments != BACKGROUND
        return torch.from_numpy(_floats(rows[kept])), torch.from_numpy(segments[kept])
    own = _rows_of_clips(entry)
    clips = np.zeros((len(own), tokens, entry["dim"]), np.float32)
    for clip, inside in zip(clips, own, strict=True):
        first = inside.nonzero()[0][:tokens]
        clip[: len(first)] = _floats(rows[first])
    empty = np.flatnonzero(~clips.any((1, 2))).tolist()
    if empty:
        raise ValueError(f"expected clips of {_name(entry)} that are not all 0, got only zeros in clip {empty[0]}")
    return torch.from_numpy(clips), torch.from_numpy(np.arange(len(clips)))
