"""Training records as lines of JSON, readable even if a crash cuts one off."""

import json
import logging
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any

from tempclr._util.files import write_text

NAME = "history.jsonl"
log = logging.getLogger(__name__)


class History:
    """The history of a training run, open for appending.

    Args:
        folder: Folder of `history.jsonl`; both are created if necessary.
        after: Step from which training continues. Records of later steps are dropped, so that no step appears twice.
    """

    def __init__(self, folder: Path, *, after: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        kept = [entry for entry in read_history(folder) if entry["step"] <= after]
        write_text(self.path, "".join(_line(entry) for entry in kept))

    def append(self, record: Any, *, durable: bool = False) -> None:
        """Add a record. It survives a crash of this process; a durable record also survives a power cut."""
        with self.path.open("a", encoding="utf-8") as file:
            entry = asdict(record) if is_dataclass(record) else dict(record)  # type: ignore[arg-type]
            file.write(_line(entry))
            if durable:
                file.flush()
                os.fsync(file.fileno())


def read_history(folder: Path | str) -> list[dict]:
    """Return the records of a run, up to the first line that is damaged or was cut off by a crash."""
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


def skipped_videos(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return for each loss how many of the drawn videos it skipped; see `losses.Losses`."""
    records = list(records)
    return {loss: sum(record[f"{loss}_skipped"] for record in records) for loss in ("unit", "order")}


def _line(entry: dict) -> str:
    """A record as one line of JSON; numbers that are not finite become null."""
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()
    }
    return json.dumps(plain) + "\n"
