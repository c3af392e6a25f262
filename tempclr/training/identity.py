"""What the result of a training run depends on, as plain values, so that only the same run is continued."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from tempclr.sequences import Pair
from tempclr.training.config import TrainConfig

_SAMPLE = 32  # pairs whose contents are compared


def identity(
    model: nn.Module, pairs: Sequence[Pair], config: TrainConfig, accelerator: Accelerator, seed: int
) -> dict[str, object]:
    """Return everything that the result of a training run depends on.

    The data are identified by up to 32 evenly spaced pairs, and the model by its printed form, which shows the
    settings of `TempCLR` and of its encoders.

    Raises:
        ValueError: If processes that train together have different values.
    """
    trainable = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    made = {
        **asdict(config),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "device": accelerator.device.type,
        "seed": seed,
        "videos": len(pairs),
        "data": sample_digest(pairs),
        "trainable parameters": [f"{name} ({weight.dtype})" for name, weight in trainable.items()],
        "model": re.sub(r" at 0x[0-9a-f]+", "", repr(model)).splitlines(),
    }
    check_alike(made, accelerator)
    return made


def check_alike(made: Mapping[str, object], accelerator: Accelerator) -> None:
    """Raise `ValueError` unless all processes have the same values; every process must call this."""
    for process, other in enumerate(gather_object([made])):
        if process != accelerator.process_index and (found := differences(made, other)):
            raise ValueError(f"expected the same training on all processes, got a different one on {process}: {found}")


def check_identity(stored: Mapping[str, object], made: Mapping[str, object], path: Path) -> None:
    """Raise `ValueError` unless a stored training run is the one to be continued."""
    if found := differences(stored, made):
        raise ValueError(
            f"expected the settings of the training run in {path}, got different ones: {found}; "
            "continue with the stored ones or choose another folder"
        )


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Return text that lists where two groups of settings differ; empty if they are equal."""
    found = []
    for name in dict.fromkeys((*other, *one)):
        expected, got = one.get(name), other.get(name)
        if isinstance(expected, list) and isinstance(got, list):
            unequal = (pair for pair in zip_longest(expected, got, fillvalue="nothing") if pair[0] != pair[1])
            expected, got = next(unequal, (None, None))  # of many lines that differ, the first is enough
        if expected != got:
            found.append(f"{name} (expected {_short(expected)}, found {_short(got)})")
    return ", ".join(found)


def sample_digest(pairs: Sequence[Pair]) -> str:
    """Return a short hash of the full contents of up to 32 pairs, evenly spaced from the first to the last."""
    count = min(_SAMPLE, len(pairs))
    hashed = hashlib.sha256()
    for number in range(count):
        pair = pairs[number * (len(pairs) - 1) // max(1, count - 1)]
        hashed.update(json.dumps([pair.name, *pair.captions]).encode())
        for tensor in (pair.sentences, pair.clips, pair.segments):
            hashed.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            hashed.update(_bytes(tensor))
    return hashed.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    """The raw contents of a tensor."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _short(value: object) -> str:
    """A value as text, shortened if it is long."""
    text = str(value).strip()
    return text if len(text) <= 200 else f"{text[:200]}..."
