"""The records of a training as lines of JSON, safe against what may happen while they are written."""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path

from tempclr._util.files import write_text

NAME = "history.jsonl"
log = logging.getLogger(__name__)


class History:
    """A history, open for appending.

    Args:
        folder: Where `history.jsonl` is, or is made.
        after: Step that the next record follows; what the file holds of later ones is dropped, so that a
            continued training leaves no step twice.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        kept = [entry for entry in read_history(folder) if entry["step"] <= after]
        write_text(self.path, "".join(_line(entry) for entry in kept))

    def append(self, record: object, *, durable: bool = False) -> None:
        """Add a record, which outlives this process from now on; a durable one, a power cut as well."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(_line(asdict(record) if is_dataclass(record) else dict(record)))
            if durable:
                file.flush()
                os.fsync(file.fileno())


def read_history(folder: Path | str) -> list[dict]:
    """Return the records of a run, up to a line that was cut off by a crash or is damaged."""
    path = Path(folder) / NAME
    if not path.exists():
        return []
    *lines, _ = path.read_bytes().split(b"\n")
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            log.warning("%s is damaged in line %d: records end there", path, len(found) + 1)
            break
    return found


def skipped_videos(records: Iterable[Mapping[str, object]]) -> dict[str, int]:
    """Return how many of the videos drawn in a training each loss did without; see `losses.Losses`."""
    records = list(records)
    return {loss: sum(record[f"{loss}_skipped"] for record in records) for loss in ("unit", "order")}


def _line(entry: dict) -> str:
    """One line of history; numbers that are not finite become null."""
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()
    }
    return json.dumps(plain) + "\n"
