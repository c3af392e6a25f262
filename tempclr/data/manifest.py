"""The manifest of a folder of features: a file `manifest.jsonl` with one line of JSON per video.

A line has

    video            name of the `.npy` file without its ending; every video has one line
    split            "train", "validation" or "test"
    rows, dim        shape of the file
    seconds          duration of one row
    sentences        the paragraph, in order of time

and may have

    segments         what is known of the time of each sentence, in seconds: [start, stop]; a point at which it is
                     shown, such as the time of a narration; or null. No start or point lies before that of an earlier
                     sentence. Without this field, nothing is known but the order
    group            task or class of the video, which becomes the first part of its name
    sha256           of the file; checked if given

and further fields. All files have the same dim. Lines of videos of which only the class is used need no sentences.
"""

import json
import math
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


def read_manifest(folder: Path | str, *, texts: bool = True) -> list[dict]:
    """Return the lines of a folder's manifest, checked.

    Args:
        folder: Where the manifest is.
        texts: Whether each line must have sentences. Then each also gets segments, null where there are none.

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
    kinds: dict[str, Any] = {**FIELDS, **({"sentences": list} if texts else {})}
    for name, kind in kinds.items():
        if not isinstance(entry.get(name), kind) or isinstance(entry[name], bool):
            raise ValueError(f"expected a field {name!r}, got {entry.get(name)!r}")
    if Path(entry["video"]).name != entry["video"] or entry["video"] in ("", ".", ".."):
        raise ValueError(f"expected a file name without folders as video, got {entry['video']!r}")
    if entry["split"] not in _SPLITS:
        raise ValueError(f"expected split to be one of {', '.join(_SPLITS)}, got {entry['split']!r}")
    if not isinstance(entry.get("group", ""), str) or "/" in entry.get("group", ""):
        raise ValueError(f"expected a string without / as group, got {entry['group']!r}")
    if entry["rows"] < 1 or entry["dim"] < 1 or not 0 < entry["seconds"] < math.inf:
        raise ValueError(
            f"expected rows, dim and seconds > 0 and finite, got {entry['rows']}, {entry['dim']} and {entry['seconds']}"
        )
    return _with_segments(entry) if texts else entry


def _with_segments(entry: dict) -> dict:
    """The same line with a segment for each sentence; refused if sentences and segments do not match."""
    sentences = entry["sentences"]
    if not sentences or not all(isinstance(text, str) and text.strip() for text in sentences):
        raise ValueError("expected sentences that are strings and not empty, at least one")
    segments = [None] * len(sentences) if entry.get("segments") is None else entry["segments"]
    if not isinstance(segments, list) or len(segments) != len(sentences):
        got = len(segments) if isinstance(segments, list) else repr(segments)
        raise ValueError(
            f"expected as many segments as sentences, or no field 'segments', got {got} and {len(sentences)}"
        )
    _check_segments(segments, entry["rows"] * entry["seconds"])
    if len(sentences) > entry["rows"] and not all(isinstance(segment, list) for segment in segments):
        raise ValueError(
            f"expected a row for each sentence where some have no [start, stop], "
            f"got {len(sentences)} sentences and {entry['rows']} rows"
        )
    return {**entry, "segments": segments}


def _check_segments(segments: list, duration: float) -> None:
    """Refuse segments that are malformed, lie beyond the video, or are not in order of time."""
    for segment in segments:
        if _is_number(segment):
            if not 0 <= segment < duration:
                raise ValueError(
                    f"expected a point from 0 to below {duration:g} s, the end of the video, got {segment!r}"
                )
        elif segment is not None and not (
            isinstance(segment, list)
            and len(segment) == 2
            and all(_is_number(bound) for bound in segment)
            and 0 <= segment[0] < segment[1]
        ):
            raise ValueError(
                f"expected segments [start, stop] with 0 <= start < stop in seconds, a point in seconds, or null, "
                f"got {segment!r}"
            )
    known = [segment for segment in segments if segment is not None]
    for before, segment in pairwise(known):
        if _start(segment) < _start(before):
            raise ValueError(f"expected sentences in order of time, got segment {segment!r} after {before!r}")


def _is_number(value: object) -> bool:
    """Whether a value of JSON is a number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _start(segment: list[int | float] | int | float) -> int | float:
    """The start of a segment, or its point."""
    return segment[0] if isinstance(segment, list) else segment
