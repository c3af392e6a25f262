"""One run is one folder of plain files.

params.json     everything that the result depends on, written first
history.jsonl   one line per training step, written by `train` as it goes
last.pt best.pt checkpoints
metrics.json    the result, written last; a run without it is not finished
env.json        how the launcher executed it; it also writes notebook.ipynb and report.html
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path

from tempclr._util.files import write_text
from tempclr.training.history import read_history as read_history


class Run:
    """The folder of a run, open for writing.

    Args:
        folder: Created if it does not exist.
        params: Plain values or dataclasses, by name. A run is continued only with the same parameters.

    Raises:
        ValueError: If the folder holds a run with other parameters.
    """

    def __init__(self, folder: Path | str, **params: object) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = {
            name: asdict(part) if is_dataclass(part) else part  # type: ignore[arg-type]
            for name, part in params.items()
        }
        plain = json.loads(_json(plain))
        stored = self.folder / "params.json"
        if not stored.exists():
            write_text(stored, _json(plain))
        elif json.loads(stored.read_text()) != plain:
            raise ValueError(f"{self.folder} holds a run with other parameters; delete it or choose another folder")

    def finish(self, metrics: Mapping[str, object]) -> None:
        """Write the result, which marks the run as finished."""
        write_text(self.folder / "metrics.json", _json(metrics))


def read_params(folder: Path | str) -> dict:
    """Return the parameters of a run."""
    return _read(Path(folder) / "params.json")


def read_metrics(folder: Path | str) -> dict:
    """Return the result of a run.

    Raises:
        ValueError: If the run is not finished.
    """
    return _read(Path(folder) / "metrics.json")


def is_done(folder: Path | str) -> bool:
    """Return whether a run has a result."""
    return (Path(folder) / "metrics.json").is_file()


def _read(path: Path) -> dict:
    """A JSON file of a run."""
    if not path.is_file():
        raise ValueError(f"expected a finished run, found no {path}")
    return json.loads(path.read_text(encoding="utf-8"))


def _json(content: object) -> str:
    """Indented JSON; refuses NaN and infinity, which JSON cannot hold."""
    return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
