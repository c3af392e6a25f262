"""A user's own features: a folder of `.npy` files and a manifest that describes them.

    features/
      manifest.jsonl    one JSON object a line, one line a video
      <video>.npy       [rows, dim] floats, one row per clip, or per token of a clip

A line of the manifest has

    video            name of the `.npy` file without its ending
    split            "train", "validation" or "test"
    rows, dim        shape of the file
    seconds          duration of one row
    sentences        the paragraph, in order
    segments         [start, stop] of each sentence in seconds, in order

and may have `group` (task or class of the video, which then comes before its name), `model`, `sha256` (of the file;
checked when given) and anything else. All files have the same dim.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor
from tqdm.auto import tqdm

from tempclr.data.labelled import Video, even_clips
from tempclr.sequences import Pair

FIELDS = {
    "video": str,
    "split": str,
    "rows": int,
    "dim": int,
    "seconds": (int, float),
}
TEXTS = {"sentences": list, "segments": list}


def pairs(
    folder: Path | str,
    split: str,
    embed: Callable[[Sequence[str]], Shaped[Tensor, "texts features"]],
    *,
    background: bool = False,
    tokens: int = 0,
    apart: bool = False,
) -> list[Pair]:
    """Return the videos of one split as pairs.

    A row belongs to the sentence whose segment its middle falls into (the first, where segments overlap). With
    `tokens` the rows of a segment are together the one clip of its sentence, and overlapping clips share rows.

    Args:
        folder: Where `manifest.jsonl` and the `.npy` files are.
        split: Which videos to read.
        embed: Sentences to features.
        background: Whether rows outside all segments are kept (as segment -1) or removed.
        tokens: Most rows of a clip, for an encoder of clips [clips, tokens, dim] such as `VideoBert`: the first
            ones of each segment, padded with 0. 0 makes each row a clip.
        apart: Whether sentences are left out whose segment overlaps that of an earlier one which is kept.

    Raises:
        ValueError: If the manifest is missing or malformed, a file does not match it, lies outside
            the folder or is not finite, a sentence has no row, a clip is 0 throughout, no video is in the split,
            or background is to be kept in clips of tokens.
    """
    if tokens < 0 or (tokens and background):
        raise ValueError(f"expected tokens >= 0, and no background with them, got {tokens} and {background}")
    entries = [entry for entry in read_manifest(folder) if entry["split"] == split]
    if not entries:
        raise ValueError(f"expected videos of split {split!r} in {folder}, got none")
    entries = [_apart(entry) for entry in entries] if apart else entries
    texts = sorted({text for entry in entries for text in entry["sentences"]})
    features = dict(zip(texts, embed(texts), strict=True))
    return [
        _pair(entry, _read_rows(Path(folder), entry), features, background, tokens)
        for entry in tqdm(entries, desc=f"reading {split} features", unit="video", disable=len(entries) < 100)
    ]


def labelled(folder: Path | str, split: str, *, clips: int) -> list[Video]:
    """Return the videos of one split with their `group` as class; their lines need neither sentences nor segments.

    Args:
        folder: Where `manifest.jsonl` and the `.npy` files are.
        split: Which videos to read.
        clips: Rows taken evenly from each video, so that all have as many; short videos repeat some.

    Raises:
        ValueError: As `pairs`, or if a line has no group, or a class is in another split too.
    """
    every = read_manifest(folder, texts=False)
    entries = [entry for entry in every if entry["split"] == split]
    if not entries or not all(entry.get("group") for entry in entries):
        raise ValueError(f"expected videos of split {split!r} in {folder}, each with a group, its class")
    elsewhere = {entry.get("group"): entry["split"] for entry in every if entry["split"] != split}
    shared = sorted({entry["group"] for entry in entries} & elsewhere.keys())
    if shared:
        raise ValueError(
            f"expected every class in one split alone, got {shared[0]!r} in {split!r} and {elsewhere[shared[0]]!r}"
        )
    return [
        Video(
            f"{entry['group']}/{entry['video']}",
            even_clips(_read_rows(Path(folder), entry).numpy(), clips, 1)[:, 0],
            entry["group"],
        )
        for entry in tqdm(entries, desc=f"reading {split} features", unit="video", disable=len(entries) < 100)
    ]


def read_manifest(folder: Path | str, *, texts: bool = True) -> list[dict]:
    """Return the lines of a folder's manifest, checked.

    Args:
        folder: Where it is.
        texts: Whether each line must have sentences and segments.

    Raises:
        ValueError: If it is missing, a line is malformed, or two differ in dim; the message names the line.
    """
    path = Path(folder) / "manifest.jsonl"
    if not path.is_file():
        raise ValueError(f"expected a manifest at {path}, found none")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                entries.append(_checked(json.loads(line), texts))
                if entries[-1]["dim"] != entries[0]["dim"]:
                    raise ValueError(f"expected dim {entries[0]['dim']} as before, got {entries[-1]['dim']}")
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    return entries


def _checked(entry: object, texts: bool = True) -> dict:
    """One line of the manifest, refused unless every field is there and makes sense."""
    if not isinstance(entry, dict):
        raise ValueError(f"expected a JSON object, got {type(entry).__name__}")
    for name, kind in {**FIELDS, **(TEXTS if texts else {})}.items():
        if not isinstance(entry.get(name), kind) or isinstance(entry[name], bool):
            raise ValueError(f"expected a field {name!r}, got {entry.get(name)!r}")
    if Path(entry["video"]).name != entry["video"] or entry["video"] in ("", ".", ".."):
        raise ValueError(f"expected a file name without folders as video, got {entry['video']!r}")
    if not isinstance(entry.get("group", ""), str) or "/" in entry.get("group", ""):
        raise ValueError(f"expected a text without / as group, got {entry['group']!r}")
    if entry["rows"] < 1 or entry["dim"] < 1 or entry["seconds"] <= 0:
        raise ValueError(
            f"expected rows, dim and seconds > 0, got {entry['rows']}, {entry['dim']} and {entry['seconds']}"
        )
    if texts:
        _check_texts(entry)
    return entry


def _check_texts(entry: dict) -> None:
    """Refuse a line whose sentences and segments do not make sense."""
    if not entry["sentences"] or len(entry["sentences"]) != len(entry["segments"]):
        raise ValueError(
            f"expected as many segments as sentences, at least one, "
            f"got {len(entry['segments'])} and {len(entry['sentences'])}"
        )
    if not all(isinstance(text, str) and text.strip() for text in entry["sentences"]):
        raise ValueError("expected every sentence to be a text that is not empty")
    for segment in entry["segments"]:
        if not (
            isinstance(segment, list)
            and len(segment) == 2
            and all(isinstance(bound, int | float) for bound in segment)
            and 0 <= segment[0] < segment[1]
        ):
            raise ValueError(f"expected segments [start, stop] with 0 <= start < stop in seconds, got {segment!r}")


def _read_rows(folder: Path, entry: dict) -> Tensor:
    """The features of one video, refused unless they are what the manifest says."""
    path = folder / f"{entry['video']}.npy"
    if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"expected features at {path}, found no file in that folder")
    if "sha256" in entry and hashlib.sha256(path.read_bytes()).hexdigest() != entry["sha256"]:
        raise ValueError(f"expected {path} to have the sha256 of the manifest, got another: the file changed")
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"expected a .npy array of numbers at {path}: {error}") from error
    if rows.shape != (entry["rows"], entry["dim"]) or rows.dtype.kind != "f":
        raise ValueError(
            f"expected {path} to hold floats {(entry['rows'], entry['dim'])} as the manifest says, "
            f"got {rows.dtype} {rows.shape}"
        )
    if not np.isfinite(rows).all():
        raise ValueError(f"expected finite features in {path}, got {int((~np.isfinite(rows)).sum())} that are not")
    return torch.from_numpy(rows.astype(np.float32))


def _apart(entry: dict) -> dict:
    """One line of the manifest without the sentences whose segment overlaps that of an earlier one, greedily."""
    kept: list[int] = []
    for number, (start, stop) in enumerate(entry["segments"]):
        if all(stop <= entry["segments"][other][0] or entry["segments"][other][1] <= start for other in kept):
            kept.append(number)
    return entry | {name: [entry[name][number] for number in kept] for name in ("sentences", "segments")}


def _pair(entry: dict, rows: Tensor, features: dict[str, Tensor], background: bool, tokens: int) -> Pair:
    """One video with its rows assigned to sentences."""
    middle = (torch.arange(len(rows)) + 0.5) * entry["seconds"]
    inside = torch.stack([(start <= middle) & (middle < stop) for start, stop in entry["segments"]])
    segments = torch.where(inside.any(0), inside.byte().argmax(0), -1)  # the first that holds a row
    for number in range(len(inside)):
        if not (inside[number] if tokens else segments == number).any():
            raise ValueError(
                f"expected at least one row for every sentence of {entry['video']}, got none for number {number}"
            )
    sentences = torch.stack([features[text] for text in entry["sentences"]])
    name = f"{entry['group']}/{entry['video']}" if entry.get("group") else entry["video"]
    if tokens:
        clips = torch.stack([_window(rows[each], tokens) for each in inside])
        empty = (~clips.flatten(1).any(1)).nonzero()[:, 0].tolist()
        if empty:
            raise ValueError(f"expected features that are not all 0 in the clips of {name}, got such in {empty[0]}")
        return Pair(name, sentences, clips, torch.arange(len(clips)), tuple(entry["sentences"]))
    kept = torch.ones_like(segments, dtype=torch.bool) if background else segments >= 0
    return Pair(name, sentences, rows[kept], segments[kept], tuple(entry["sentences"]))


def _window(rows: Tensor, tokens: int) -> Tensor:
    """The first rows, padded with 0 to so many."""
    return torch.nn.functional.pad(rows[:tokens], (0, 0, 0, max(0, tokens - len(rows))))
