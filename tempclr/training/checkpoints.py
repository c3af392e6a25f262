"""Files of tensors and plain containers that are whole or not there, and are refused where they do not belong."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from tempclr._util.files import atomic_write


def save(content: dict, path: Path) -> None:
    """Write tensors and plain containers to a file that is whole or not there.

    Raises:
        OSError: If it cannot be written, as on a full disk; what the path held before is unharmed.
    """
    try:
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
    except (OSError, RuntimeError) as error:
        kept = "the file written before is unharmed" if path.exists() else "no file was there before"
        raise OSError(f"could not write {path} ({error}); {kept}; make space and continue from it") from error


def load(path: Path) -> dict:
    """Return what `save` wrote, on the CPU. Nothing but tensors and plain containers is unpickled.

    Raises:
        ValueError: If the file is missing or is not such a checkpoint.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ValueError(f"expected a checkpoint at {path}, found none; train first") from error
    except Exception as error:
        raise ValueError(f"expected a checkpoint of tensors and plain containers at {path}: {error}") from error


def load_weights(model: nn.Module, path: Path | str) -> None:
    """Put the weights of a checkpoint, such as a run's `best.pt`, into a model of the same make.

    Raises:
        ValueError: If the file is no checkpoint, or holds the weights of another model; the message lists
            what differs. The model is then as before.
    """
    stored = load(Path(path))
    if "model" not in stored:
        raise ValueError(f"expected the checkpoint of a training at {path}, got one of {', '.join(stored)}")
    check_weights(stored["model"], model, Path(path))
    model.load_state_dict(stored["model"])


def check_weights(stored: Mapping[str, Tensor], model: nn.Module, path: Path) -> None:
    """Raise `ValueError` unless weights are those of this model, by name and shape."""
    own = model.state_dict()
    problems = {
        "missing": [name for name in own if name not in stored],
        "unknown": [name for name in stored if name not in own],
        "of another shape": [
            f"{name} (expected {tuple(own[name].shape)}, found {tuple(stored[name].shape)})"
            for name in own
            if name in stored and own[name].shape != stored[name].shape
        ],
    }
    found = [f"{what}: {_some(names)}" for what, names in problems.items() if names]
    if found:
        raise ValueError(f"expected {path} to hold the weights of this model; {'; '.join(found)}")


def _some(names: list[str]) -> str:
    """The first of many names."""
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
