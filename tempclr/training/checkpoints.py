"""Files of tensors and plain containers: written atomically, and checked before they are used."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tempclr._util.files import atomic_write


def save(content: dict, path: Path) -> None:
    """Write tensors and plain containers to a file, completely or not at all.

    Raises:
        OSError: If it cannot be written, as on a full disk; a file that was there before is intact.
    """
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        kept = "the previous file is intact" if path.exists() else "there was no previous file"
        raise OSError(f"could not write {path} ({error}); {kept}; free disk space and run again") from error


def load(path: Path) -> dict:
    """Return what `save` wrote, on the CPU. Only tensors and plain containers are unpickled.

    Raises:
        ValueError: If the file is missing or holds anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"expected a checkpoint at {path}, found none; train first") from error
    except Exception as error:
        raise ValueError(f"expected a checkpoint of tensors and plain containers at {path}: {error}") from error


def load_weights(model: nn.Module, path: Path | str) -> None:
    """Load the weights of a checkpoint, such as a run's `best.pt`, into a model with the same parameters.

    Raises:
        ValueError: If the file is not a checkpoint, or holds weights of other names or shapes, which the message
            lists. The model is then unchanged.
    """
    stored = load(Path(path))
    if "model" not in stored:
        raise ValueError(f"expected a checkpoint of `train` at {path}, got one of {', '.join(stored)}")
    check_weights(stored["model"], model, Path(path))
    model.load_state_dict(stored["model"])


def check_weights(stored: Mapping[str, Tensor], model: nn.Module, path: Path) -> None:
    """Raise `ValueError` unless stored weights have the names and shapes of a model's."""
    own = model.state_dict()
    problems = {
        "missing": [name for name in own if name not in stored],
        "unknown": [name for name in stored if name not in own],
        "with another shape": [
            f"{name} (expected {tuple(own[name].shape)}, found {tuple(stored[name].shape)})"
            for name in own
            if name in stored and own[name].shape != stored[name].shape
        ],
    }
    found = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if found:
        raise ValueError(f"expected {path} to hold the weights of this model; {'; '.join(found)}")


def _some(names: list[str]) -> str:
    """A list of names, shortened if it is long."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
