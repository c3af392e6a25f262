"""The manifest of a folder of features: a file `manifest.jsonl` with one line of JSON per video.

A line has

    video            name of the `.npy` file without its ending; every video has one line
    split            "train", "validation" or "test"
    rows, dim        shape of the file
    seconds          duration of one row
    sentences        the paragraph, in order of time
    segments         [start, stop] of each sentence in seconds; no start lies before that of an earlier sentence

and may have `group` (task or class of the video, which becomes the first part of its name), `sha256` (of the file;
checked if given) and further fields. All files have the same dim.
"""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

_SPLITS = ("train", "validation", "test")
FIELDS = {
    "video": str,
    "split": str,
    "rows": int,
    "dim": int,
    "seconds": (int, float),
}
_TEXTS = {"sentences": list, "segments": list}


def read_manifest(folder: Path | str, *, texts: bool = True) -> list[dict]:
    """Return the lines of a folder's manifest, checked.

    Args:
        folder: Where the manifest is.
        texts: Whether each line must have sentences and segments.

    Raises:
        ValueError: If it is missing, a line is malformed, a video has two lines, or two lines differ in dim. The
            message names the line.
    """
    path = Path(folder) / "manifest.jsonl"
    if not path.is_file():
        raise ValueError(f"expected a manifest at {path}, found none")
    entries: list[dict] = []
    lines: dict[str, int] = {}  # line number of each video
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                try:
                    entry = checked(json.loads(line), texts=texts)
                    if entries and entry["dim"] != entries[0]["dim"]:
                        raise ValueError(f"expected dim {entries[0]['dim']} as before, got {entry['dim']}")
                    if entry["video"] in lines:
                        raise ValueError(
                            f"expected every video once, got {entry['video']!r} in line {lines[entry['video']]} too"
                        )
                except ValueError as error:
                    raise ValueError(f"{path}, line {number}: {error}") from error
                entries.append(entry)
                lines[entry["video"]] = number
    return entries


def checked(entry: object, *, texts: bool = True) -> dict:
    """Return one line of a manifest, or raise `ValueError` if a field is missing or wrong."""
    if not isinstance(entry, dict):
        raise ValueError(f"expected a JSON object, got {type(entry).__name__}")
    kinds: dict[str, Any] = {**FIELDS, **(_TEXTS if texts else {})}
    for name, kind in kinds.items():
        if not isinstance(entry.get(name), kind) or isinstance(entry[name], bool):
            raise ValueError(f"expected a field {name!r}, got {entry.get(name)!r}")
    if Path(entry["video"]).name != entry["video"] or entry["video"] in ("", ".", ".."):
        raise ValueError(f"expected a file name without folders as video, got {entry['video']!r}")
    if entry["split"] not in _SPLITS:
        raise ValueError(f"expected split to be one of {', '.join(_SPLITS)}, got {entry['split']!r}")
    if not isinstance(entry.get("group", ""), str) or "/" in entry.get("group", ""):
        raise ValueError(f"expected a string without / as group, got {entry['group']!r}")
    if entry["rows"] < 1 or entry["dim"] < 1 or entry["seconds"] <= 0:
        raise ValueError(
            f"expected rows, dim and seconds > 0, got {entry['rows']}, {entry['dim']} and {entry['seconds']}"
        )
    if texts:
        _check_texts(entry)
    return entry


def _check_texts(entry: dict) -> None:
    """Refuse sentences and segments that do not match or are malformed."""
    if not entry["sentences"] or len(entry["sentences"]) != len(entry["segments"]):
        raise ValueError(
            f"expected as many segments as sentences, at least one, "
            f"got {len(entry['segments'])} and {len(entry['sentences'])}"
        )
    if not all(isinstance(text, str) and text.strip() for text in entry["sentences"]):
        raise ValueError("expected sentences that are strings and not empty")
    for segment in entry["segments"]:
        if not (
            isinstance(segment, list)
            and len(segment) == 2
            and all(isinstance(bound, int | float) for bound in segment)
            and 0 <= segment[0] < segment[1]
        ):
            raise ValueError(f"expected segments [start, stop] with 0 <= start < stop in seconds, got {segment!r}")
    for before, segment in pairwise(entry["segments"]):
        if segment[0] < before[0]:
            raise ValueError(f"expected sentences in order of time, got segment {segment!r} after {before!r}")
