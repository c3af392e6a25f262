"""A user's own features: a folder of `.npy` files and a manifest that describes them.

    features/
      manifest.jsonl    one JSON object a line, one line a video
      <video>.npy       [rows, dim] floats, one row per clip

A line of the manifest has

    video            name of the `.npy` file without its ending
    split            "train", "validation" or "test"
    rows, dim        shape of the file
    seconds          duration of one row
    sentences        the paragraph, in order
    segments         [start, stop] of each sentence in seconds, in order

and may have `model`, `sha256` (of the file; checked when given) and anything else.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from tempclr.sequences import Pair

FIELDS = {
    "video": str,
    "split": str,
    "rows": int,
    "dim": int,
    "seconds": (int, float),
    "sentences": list,
    "segments": list,
}


def pairs(
    folder: Path | str,
    split: str,
    embed: Callable[[Sequence[str]], Float[Tensor, "texts dim"]],
    *,
    background: bool = False,
) -> list[Pair]:
    """Return the videos of one split as pairs.

    A row belongs to the sentence whose segment its middle falls into (the first, where segments overlap).

    Args:
        folder: Where `manifest.jsonl` and the `.npy` files are.
        split: Which videos to read.
        embed: Sentences to features.
        background: Whether rows outside all segments are kept (as segment -1) or removed.

    Raises:
        ValueError: If the manifest is missing or malformed, a file does not match it, lies outside
            the folder or is not finite, a sentence has no row, or no video is in the split.
    """
    entries = [entry for entry in read_manifest(folder) if entry["split"] == split]
    if not entries:
        raise ValueError(f"expected videos of split {split!r} in {folder}, got none")
    texts = sorted({text for entry in entries for text in entry["sentences"]})
    features = dict(zip(texts, embed(texts), strict=True))
    return [
        _pair(entry, _read_rows(Path(folder), entry), features, background)
        for entry in tqdm(entries, desc=f"reading {split} features", unit="video", disable=len(entries) < 100)
    ]


def read_manifest(folder: Path | str) -> list[dict]:
    """Return the lines of a folder's manifest, checked.

    Raises:
        ValueError: If it is missing, or a line is malformed; the message names the line.
    """
    path = Path(folder) / "manifest.jsonl"
    if not path.is_file():
        raise ValueError(f"expected a manifest at {path}, found none")
    entries = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                entries.append(_checked(json.loads(line)))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    return entries


def _checked(entry: object) -> dict:
    """One line of the manifest, refused unless every field is there and makes sense."""
    if not isinstance(entry, dict):
        raise ValueError(f"expected a JSON object, got {type(entry).__name__}")
    for name, kind in FIELDS.items():
        if not isinstance(entry.get(name), kind) or isinstance(entry[name], bool):
            raise ValueError(f"expected a field {name!r}, got {entry.get(name)!r}")
    if Path(entry["video"]).name != entry["video"] or entry["video"] in ("", ".", ".."):
        raise ValueError(f"expected a file name without folders as video, got {entry['video']!r}")
    if entry["rows"] < 1 or entry["dim"] < 1 or entry["seconds"] <= 0:
        raise ValueError(
            f"expected rows, dim and seconds > 0, got {entry['rows']}, {entry['dim']} and {entry['seconds']}"
        )
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
    return entry


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


def _pair(entry: dict, rows: Tensor, features: dict[str, Tensor], background: bool) -> Pair:
    """One video with its rows assigned to sentences."""
    middle = (torch.arange(len(rows)) + 0.5) * entry["seconds"]
    segments = torch.full((len(rows),), -1)
    for number, (start, stop) in enumerate(entry["segments"]):
        segments[(segments < 0) & (start <= middle) & (middle < stop)] = number
    missing = [number for number in range(len(entry["sentences"])) if not (segments == number).any()]
    if missing:
        raise ValueError(
            f"expected at least one row for every sentence of {entry['video']}, got none for number {missing[0]}"
        )
    kept = torch.ones_like(segments, dtype=torch.bool) if background else segments >= 0
    sentences = torch.stack([features[text] for text in entry["sentences"]])
    return Pair(entry["video"], sentences, rows[kept], segments[kept], tuple(entry["sentences"]))
