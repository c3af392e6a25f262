"""Folders that are complete as soon as they have their name.

What makes a folder writes to `<out>.partial`, which is renamed to `<out>` at the end. After an interruption, the same
call continues in the partial folder. `env.json` says what made the folder: the hash of all that determines the
result, the versions, and the seconds it took.
"""

import hashlib
import json
import platform
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from filelock import FileLock, Timeout

import tempclr
from tempclr._util.files import digest, write_text
from tempclr._util.optional import version


@contextmanager
def complete_folder(out: Path, env: Mapping[str, object]) -> Iterator[Path]:
    """Yield the partial folder of `out`, and rename it to `out` when the block ends without an error.

    Args:
        out: The folder, which must not exist.
        env: What makes it: `id`, the result of `run_id`, and whatever a reader should know.

    Raises:
        ValueError: If the folder exists, another process is writing it, or the partial folder has another id.
    """
    if out.exists():
        raise ValueError(f"expected a folder that does not exist, got {out}; delete it or choose another")
    partial = out.with_name(out.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(partial / ".lock", timeout=0):
            _claim(partial, env)
            began = time.time()
            yield partial
            done = {
                **env,
                "tempclr": tempclr.__version__,
                "python": platform.python_version(),
                "platform": platform.platform(),
                "torch": version("torch", "notebooks"),
                "seconds": round(time.time() - began, 1),
            }
            write_text(partial / "env.json", json.dumps(done, indent=2))
    except Timeout as error:
        raise ValueError(f"expected no other process to be writing {partial}, got one; wait until it ends") from error
    (partial / ".lock").unlink(missing_ok=True)
    partial.rename(out)


def is_complete(out: Path, identity: str) -> bool:
    """Return whether a folder exists and has this id.

    Raises:
        ValueError: If the folder exists but has another id.
    """
    if not out.exists():
        return False
    stored = out / "env.json"
    if not stored.is_file() or json.loads(stored.read_text()).get("id") != identity:
        raise ValueError(
            f"{out} holds the result of other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    return True


def run_id(settings: object) -> str:
    """Return a hash of plain settings and of the package's source, which together determine a result."""
    return digest([settings, _sources()])


@cache
def _sources() -> dict[str, str]:
    """Hash of each file of the package."""
    package = Path(tempclr.__file__).parent
    return {
        str(file.relative_to(package)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(package.rglob("*.py"))
    }


def _claim(partial: Path, env: Mapping[str, object]) -> None:
    """Mark a partial folder as belonging to this run, or check that it does."""
    stored = partial / "env.json"
    if stored.exists() and json.loads(stored.read_text())["id"] != env["id"]:
        raise ValueError(
            f"{partial} holds an interrupted run with other parameters or another version of the code; "
            "delete it or choose another folder"
        )
    write_text(stored, json.dumps(env, indent=2))
