"""What a training is, in plain values, so that it is continued only as what it was."""

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

SAMPLE = 32  # pairs that are read


def identity(
    model: nn.Module, pairs: Sequence[Pair], config: TrainConfig, accelerator: Accelerator, seed: int
) -> dict[str, object]:
    """Return what the numbers of a training depend on: a difference in any of it is a different training.

    Of the data, up to 32 pairs are read, evenly spaced. The model is told by its printed form, in which `TempCLR`
    and the encoders name their settings, and the objective its functions.

    Raises:
        ValueError: If processes that are to train together were given different ones.
    """
    learning = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    made = {
        **asdict(config),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "device": accelerator.device.type,
        "seed": seed,
        "videos": len(pairs),
        "data": sample_digest(pairs),
        "trained weights": [f"{name} ({weight.dtype})" for name, weight in learning.items()],
        "model": re.sub(r" at 0x[0-9a-f]+", "", repr(model)).splitlines(),
    }
    check_alike(made, accelerator)
    return made


def check_alike(made: Mapping[str, object], accelerator: Accelerator) -> None:
    """Raise `ValueError` unless all processes, each of which must call this, were given the same."""
    for process, other in enumerate(gather_object([made])):
        if process != accelerator.process_index and (found := differences(made, other)):
            raise ValueError(f"expected the same training on all processes, got another on {process}: {found}")


def check_identity(stored: Mapping[str, object], made: Mapping[str, object], path: Path) -> None:
    """Raise `ValueError` unless a training was begun as it is to be continued."""
    if found := differences(stored, made):
        raise ValueError(
            f"{path} belongs to a training with other settings: {found}; "
            "continue it as it began, or choose another folder"
        )


def differences(one: Mapping[str, object], other: Mapping[str, object]) -> str:
    """Return in words where two groups of settings differ; nothing if they do not."""
    found = []
    for name in dict.fromkeys((*other, *one)):
        expected, got = one.get(name), other.get(name)
        if isinstance(expected, list) and isinstance(got, list):
            unequal = (pair for pair in zip_longest(expected, got, fillvalue="nothing") if pair[0] != pair[1])
            expected, got = next(unequal, (None, None))  # many lines may differ; the first says what it is about
        if expected != got:
            found.append(f"{name} (expected {_short(expected)}, found {_short(got)})")
    return ", ".join(found)


def sample_digest(pairs: Sequence[Pair]) -> str:
    """Return a short hash of up to 32 pairs, evenly spaced from the first to the last, with all their contents."""
    count = min(SAMPLE, len(pairs))
    hashed = hashlib.sha256()
    for number in range(count):
        pair = pairs[number * (len(pairs) - 1) // max(1, count - 1)]
        hashed.update(json.dumps([pair.name, *pair.captions]).encode())
        for tensor in (pair.sentences, pair.clips, pair.segments):
            hashed.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
            hashed.update(_bytes(tensor))
    return hashed.hexdigest()[:16]


def _bytes(tensor: Tensor) -> bytes:
    """What a tensor holds."""
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _short(value: object) -> str:
    """A value, or the beginning of a long one."""
    text = str(value).strip()
    return text if len(text) <= 200 else f"{text[:200]}..."
