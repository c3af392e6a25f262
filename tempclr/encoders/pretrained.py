"""Pretrained weights: a local BERT, and the published checkpoints of VideoCLIP and TempCLR.

Only tensors and plain containers are created from a file; no code that it names is run.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tempclr._util.optional import import_optional
from tempclr.encoders.bert import TextBert, VideoBert
from tempclr.encoders.safe_checkpoint import load_with_placeholders

_UNUSED = (".position_ids", ".pooler.dense.weight", ".pooler.dense.bias")  # suffixes of names that no result depends on
_WRAPPER = "mmmodel."  # fairseq's prefix of every name
SHOWN = 8  # names listed in a message


@dataclass(frozen=True)
class Loaded:
    """What was done with each name of a checkpoint."""

    loaded: tuple[str, ...]
    unused: tuple[str, ...]  # of parts that are not needed: BERT's pooler and its table of positions
    missing: tuple[str, ...]  # parameters that the checkpoint lacks; they keep their values
    unknown: tuple[str, ...]  # names that the model lacks
    kept_out: tuple[str, ...] = ()  # classes and functions that the file names; placeholders took their place


def load_published(path: Path | str, video: VideoBert, text: TextBert, *, strict: bool = True) -> Loaded:
    """Load a published checkpoint of VideoCLIP or TempCLR (`checkpoint_best.pt`) into both encoders.

    Its layout is fairseq's: a dict whose "model" (or "state_dict") holds tensors by names such as
    `mmmodel.video_encoder.videomlp.linear1.weight`, `mmmodel.video_encoder.bert.encoder.layer.0...` and
    `mmmodel.text_encoder.embeddings...`, beside settings ("args", "cfg") that are not used.
    `VideoBert()` and `TextBert()` have the published shape.

    Args:
        path: The file, which may be from an old version of torch. Only its tensors and plain containers are
            created; placeholders replace objects of any class, such as the `argparse.Namespace` of its settings.
        video: Receives the weights under `video_encoder`.
        text: Receives those under `text_encoder`.
        strict: Whether to refuse missing and unknown names; otherwise they are only reported.

    Returns:
        What was done with each name. Weights are converted to the encoders' own precision.

    Raises:
        ValueError: If the file is missing, or holds other objects or another layout; if a weight occurs twice, has
            another shape or is not finite; or (strict) if names are missing or unknown. The encoders are then
            unchanged.

    Source:
        github.com/facebookresearch/fairseq, examples/MMPT; github.com/yyuncong/TempCLR.
    """
    stored, kept_out = _state(Path(path))
    weights = {name.removeprefix(_WRAPPER): tensor for name, tensor in stored.items()}
    twice = sorted(name for name in weights if name in stored and _WRAPPER + name in stored)
    if twice:
        raise ValueError(f"expected each weight once in {path}, got, with and without {_WRAPPER!r}: {_listed(twice)}")
    targets = {f"video_encoder.{name}": tensor for name, tensor in video.state_dict().items()}
    targets |= {f"text_encoder.{name}": tensor for name, tensor in text.bert.state_dict().items()}
    report = _load(weights, targets, strict, f"{path}, a checkpoint of MMFusionSeparate with both encoders")
    return replace(report, kept_out=kept_out)


def load_bert(folder: Path | str, encoder: VideoBert | TextBert) -> Loaded:
    """Load a BERT from a local folder (`model.safetensors`), as it is before any training on videos.

    Layers beyond the encoder's are ignored: as published, a `VideoBert` gets the first 6 of bert-base-uncased.
    The MLP is unchanged. Download the folder once, for example with
    `huggingface-cli download google-bert/bert-base-uncased`.

    Returns:
        What was done with each name.

    Raises:
        ValueError: If there is no such file, weights are missing or have another shape, or the extra
            `paper` is not installed. The encoder is then unchanged.
    """
    path = Path(folder) / "model.safetensors"
    if not path.is_file():
        raise ValueError(f"expected weights of a BERT at {path}, found none")
    try:
        stored = import_optional("safetensors.torch", "paper").load_file(path)
    except import_optional("safetensors", "paper").SafetensorError as error:
        raise ValueError(f"expected {path} to be a safetensors file: {error}") from error
    # the oldest files call the scale and shift of a LayerNorm gamma and beta
    weights = {
        name.removeprefix("bert.").replace("Norm.gamma", "Norm.weight").replace("Norm.beta", "Norm.bias"): tensor
        for name, tensor in stored.items()
    }
    stack: Any = encoder.bert.encoder
    layers = len(stack.layer)
    # ignored: further layers, and the heads of BERT's own training
    weights = {
        name: tensor for name, tensor in weights.items() if not _beyond(name, layers) and not name.startswith("cls.")
    }
    return _load(weights, encoder.bert.state_dict(), True, f"{path}, a BERT of at least {layers} layers")


def _beyond(name: str, layers: int) -> bool:
    """Whether a name belongs to a layer beyond the given number."""
    parts = name.split(".")
    return parts[:2] == ["encoder", "layer"] and int(parts[2]) >= layers


def _state(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The tensors of a checkpoint by name, and the classes that were replaced."""
    if not path.is_file():
        raise ValueError(f"expected a checkpoint at {path}, found none")
    content, kept_out = load_with_placeholders(path)
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and key in content:
            content = content[key]
    if not isinstance(content, Mapping) or not content or not all(isinstance(name, str) for name in content):
        raise ValueError(f'expected {path} to hold "model", tensors by name, got {_described(content)}')
    others = sorted(name for name, value in content.items() if not _is_plain(value))
    if others:
        raise ValueError(
            f'expected {path} to hold "model", plain tensors by name, got other things at {_listed(others)}'
        )
    return dict(content), kept_out


def _is_plain(value: object) -> bool:
    """Whether a value is a dense tensor of floating-point or whole numbers."""
    if not isinstance(value, Tensor) or value.is_nested or value.layout != torch.strided or value.is_meta:
        return False
    return value.is_floating_point() or value.dtype in (torch.int64, torch.int32)


def _load(weights: Mapping[str, Tensor], targets: Mapping[str, Tensor], strict: bool, expected: str) -> Loaded:
    """Check all weights, then copy them by name."""
    loaded, missing = weights.keys() & targets.keys(), targets.keys() - weights.keys()
    rest = weights.keys() - targets.keys()
    unused = {name for name in rest if f".{name}".endswith(_UNUSED)}
    report = Loaded(*(tuple(sorted(names)) for names in (loaded, unused, missing, rest - unused)))
    if not loaded or (strict and (report.missing or report.unknown)):
        raise ValueError(
            f"expected {expected}; of its {len(targets)} names {len(report.missing)} are missing"
            f"{_after(report.missing)}, and {len(report.unknown)} are unknown{_after(report.unknown)}"
        )
    wrong = [
        f"{name} {tuple(targets[name].shape)}, got {tuple(weights[name].shape)}"
        for name in report.loaded
        if targets[name].shape != weights[name].shape
    ]
    if wrong:
        raise ValueError(f"expected weights of the model's shapes in {expected}: {_listed(wrong)}")
    broken = [name for name in report.loaded if not weights[name].isfinite().all()]
    if broken:
        raise ValueError(f"expected finite weights in {expected}, got NaN or infinity in {_listed(broken)}")
    for name in report.loaded:
        targets[name].copy_(weights[name])
    return report


def _listed(names: list[str] | tuple[str, ...]) -> str:
    """The first names, and how many follow."""
    rest = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _after(names: tuple[str, ...]) -> str:
    """Names in parentheses, to follow their number."""
    return f" ({_listed(names)})" if names else ""


def _described(content: object) -> str:
    """What was found in place of weights."""
    if isinstance(content, Mapping):
        return f"a dict of {_listed(sorted(str(key) for key in content)) or 'nothing'}"
    return type(content).__name__
