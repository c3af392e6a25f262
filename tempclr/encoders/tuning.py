"""Which parameters are trained."""

from collections.abc import Sequence
from typing import Literal

from torch import nn

from tempclr._util.optional import import_optional

Tuned = Literal["all", "layernorm", "lora"]


def tune(
    model: nn.Module,
    what: Tuned,
    *,
    rank: int = 8,
    targets: Sequence[str] = ("query", "value"),
) -> int:
    """Freeze all but the chosen parameters of a model, in place, and return how many scalars are trained.

    Load weights first: "lora" wraps the layers that it targets, which renames their parameters.

    Args:
        model: An encoder, or a whole `TempCLR`.
        what: "all"; "layernorm", scale and shift of every LayerNorm, as in the paper's pre-training; or
            "lora", low-rank updates of frozen linear layers (extra `paper`).
        rank: Of the updates of "lora", >= 1. Updates start at 0, so the outputs are the same at first.
        targets: Last parts of the names of the linear layers that "lora" updates; default: queries and values of BERT.

    Raises:
        ValueError: If the choice is unknown, the model has no such parameters, or the extra is not installed.

    Source:
        Yang et al., "TempCLR", ICLR 2023, section 4.1: only LayerNorms, 59,904 scalars in the published
        model; Hu et al., "LoRA", ICLR 2022.
    """
    if what not in ("all", "layernorm", "lora"):
        raise ValueError(f"expected all, layernorm or lora, got {what!r}")
    if what == "lora":
        return _low_rank(model, rank, targets)
    model.requires_grad_(what == "all")
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.requires_grad_(True)
    return _trained(model, f"a LayerNorm in {type(model).__name__}")


def _low_rank(model: nn.Module, rank: int, targets: Sequence[str]) -> int:
    """Add low-rank updates to the linear layers of those names; peft freezes everything else."""
    if rank < 1:
        raise ValueError(f"expected a rank of at least 1, got {rank}")
    found = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.rpartition(".")[2] in targets
    ]
    if not found:
        raise ValueError(f"expected linear layers named {', '.join(targets)} in {type(model).__name__}, found none")
    library = import_optional("peft", "paper")
    library.inject_adapter_in_model(library.LoraConfig(r=rank, lora_alpha=rank, target_modules=found), model)
    return _trained(model, "low-rank updates")


def _trained(model: nn.Module, expected: str) -> int:
    """The number of trained scalars; refuses 0."""
    count = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if count == 0:
        raise ValueError(f"expected {expected}, found nothing to train")
    return count
