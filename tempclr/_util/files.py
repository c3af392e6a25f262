"""Files that are either whole or not there, and arrays computed once."""

import hashlib
import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

log = logging.getLogger(__name__)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and move it there when the block ends without an error.

    Whoever reads `path`, also after a crash or a power cut, finds the old file, the new one or none.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_partial(folder: Path) -> None:
    """Remove what writers that were killed left in a folder; nobody else may be writing there."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def digest(content: object) -> str:
    """Return a short hash of plain content (numbers, strings, lists, dictionaries), the same on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder of computed arrays: `TEMPCLR_CACHE` if set, else the user's cache folder."""
    return Path(os.environ.get("TEMPCLR_CACHE") or user_cache_path("tempclr"))


def cached(kind: str, key: Mapping[str, object], compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return arrays from the cache, or compute and keep them.

    Args:
        kind: What they are; the first part of the file's name.
        key: Everything they depend on, settings and versions of programs alike; its hash is
            the second part, so that a change of either makes a new file.
        compute: Makes the arrays; run by one process at a time.

    Returns:
        The arrays by name. A damaged file (checked by the checksum of every array in it) is computed anew.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{digest(key)}.npz"
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return _read(path, key)
            except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile, zipfile.zlib.error) as error:
                log.warning("%s is damaged or stale (%s) and is computed anew", path, error)
        arrays = compute()
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, key=np.array(json.dumps(key, sort_keys=True)), **arrays)
        return arrays


def _read(path: Path, key: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Every array of a cache file, refused if it was computed from something else."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    if arrays.pop("key").item() != json.dumps(key, sort_keys=True):
        raise ValueError("it was computed from other settings")
    return arrays
