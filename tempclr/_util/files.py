"""Atomic writes of files, and a cache of arrays."""

import hashlib
import json
import logging
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from platformdirs import user_cache_path

log = logging.getLogger(__name__)


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, and rename it to `path` when the block ends without an error.

    A reader of `path` finds the old file, the complete new one or none, even after a crash or a power cut.
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
    """Remove temporary files that killed writers left in a folder; nothing else may be writing there."""
    for path in folder.glob(".*.partial"):
        path.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_arrays(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a compressed `.npz` file, completely or not at all."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **dict[str, Any](arrays))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a `.npz` file by name.

    Raises:
        ValueError: If the file fails its checksums or holds anything but plain arrays.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (ValueError, OSError, EOFError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"expected arrays in {path}, got a damaged file: {error}") from error


def lies_in(path: Path, folder: Path) -> bool:
    """Return whether a path is a file that lies in a folder, and not a link that leads out of it."""
    return path.is_file() and path.resolve().is_relative_to(folder.resolve())


def digest(content: object) -> str:
    """Return a short hash of plain content (numbers, strings, lists, dictionaries), the same on every machine."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Return the folder of cached arrays: `TEMPCLR_CACHE` if set, otherwise one in the user's cache folder."""
    return Path(os.environ.get("TEMPCLR_CACHE") or user_cache_path("tempclr"))


def cached(kind: str, key: Mapping[str, object], compute: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return arrays from the cache, or compute and store them.

    Args:
        kind: What the arrays are; the first part of the file's name.
        key: Everything the arrays depend on, such as settings and versions of programs; its hash is the second part
            of the file's name.
        compute: Computes the arrays; called by one process at a time.

    Returns:
        The arrays by name. If the checksums of a file fail, its arrays are computed again.
    """
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{digest(key)}.npz"
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            try:
                return _read(path, key)
            except ValueError as error:
                log.warning("%s is damaged or stale (%s) and is computed again", path, error)
        arrays = compute()
        write_arrays(path, {"key": np.array(json.dumps(key, sort_keys=True)), **arrays})
        return arrays


def _read(path: Path, key: Mapping[str, object]) -> dict[str, np.ndarray]:
    """The arrays of a cache file, refused if they were computed from other settings."""
    arrays = read_arrays(path)
    if "key" not in arrays or arrays.pop("key").item() != json.dumps(key, sort_keys=True):
        raise ValueError("expected the settings in the key, got different ones")
    return arrays
